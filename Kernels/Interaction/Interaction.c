// How features meet: elementwise products (the cross layer of DCNv2, the gates of FinalMLP) and all pairs of fields (factorisation
// machines, Rendle 2010).
#ifndef CK_BODY
#define CK_FILE "../Interaction/Interaction.c"
#include "../Common/isa.h"

CK_DISPATCH(void, ck_product_forward, (float *y, const float *a, const float *b, const float *c, float scale, ck_int begin, ck_int end),
            (y, a, b, c, scale, begin, end))
CK_DISPATCH(void, ck_product_backward,
            (float *da, float *db, const float *dy, const float *a, const float *b, float scale, ck_int begin, ck_int end),
            (da, db, dy, a, b, scale, begin, end))
CK_DISPATCH(void, ck_field_pairs_forward, (float *y, float *sums, const float *e, ck_int begin, ck_int end, ck_int F, ck_int D),
            (y, sums, e, begin, end, F, D))
CK_DISPATCH(void, ck_field_pairs_backward,
            (float *de, const float *dy, const float *sums, const float *e, ck_int begin, ck_int end, ck_int F, ck_int D),
            (de, dy, sums, e, begin, end, F, D))

const char *ck_opencl_interaction(void) {
  static const char text[] = {
#embed "Interaction.cl"
      , 0};
  return text;
}

#else
#include "../Common/scalar.h"

static void CK(ck_product_forward)(float *y, const float *a, const float *b, const float *c, float scale, ck_int begin, ck_int end) {
#pragma clang fp contract(fast)
  if (c) {
    CK_PARALLEL for (ck_int i = begin; i < end; i++) y[i] = scale * (a[i] * b[i]) + c[i];
  } else {
    CK_PARALLEL for (ck_int i = begin; i < end; i++) y[i] = scale * (a[i] * b[i]);
  }
}

static void CK(ck_product_backward)(float *da, float *db, const float *dy, const float *a, const float *b, float scale, ck_int begin,
                                    ck_int end) {
  CK_PARALLEL for (ck_int i = begin; i < end; i++) {
    const float d = scale * dy[i], ai = a[i];
    da[i] = d * b[i];
    db[i] = d * ai;
  }
}

static void CK(ck_field_pairs_forward)(float *y, float *sums, const float *e, ck_int begin, ck_int end, ck_int F, ck_int D) {
#pragma clang fp reassociate(on) contract(fast)
  for (ck_int r = begin; r < end; r++) {
    float *s = sums + r * D, pairs = 0;
    memset(s, 0, (size_t)D * sizeof(float));
    for (ck_int f = 0; f < F; f++) {
      const float *row = e + (r * F + f) * D;
      CK_ROW for (ck_int d = 0; d < D; d++) {
        pairs += row[d] * s[d];  // with every field before it
        s[d] += row[d];
      }
    }
    y[r] = pairs;
  }
}

// d pairs / d e[f] = the sum of the other fields.
static void CK(ck_field_pairs_backward)(float *de, const float *dy, const float *sums, const float *e, ck_int begin, ck_int end, ck_int F,
                                        ck_int D) {
  for (ck_int r = begin; r < end; r++) {
    const float *s = sums + r * D, d = dy[r];
    for (ck_int f = 0; f < F; f++) {
      const float *row = e + (r * F + f) * D;
      float *drow = de + (r * F + f) * D;
      CK_ROW for (ck_int i = 0; i < D; i++) drow[i] = d * (s[i] - row[i]);
    }
  }
}
#endif
