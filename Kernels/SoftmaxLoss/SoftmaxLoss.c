// Cross-entropy over the whole catalogue, one tile of logits at a time: a scan keeps the running maximum and sum of
// exponentials (Milakov, Gimelshein 2018), then the tiles are made again for the gradient (as in Wijmans et al. 2024).
#ifndef CK_BODY
#define CK_FILE "../SoftmaxLoss/SoftmaxLoss.c"
#include "../Common/isa.h"
#include "../Matmul/gemm.h"

static CK_DISPATCH(void, scan_rows, (float *m, float *z, const float *s, ck_int rows, ck_int n, int is_first),
                   (m, z, s, rows, n, is_first))
static CK_DISPATCH(void, gradient_rows,
                   (float *s, const float *lse, const int32_t *targets, ck_int rows, ck_int v0, ck_int n, float weight),
                   (s, lse, targets, rows, v0, n, weight))
CK_DISPATCH(void, ck_softmax_loss_finish,
            (float *loss, float *lse, const float *m, const float *z, const float *h, const float *table,
             const int32_t *targets, ck_int begin, ck_int end, ck_int D),
            (loss, lse, m, z, h, table, targets, begin, end, D))

const char *ck_opencl_softmax_loss(void) {
  static const char text[] = {
#embed "SoftmaxLoss.cl"
      , 0};
  return text;
}

void ck_softmax_loss_scan(float *m, float *z, const float *h, const float *table, ck_int begin, ck_int end, ck_int v0,
                          ck_int n, ck_int D, float *scratch) {
  for (ck_int t = begin; t < end; t += CK_ROW_BLOCK) {
    const ck_int rows = end - t < CK_ROW_BLOCK ? end - t : CK_ROW_BLOCK;
    ck_gemm(scratch, h + t * D, table + v0 * D, rows, n, D, 0, 1, 0);
    scan_rows(m + t, z + t, scratch, rows, n, v0 == 0);
  }
}

void ck_softmax_loss_tile(float *p, float *dh, const float *h, const float *table, const float *lse, const int32_t *targets,
                          ck_int begin, ck_int end, ck_int v0, ck_int n, ck_int D, float weight) {
  for (ck_int t = begin; t < end; t += CK_ROW_BLOCK) {
    const ck_int rows = end - t < CK_ROW_BLOCK ? end - t : CK_ROW_BLOCK;
    ck_gemm(p + t * n, h + t * D, table + v0 * D, rows, n, D, 0, 1, 0);
    gradient_rows(p + t * n, lse + t, targets + t, rows, v0, n, weight);
    ck_gemm(dh + t * D, p + t * n, table + v0 * D, rows, D, n, 0, 0, v0 != 0);
  }
}

#else
#include "../Common/scalar.h"
#include "../Common/rows.h"

static void CK(scan_rows)(float *m, float *z, const float *s, ck_int rows, ck_int n, int is_first) {
#pragma clang fp reassociate(on) contract(fast)
  for (ck_int t = 0; t < rows; t++) {
    const float *row = s + t * n;
    const float old = is_first ? -INFINITY : m[t];
    const float top = CK(maximum)(row, n, old);
    float sum = 0;
    for (ck_int i = 0; i < n; i++) sum += ck_exp(row[i] - top);
    z[t] = is_first ? sum : z[t] * ck_exp(old - top) + sum;
    m[t] = top;
  }
}

static void CK(gradient_rows)(float *s, const float *lse, const int32_t *targets, ck_int rows, ck_int v0, ck_int n,
                              float weight) {
  for (ck_int t = 0; t < rows; t++) {
    float *row = s + t * n;
    const float l = lse[t];
    CK_PARALLEL for (ck_int i = 0; i < n; i++) row[i] = weight * ck_exp(row[i] - l);
    const ck_int own = targets[t] - v0;
    if (own >= 0 && own < n) row[own] -= weight;
  }
}

static void CK(ck_softmax_loss_finish)(float *loss, float *lse, const float *m, const float *z, const float *h,
                                       const float *table, const int32_t *targets, ck_int begin, ck_int end, ck_int D) {
  enum { ahead = 12 };
  for (ck_int t = begin; t < end; t++) {
    if (t + ahead < end) ck_fetch(table + targets[t + ahead] * D, D);
    const float score = CK(dot)(h + t * D, table + targets[t] * D, D), log_sum = logf(z[t]);
    lse[t] = m[t] + log_sum;
    loss[t] = (m[t] - score) + log_sum;
  }
}
#endif
