// Losses against sampled negatives, forward and gradient in one visit: BCE, gBCE (Petrov, Macdonald 2023), sampled softmax with the
// logQ correction (Bengio, Senecal 2008). A long group gathers its negatives and multiplies; short ones read the table in place.
#ifndef CK_BODY
#define CK_FILE "../SampledLoss/SampledLoss.c"
#include "../Matmul/gemm.h"
#include "../Common/isa.h"

CK_DISPATCH(void, ck_sampled_loss,
            (float *loss, float *cp, float *cn, float *dh, float *dn, const float *h, const float *table,
             const int32_t *targets, const int32_t *negatives, const int32_t *groups, const float *logq, ck_int begin,
             ck_int end, ck_int N, ck_int D, ck_int stride, int kind, float beta, int mean, float weight, float *scratch),
            (loss, cp, cn, dh, dn, h, table, targets, negatives, groups, logq, begin, end, N, D, stride, kind, beta, mean,
             weight, scratch))

// The gathered negatives [N, D] and their biases [N].
ck_int ck_sampled_loss_scratch(ck_int N, ck_int D, ck_int R) {
  (void)R;
  return N * (D + 1);
}

const char *ck_opencl_sampled_loss(void) {
  static const char text[] = {
#embed "SampledLoss.cl"
      , 0};
  return text;
}

#else
#include "../Common/scalar.h"
#include "../Common/rows.h"

#ifndef CK_SAMPLED_LOSS
#define CK_SAMPLED_LOSS
// From this many rows on a group is worth a gather and matrix products.
enum { ck_gather_rows = 4, ck_few_negatives = 8 };
#endif

// Scores s+ in cp[rows] and s[rows, N], -inf where left out, become dL/ds in place, times weight.
static void CK(bce_rows)(float *loss, float *cp, float *s, ck_int rows, ck_int N, float beta, float share, float weight) {
#pragma clang fp reassociate(on) contract(fast)
  const float scale = share * weight;
  CK_PARALLEL for (ck_int t = 0; t < rows; t++) {
    float slope;
    loss[t] = beta * share * ck_softplus(-cp[t], &slope);
    cp[t] = -beta * scale * slope;
  }
  if (N < ck_few_negatives) {  // one loop over all rows: a row alone does not fill a register
    float terms[CK_ROW_BLOCK * ck_few_negatives];
    CK_PARALLEL for (ck_int i = 0; i < rows * N; i++) {
      float slope;
      terms[i] = share * ck_softplus(s[i], &slope);
      s[i] = scale * slope;
    }
    for (ck_int t = 0; t < rows; t++)
      for (ck_int k = 0; k < N; k++) loss[t] += terms[t * N + k];
    return;
  }
  for (ck_int t = 0; t < rows; t++) {
    float *row = s + t * N, sum = 0;
    CK_PARALLEL for (ck_int k = 0; k < N; k++) {
      float slope;
      sum += ck_softplus(row[k], &slope);
      row[k] = scale * slope;
    }
    loss[t] += share * sum;
  }
}

// The same for the softmax: with m the maximum, L = m - s+ + log(sum e^(s - m)), and log1p where the target leads.
static void CK(softmax_rows)(float *loss, float *cp, float *s, ck_int rows, ck_int N, float weight) {
#pragma clang fp reassociate(on) contract(fast)
  for (ck_int t = 0; t < rows; t++) {
    float *row = s + t * N, sum = 0;
    const float positive = cp[t], top = CK(maximum)(row, N, positive);
    CK_PARALLEL for (ck_int k = 0; k < N; k++) {
      const float e = ck_exp(row[k] - top);
      sum += e;
      row[k] = e;
    }
    const float own = ck_exp(positive - top), scale = weight / (own + sum);
    CK_PARALLEL for (ck_int k = 0; k < N; k++) row[k] *= scale;
    cp[t] = -scale * sum;  // (p+ - 1) weight without the cancellation
    loss[t] = positive == top ? log1pf(sum) : (top - positive) + logf(own + sum);
  }
}

