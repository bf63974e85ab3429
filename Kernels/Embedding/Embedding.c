// Gather of table rows, and its transpose: sums of the gradients of equal rows in a fixed order.
#ifndef CK_BODY
#define CK_FILE "../Embedding/Embedding.c"
#include "../Common/isa.h"

CK_DISPATCH(void, ck_embedding_forward,
            (float *y, const float *table, const int32_t *ids, const float *positions, const int32_t *place, ck_int begin, ck_int end,
             ck_int D, float scale),
            (y, table, ids, positions, place, begin, end, D, scale))
CK_DISPATCH(void, ck_segment_sum,
            (float *dtable, const float *x, const float *c, const int32_t *order, const int32_t *segments, const int32_t *rows,
             ck_int begin, ck_int end, ck_int D, ck_int divisor, float scale),
            (dtable, x, c, order, segments, rows, begin, end, D, divisor, scale))

const char *ck_opencl_embedding(void) {
  static const char text[] = {
#embed "Embedding.cl"
      , 0};
  return text;
}

#else

enum { CK(ahead) = 8 };  // rows fetched before they are needed: a random row of a big table misses every cache

static void CK(ck_embedding_forward)(float *y, const float *table, const int32_t *ids, const float *positions,
                                     const int32_t *place, ck_int begin, ck_int end, ck_int D, float scale) {
  for (ck_int t = begin; t < end; t++) {
    if (t + CK(ahead) < end) {
      const float *next = table + (ck_int)ids[t + CK(ahead)] * D;
      for (ck_int i = 0; i < D; i += 16) __builtin_prefetch(next + i);
    }
    const float *restrict row = table + (ck_int)ids[t] * D;
    float *restrict out = y + t * D;
    if (positions) {
      const float *restrict p = positions + (ck_int)place[t] * D;
      for (ck_int i = 0; i < D; i++) out[i] = scale * row[i] + p[i];
    } else {
      for (ck_int i = 0; i < D; i++) out[i] = scale * row[i];
    }
  }
}

static void CK(ck_segment_sum)(float *dtable, const float *x, const float *c, const int32_t *order, const int32_t *segments,
                               const int32_t *rows, ck_int begin, ck_int end, ck_int D, ck_int divisor, float scale) {
#pragma clang fp contract(fast)
  const ck_int last = segments[end];
  for (ck_int u = begin; u < end; u++) {
    float *restrict out = dtable + (ck_int)rows[u] * D;
    for (ck_int i = segments[u]; i < segments[u + 1]; i++) {
      if (i + CK(ahead) < last) {
        const float *next = x + (ck_int)order[i + CK(ahead)] / divisor * D;
        for (ck_int j = 0; j < D; j += 16) __builtin_prefetch(next + j);
      }
      ck_int o = order[i];
      float w = c ? scale * c[o] : scale;
      if (w == 0.0f) continue;
      const float *restrict from = x + (divisor == 1 ? o : o / divisor) * D;
      for (ck_int j = 0; j < D; j++) out[j] += w * from[j];
    }
  }
}
#endif
