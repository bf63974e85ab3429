// Cross-entropy over the catalogue, one tile of items at a time, with a running log-sum-exp.
#ifndef CK_BODY
#define CK_FILE "../SoftmaxLoss/SoftmaxLoss.c"
#include "../Common/scalar.h"
#include "../Matmul/gemm.h"
#include "../Common/isa.h"

CK_DISPATCH(void, ck_softmax_loss_scan,
            (float *m, float *z, const float *h, const float *table, ck_int begin, ck_int end, ck_int T, ck_int v0, ck_int n,
             ck_int D, float *scratch),
            (m, z, h, table, begin, end, T, v0, n, D, scratch))
CK_DISPATCH(void, ck_softmax_loss_finish,
            (float *loss, float *lse, const float *m, const float *z, const float *h, const float *table, const int32_t *targets,
             ck_int begin, ck_int end, ck_int D),
            (loss, lse, m, z, h, table, targets, begin, end, D))
CK_DISPATCH(void, ck_softmax_loss_tile,
            (float *p, float *dh, const float *h, const float *table, const float *lse, const int32_t *targets, ck_int begin,
             ck_int end, ck_int T, ck_int v0, ck_int n, ck_int D, float weight, float *scratch),
            (p, dh, h, table, lse, targets, begin, end, T, v0, n, D, weight, scratch))

const char *ck_opencl_softmax_loss(void) {
  static const char text[] = {
#embed "SoftmaxLoss.cl"
      , 0};
  return text;
}

#else

static void CK(ck_softmax_loss_scan)(float *m, float *z, const float *h, const float *table, ck_int begin, ck_int end, ck_int T,
                                     ck_int v0, ck_int n, ck_int D, float *scratch) {
#pragma clang fp reassociate(on) contract(fast)
  (void)T;
  for (ck_int t0 = begin; t0 < end; t0 += CK_ROW_BLOCK) {
    ck_int rows = end - t0 < CK_ROW_BLOCK ? end - t0 : CK_ROW_BLOCK;
    ck_gemm(scratch, h + t0 * D, table + v0 * D, rows, n, D, 0, 1, 0.0f);
    for (ck_int r = 0; r < rows; r++) {
      const float *restrict s = scratch + r * n;
      float old = v0 ? m[t0 + r] : -INFINITY, top = old, sum = 0.0f;
      for (ck_int i = 0; i < n; i++) top = s[i] > top ? s[i] : top;
      for (ck_int i = 0; i < n; i++) sum += ck_exp(s[i] - top);
      z[t0 + r] = (v0 ? z[t0 + r] * ck_exp(old - top) : 0.0f) + sum;
      m[t0 + r] = top;
    }
  }
}

static void CK(ck_softmax_loss_finish)(float *loss, float *lse, const float *m, const float *z, const float *h, const float *table,
                                       const int32_t *targets, ck_int begin, ck_int end, ck_int D) {
#pragma clang fp reassociate(on) contract(fast)
  for (ck_int t = begin; t < end; t++) {
    const float *restrict a = h + t * D, *restrict b = table + (ck_int)targets[t] * D;
    float score = 0.0f;
    for (ck_int i = 0; i < D; i++) score += a[i] * b[i];
    lse[t] = m[t] + logf(z[t]);
    loss[t] = lse[t] - score;
  }
}

static void CK(ck_softmax_loss_tile)(float *p, float *dh, const float *h, const float *table, const float *lse,
                                     const int32_t *targets, ck_int begin, ck_int end, ck_int T, ck_int v0, ck_int n, ck_int D,
                                     float weight, float *scratch) {
  (void)T;
  (void)scratch;
  for (ck_int t0 = begin; t0 < end; t0 += CK_ROW_BLOCK) {
    ck_int rows = end - t0 < CK_ROW_BLOCK ? end - t0 : CK_ROW_BLOCK;
    ck_gemm(p + t0 * n, h + t0 * D, table + v0 * D, rows, n, D, 0, 1, 0.0f);
    for (ck_int t = t0; t < t0 + rows; t++) {
      float *restrict s = p + t * n;
      float l = lse[t];
      for (ck_int i = 0; i < n; i++) s[i] = weight * ck_exp(s[i] - l);
      ck_int own = (ck_int)targets[t] - v0;
      if (own >= 0 && own < n) s[own] -= weight;
    }
    ck_gemm(dh + t0 * D, p + t0 * n, table + v0 * D, rows, D, n, 0, 0, v0 ? 1.0f : 0.0f);
  }
}
#endif