// dh[t] of a row starts as cp E[target].
CK_INLINE void CK(scaled_row)(float *y, const float *x, float c, ck_int D) {
  CK_ROW for (ck_int d = 0; d < D; d++) y[d] = c * x[d];
}

CK_INLINE void CK(add_scaled_row)(float *y, const float *x, float c, ck_int D) {
#pragma clang fp contract(fast)
  CK_ROW for (ck_int d = 0; d < D; d++) y[d] += c * x[d];
}

// What every group needs: the arguments of ck_sampled_loss that do not change.
struct CK(sampled_loss) {
  float *loss, *cp, *cn, *dh, *dn;
  const float *h, *table;
  const int32_t *targets, *negatives, *groups;
  const float *logq;
  ck_int N, D, stride;
  int kind;
  float beta, share, weight;
};

static void CK(loss_rows)(const struct CK(sampled_loss) *a, ck_int first, ck_int rows) {
  if (a->kind == CK_SOFTMAX)
    CK(softmax_rows)(a->loss + first, a->cp + first, a->cn + first * a->N, rows, a->N, a->weight);
  else
    CK(bce_rows)(a->loss + first, a->cp + first, a->cn + first * a->N, rows, a->N, a->beta, a->share, a->weight);
}

static float CK(positive_score)(const struct CK(sampled_loss) *a, ck_int t) {
  const ck_int target = a->targets[t];
  return CK(dot)(a->h + t * a->D, a->table + target * a->D, a->D) - (a->logq ? a->logq[target] : 0.0f);
}

// Asks for the table rows of a short group.
CK_INLINE void CK(fetch_group)(const struct CK(sampled_loss) *a, ck_int g) {
  const ck_int count = a->N < ck_few_negatives ? a->N : ck_few_negatives;
  for (ck_int k = 0; k < count; k++) ck_fetch(a->table + a->negatives[g * a->stride + k] * a->D, a->D);
  for (ck_int t = a->groups[g]; t < a->groups[g + 1]; t++) ck_fetch(a->table + a->targets[t] * a->D, a->D);
}

// Short groups g0..<g1, few enough rows that the table rows are still in cache for dh.
static void CK(short_groups)(const struct CK(sampled_loss) *a, ck_int g0, ck_int g1, ck_int end) {
  enum { ahead = 8 };
  const ck_int N = a->N, D = a->D, first = a->groups[g0], rows = a->groups[g1] - first;
  for (ck_int g = g0; g < g1; g++) {
    if (g + ahead < end && a->groups[g + ahead + 1] - a->groups[g + ahead] < ck_gather_rows) CK(fetch_group)(a, g + ahead);
    const int32_t *ids = a->negatives + g * a->stride;
    for (ck_int t = a->groups[g]; t < a->groups[g + 1]; t++) {
      const int32_t target = a->targets[t];
      a->cp[t] = CK(positive_score)(a, t);
      for (ck_int k = 0; k < N; k++) {
        const float score = CK(dot)(a->h + t * D, a->table + ids[k] * D, D) - (a->logq ? a->logq[ids[k]] : 0.0f);
        a->cn[t * N + k] = ids[k] == target ? -INFINITY : score;
      }
    }
  }
  CK(loss_rows)(a, first, rows);
  for (ck_int g = g0; g < g1; g++) {
    const int32_t *ids = a->negatives + g * a->stride;
    for (ck_int t = a->groups[g]; t < a->groups[g + 1]; t++) {
      CK(scaled_row)(a->dh + t * D, a->table + a->targets[t] * D, a->cp[t], D);
      for (ck_int k = 0; k < N; k++) CK(add_scaled_row)(a->dh + t * D, a->table + ids[k] * D, a->cn[t * N + k], D);
    }
    if (!a->dn) continue;
    for (ck_int k = 0; k < N; k++) {
      float *out = a->dn + (g * N + k) * D;
      memset(out, 0, (size_t)D * sizeof(float));
      for (ck_int t = a->groups[g]; t < a->groups[g + 1]; t++) CK(add_scaled_row)(out, a->h + t * D, a->cn[t * N + k], D);
    }
  }
}

