// Losses against sampled negatives, forward and gradient in one visit: the scores of a block of rows never leave the cache.
#ifndef CK_BODY
#define CK_FILE "../SampledLoss/SampledLoss.c"
#include "../Common/scalar.h"
#include "../Matmul/gemm.h"
#include "../Common/isa.h"

CK_DISPATCH(void, ck_sampled_loss,
            (float *loss, float *cp, float *cn, float *dh, float *dn, const float *h, const float *table, const int32_t *targets,
             const int32_t *negatives, const int32_t *groups, const float *logq, ck_int begin, ck_int end, ck_int N, ck_int D,
             ck_int stride, int kind, float beta, int mean, float weight, float *scratch),
            (loss, cp, cn, dh, dn, h, table, targets, negatives, groups, logq, begin, end, N, D, stride, kind, beta, mean, weight,
             scratch))

// The gathered negatives [N, D].
ck_int ck_sampled_loss_scratch(ck_int N, ck_int D, ck_int R) {
  (void)R;
  return N * D;
}

const char *ck_opencl_sampled_loss(void) {
  static const char text[] = {
#embed "SampledLoss.cl"
      , 0};
  return text;
}

#else

CK_INLINE float CK(dot)(const float *restrict a, const float *restrict b, ck_int D) {
#pragma clang fp reassociate(on) contract(fast)
  float sum = 0.0f;
  for (ck_int i = 0; i < D; i++) sum += a[i] * b[i];
  return sum;
}

CK_INLINE void CK(axpy)(float *restrict y, const float *restrict x, float c, ck_int D) {
#pragma clang fp contract(fast)
  for (ck_int i = 0; i < D; i++) y[i] += c * x[i];
}

// Scores s[N] of a row become dL/ds in place; returns the loss, *positive becomes dL/ds+.
CK_INLINE float CK(bce_row)(float *restrict s, float *positive, const int32_t *restrict ids, int32_t target, ck_int N, float beta,
                            float share, float weight) {
#pragma clang fp reassociate(on) contract(fast)
  float slope, sum = 0.0f;
  float loss = beta * ck_softplus(-*positive, &slope);
  *positive = -beta * slope * share * weight;
  for (ck_int k = 0; k < N; k++) {
    float d, l = ck_softplus(s[k], &d);
    sum += ids[k] == target ? 0.0f : l;
    s[k] = ids[k] == target ? 0.0f : d * share * weight;
  }
  return (loss + sum) * share;
}

CK_INLINE float CK(softmax_row)(float *restrict s, float *positive, const int32_t *restrict ids, int32_t target, ck_int N,
                                float weight) {
#pragma clang fp reassociate(on) contract(fast)
  float p = *positive, m = p, z = 0.0f;
  for (ck_int k = 0; k < N; k++) m = s[k] > m ? s[k] : m;
  for (ck_int k = 0; k < N; k++) {
    float e = ids[k] == target ? 0.0f : ck_exp(s[k] - m);
    s[k] = e;
    z += e;
  }
  float e = ck_exp(p - m);
  z += e;
  float scale = weight / z;
  for (ck_int k = 0; k < N; k++) s[k] *= scale;
  *positive = e * scale - weight;
  return m + logf(z) - p;
}

CK_INLINE float CK(row_of)(float *s, float *positive, const int32_t *ids, int32_t target, ck_int N, int kind, float beta,
                           float share, float weight) {
  return kind == CK_SOFTMAX ? CK(softmax_row)(s, positive, ids, target, N, weight)
                            : CK(bce_row)(s, positive, ids, target, N, beta, share, weight);
}

static void CK(ck_sampled_loss)(float *loss, float *cp, float *cn, float *dh, float *dn, const float *h, const float *table,
                                const int32_t *targets, const int32_t *negatives, const int32_t *groups, const float *logq,
                                ck_int begin, ck_int end, ck_int N, ck_int D, ck_int stride, int kind, float beta, int mean,
                                float weight, float *scratch) {
  const float share = mean ? 1.0f / (float)(N + 1) : 1.0f;
  for (ck_int g = begin; g < end; g++) {
    const int32_t *ids = negatives + g * stride;
    ck_int first = groups[g], rows = groups[g + 1] - first;
    float *S = cn + first * N;
    // A single row with few negatives is two dot products; a product of matrices pays from a handful of rows on.
    int is_direct = rows * N < 64;
    if (!is_direct) {
      for (ck_int k = 0; k < N; k++) memcpy(scratch + k * D, table + (ck_int)ids[k] * D, (size_t)D * sizeof(float));
      ck_gemm(S, h + first * D, scratch, rows, N, D, 0, 1, 0.0f);
    }
    for (ck_int t = first; t < first + rows; t++) {
      const float *state = h + t * D, *target = table + (ck_int)targets[t] * D;
      float *s = cn + t * N, *d = dh + t * D;
      if (is_direct)
        for (ck_int k = 0; k < N; k++) s[k] = CK(dot)(state, table + (ck_int)ids[k] * D, D);
      float positive = CK(dot)(state, target, D);
      if (logq) {
        positive -= logq[targets[t]];
        for (ck_int k = 0; k < N; k++) s[k] -= logq[ids[k]];
      }
      loss[t] = CK(row_of)(s, &positive, ids, targets[t], N, kind, beta, share, weight);
      cp[t] = positive;
      for (ck_int i = 0; i < D; i++) d[i] = positive * target[i];
      if (is_direct)
        for (ck_int k = 0; k < N; k++) CK(axpy)(d, table + (ck_int)ids[k] * D, s[k], D);
    }
    if (!is_direct) ck_gemm(dh + first * D, S, scratch, rows, D, N, 0, 0, 1.0f);
    if (!dn) continue;
    if (is_direct || rows == 0) {
      float *out = dn + g * N * D;
      memset(out, 0, (size_t)(N * D) * sizeof(float));
      for (ck_int t = first; t < first + rows; t++)
        for (ck_int k = 0; k < N; k++) CK(axpy)(out + k * D, h + t * D, cn[t * N + k], D);
    } else {
      ck_gemm(dn + g * N * D, S, h + first * D, N, D, rows, 1, 0, 0.0f);
    }
  }
}
#endif
