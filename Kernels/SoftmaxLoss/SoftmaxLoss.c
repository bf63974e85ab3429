// Cross-entropy over the whole catalogue, one tile of logits at a time: a scan keeps the running maximum and sum of
// exponentials (Milakov, Gimelshein 2018), then the tiles are made again for the gradient (as in Wijmans et al. 2024).
#ifndef CK_BODY
#define CK_FILE "../SoftmaxLoss/SoftmaxLoss.c"
#include "../Common/isa.h"

CK_DISPATCH(void, ck_softmax_loss_scan,
            (float *m, float *z, const float *s, ck_int begin, ck_int end, ck_int n, int is_first),
            (m, z, s, begin, end, n, is_first))
CK_DISPATCH(void, ck_softmax_loss_gradient,
            (float *p, const float *lse, const int32_t *targets, ck_int begin, ck_int end, ck_int v0, ck_int n,
             float weight),
            (p, lse, targets, begin, end, v0, n, weight))
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

const char *ck_opencl_softmax_loss_sm90(void) {
  static const char text[] = {
#embed "../Attention/tiles.h"
      , '\n',
#embed "catalogue.h"
      , '\n',
#embed "SoftmaxLoss.sm90.cl"
      , 0};
  return text;
}

#else
#include "../Common/scalar.h"
#include "../Common/rows.h"

static void CK(ck_softmax_loss_scan)(float *m, float *z, const float *s, ck_int begin, ck_int end, ck_int n, int is_first) {
#pragma clang fp reassociate(on) contract(fast)
  for (ck_int t = begin; t < end; t++) {
    const float *row = s + (t - begin) * n;
    const float old = is_first ? -INFINITY : m[t];
    const float top = CK(maximum)(row, n, old);
    float sum = 0;
    for (ck_int i = 0; i < n; i++) sum += ck_exp(row[i] - top);
    z[t] = is_first ? sum : z[t] * ck_exp(old - top) + sum;
    m[t] = top;
  }
}

static void CK(ck_softmax_loss_gradient)(float *p, const float *lse, const int32_t *targets, ck_int begin, ck_int end,
                                         ck_int v0, ck_int n, float weight) {
  for (ck_int t = begin; t < end; t++) {
    float *row = p + t * n;
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