// One group over its gathered negatives, in blocks of rows.
static void CK(long_group)(const struct CK(sampled_loss) *a, ck_int g, const float *gathered, const float *bias) {
  enum { ahead = 12 };
  const ck_int N = a->N, D = a->D, from = a->groups[g], to = a->groups[g + 1];
  const int32_t *ids = a->negatives + g * a->stride;
  for (ck_int first = from; first < to; first += CK_ROW_BLOCK) {
    const ck_int rows = to - first < CK_ROW_BLOCK ? to - first : CK_ROW_BLOCK;
    ck_gemm(a->cn + first * N, a->h + first * D, gathered, rows, N, D, 0, 1, 0.0f);
    for (ck_int t = first; t < first + rows; t++) {
      if (t + ahead < to) ck_fetch(a->table + a->targets[t + ahead] * D, D);
      const int32_t target = a->targets[t];
      float *row = a->cn + t * N;
      a->cp[t] = CK(positive_score)(a, t);
      CK_PARALLEL for (ck_int k = 0; k < N; k++) row[k] = ids[k] == target ? -INFINITY : row[k] + bias[k];
    }
    CK(loss_rows)(a, first, rows);
    for (ck_int t = first; t < first + rows; t++)
      CK(scaled_row)(a->dh + t * D, a->table + a->targets[t] * D, a->cp[t], D);
    ck_gemm(a->dh + first * D, a->cn + first * N, gathered, rows, D, N, 0, 0, 1.0f);
  }
  if (a->dn) ck_gemm(a->dn + g * N * D, a->cn + from * N, a->h + from * D, N, D, to - from, 1, 0, 0.0f);
}

static void CK(ck_sampled_loss)(float *loss, float *cp, float *cn, float *dh, float *dn, const float *h, const float *table,
                                const int32_t *targets, const int32_t *negatives, const int32_t *groups, const float *logq,
                                ck_int begin, ck_int end, ck_int N, ck_int D, ck_int stride, int kind, float beta, int mean,
                                float weight, float *scratch) {
  const struct CK(sampled_loss) a = {loss, cp,   cn, dh, dn,     h,    table, targets, negatives,
                                     groups, logq, N,  D,  stride, kind, beta,  mean ? 1.0f / (float)(N + 1) : 1.0f, weight};
  const ck_int table_rows = 8192 / ((N + 1) * D);  // rows whose gathered vectors fit the first cache
  const ck_int most = table_rows < 1 ? 1 : table_rows < CK_ROW_BLOCK ? table_rows : CK_ROW_BLOCK;
  float *bias = scratch + N * D;
  const int32_t *gathered = NULL;
  for (ck_int g = begin, next; g < end; g = next) {
    next = g + 1;
    if (groups[g + 1] - groups[g] < ck_gather_rows) {
      while (next < end && groups[next + 1] - groups[next] < ck_gather_rows && groups[next + 1] - groups[g] <= most) next++;
      CK(short_groups)(&a, g, next, end);
      continue;
    }
    const int32_t *ids = negatives + g * stride;
    if (ids != gathered)
      for (ck_int k = 0; k < N; k++) {
        if (k + 12 < N) ck_fetch(table + ids[k + 12] * D, D);
        memcpy(scratch + k * D, table + ids[k] * D, (size_t)D * sizeof(float));
        bias[k] = logq ? -logq[ids[k]] : 0.0f;
      }
    gathered = ids;
    CK(long_group)(&a, g, scratch, bias);
  }
}
#endif
