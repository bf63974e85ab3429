// What the rows of a history have to do with the target that stands beside it (Zhou et al. 2018): pairs, products, shares and
// weighted sums, history by history.
#ifndef CK_BODY
#define CK_FILE "../TargetAttention/TargetAttention.c"
#include "../Common/isa.h"

CK_DISPATCH(void, ck_target_pairs_forward,
            (float *y, const float *h, const float *t, const int32_t *offsets, ck_int begin, ck_int end, ck_int D),
            (y, h, t, offsets, begin, end, D))
CK_DISPATCH(void, ck_target_pairs_backward,
            (float *dh, float *dt, const float *dy, const float *h, const float *t, const int32_t *offsets, ck_int begin, ck_int end,
             ck_int D),
            (dh, dt, dy, h, t, offsets, begin, end, D))
CK_DISPATCH(void, ck_target_dots,
            (float *s, const float *h, const float *t, const int32_t *offsets, ck_int begin, ck_int end, ck_int D),
            (s, h, t, offsets, begin, end, D))
CK_DISPATCH(void, ck_target_spread,
            (float *y, const float *t, const float *a, const int32_t *offsets, ck_int begin, ck_int end, ck_int D),
            (y, t, a, offsets, begin, end, D))
CK_DISPATCH(void, ck_weighted_sums,
            (float *y, const float *h, const float *a, const int32_t *offsets, ck_int begin, ck_int end, ck_int D),
            (y, h, a, offsets, begin, end, D))
CK_DISPATCH(void, ck_history_shares, (float *p, const float *s, const int32_t *offsets, ck_int begin, ck_int end),
            (p, s, offsets, begin, end))
CK_DISPATCH(void, ck_history_shares_backward,
            (float *ds, const float *dp, const float *p, const int32_t *offsets, ck_int begin, ck_int end),
            (ds, dp, p, offsets, begin, end))

const char *ck_opencl_target_attention(void) {
  static const char text[] = {
#embed "TargetAttention.cl"
      , 0};
  return text;
}

#else
#include "../Common/scalar.h"

#include "../Common/rows.h"

static void CK(ck_target_pairs_forward)(float *y, const float *h, const float *t, const int32_t *offsets, ck_int begin, ck_int end,
                                        ck_int D) {
  for (ck_int b = begin; b < end; b++) {
    const float *target = t + b * D;
    for (ck_int j = offsets[b]; j < offsets[b + 1]; j++) {
      const float *row = h + j * D;
      float *out = y + j * 4 * D;
      CK_ROW for (ck_int d = 0; d < D; d++) {
        const float a = target[d], c = row[d];
        out[d] = a;
        out[D + d] = c;
        out[2 * D + d] = a - c;
        out[3 * D + d] = a * c;
      }
    }
  }
}

// Of y = [t, h, t - h, t h].
static void CK(ck_target_pairs_backward)(float *dh, float *dt, const float *dy, const float *h, const float *t, const int32_t *offsets,
                                         ck_int begin, ck_int end, ck_int D) {
#pragma clang fp contract(fast)
  for (ck_int b = begin; b < end; b++) {
    const float *target = t + b * D;
    float *sum = dt + b * D;
    memset(sum, 0, (size_t)D * sizeof(float));
    for (ck_int j = offsets[b]; j < offsets[b + 1]; j++) {
      const float *row = h + j * D, *g = dy + j * 4 * D;
      float *out = dh + j * D;
      CK_ROW for (ck_int d = 0; d < D; d++) {
        const float difference = g[2 * D + d], product = g[3 * D + d];
        out[d] = g[D + d] - difference + product * target[d];
        sum[d] += g[d] + difference + product * row[d];
      }
    }
  }
}

static void CK(ck_target_dots)(float *s, const float *h, const float *t, const int32_t *offsets, ck_int begin, ck_int end, ck_int D) {
  for (ck_int b = begin; b < end; b++)
    for (ck_int j = offsets[b]; j < offsets[b + 1]; j++) s[j] = CK(dot)(h + j * D, t + b * D, D);
}

static void CK(ck_target_spread)(float *y, const float *t, const float *a, const int32_t *offsets, ck_int begin, ck_int end, ck_int D) {
  for (ck_int b = begin; b < end; b++)
    for (ck_int j = offsets[b]; j < offsets[b + 1]; j++) {
      const float *target = t + b * D, share = a[j];
      float *out = y + j * D;
      CK_ROW for (ck_int d = 0; d < D; d++) out[d] = share * target[d];
    }
}

static void CK(ck_weighted_sums)(float *y, const float *h, const float *a, const int32_t *offsets, ck_int begin, ck_int end, ck_int D) {
#pragma clang fp contract(fast)
  for (ck_int b = begin; b < end; b++) {
    float *sum = y + b * D;
    memset(sum, 0, (size_t)D * sizeof(float));
    for (ck_int j = offsets[b]; j < offsets[b + 1]; j++) {
      const float *row = h + j * D, share = a[j];
      CK_ROW for (ck_int d = 0; d < D; d++) sum[d] += share * row[d];
    }
  }
}

static void CK(ck_history_shares)(float *p, const float *s, const int32_t *offsets, ck_int begin, ck_int end) {
#pragma clang fp reassociate(on)
  for (ck_int b = begin; b < end; b++) {
    const ck_int from = offsets[b], to = offsets[b + 1];
    const float largest = CK(maximum)(s + from, to - from, -__builtin_inff());
    float sum = 0;
    CK_ROW for (ck_int j = from; j < to; j++) p[j] = ck_exp(s[j] - largest);
    CK_ROW for (ck_int j = from; j < to; j++) sum += p[j];
    const float share = 1 / sum;
    CK_ROW for (ck_int j = from; j < to; j++) p[j] *= share;
  }
}

// ds = p (dp - sum p dp)
static void CK(ck_history_shares_backward)(float *ds, const float *dp, const float *p, const int32_t *offsets, ck_int begin, ck_int end) {
#pragma clang fp reassociate(on)
  for (ck_int b = begin; b < end; b++) {
    float sum = 0;
    CK_ROW for (ck_int j = offsets[b]; j < offsets[b + 1]; j++) sum += p[j] * dp[j];
    CK_ROW for (ck_int j = offsets[b]; j < offsets[b + 1]; j++) ds[j] = p[j] * (dp[j] - sum);
  }
}
#endif
