// Losses against sampled negatives, forward and gradient in one visit: BCE, gBCE (Petrov, Macdonald 2023), sampled softmax
// with the logQ correction (Bengio, Senecal 2008). A long group gathers its negatives and multiplies; short ones read the
// table in place.
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

CK_DISPATCH(void, ck_sampled_loss_shared,
            (float *loss, float *cp, float *cn, float *dh, const float *h, const float *table, const int32_t *targets,
             const int32_t *negatives, const float *logq, ck_int begin, ck_int end, ck_int N, ck_int D, int kind, float beta,
             int mean, float weight, float *bias),
            (loss, cp, cn, dh, h, table, targets, negatives, logq, begin, end, N, D, kind, beta, mean, weight, bias))

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
enum { ck_few_negatives = 8 };

// A group of so few products is not worth a gather and calls of BLAS.
CK_INLINE int ck_is_short(const int32_t *groups, ck_int g, ck_int N) {
  const ck_int rows = groups[g + 1] - groups[g];
  return rows < 2 || rows * N < 32;
}
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

// Asks for the table rows of a short group: into the second cache, the first one is full with the rows before it.
CK_INLINE void CK(fetch_group)(const struct CK(sampled_loss) *a, ck_int g) {
  const ck_int count = a->N < ck_few_negatives ? a->N : ck_few_negatives, D = a->D;
  for (ck_int k = 0; k < count; k++)
    for (ck_int d = 0; d < D; d += 16) __builtin_prefetch(a->table + a->negatives[g * a->stride + k] * D + d, 0, 2);
  for (ck_int t = a->groups[g]; t < a->groups[g + 1]; t++)
    for (ck_int d = 0; d < D; d += 16) __builtin_prefetch(a->table + a->targets[t] * D + d, 0, 2);
}

// cp[t] = s+ and s[N] = the scores of row t against ids, read from the table in place.
CK_INLINE void CK(row_scores)(const struct CK(sampled_loss) *a, ck_int t, const int32_t *ids) {
  const ck_int N = a->N, D = a->D, target = a->targets[t];
  const float *h = a->h + t * D, *table = a->table;
  float *s = a->cn + t * N, first[2];
  for (ck_int d = 0; d < D; d += 16) __builtin_prefetch(a->dh + t * D + d, 1);  // row_gradient writes it
  CK(dot2)(first, h, table + target * D, table + ids[0] * D, D);
  a->cp[t] = first[0];
  s[0] = first[1];
  ck_int k = 1;
  for (; k + 4 <= N; k += 4) {
    for (ck_int i = k + ck_few_negatives; i < k + ck_few_negatives + 4 && i < N; i++) ck_fetch(table + ids[i] * D, D);
    CK(dot4)(s + k, h, table + ids[k] * D, table + ids[k + 1] * D, table + ids[k + 2] * D, table + ids[k + 3] * D, D);
  }
  for (; k < N; k++) s[k] = CK(dot)(h, table + ids[k] * D, D);
  if (a->logq) {
    a->cp[t] -= a->logq[target];
    for (k = 0; k < N; k++) s[k] -= a->logq[ids[k]];
  }
  for (k = 0; k < N; k++) s[k] = ids[k] == target ? -INFINITY : s[k];
}

// dh[t] = cp E[target] + sum c_k E[ids_k]
CK_INLINE void CK(row_gradient)(const struct CK(sampled_loss) *a, ck_int t, const int32_t *ids) {
#pragma clang fp contract(fast)
  const ck_int N = a->N, D = a->D;
  const float *table = a->table, *c = a->cn + t * N, *x0 = table + a->targets[t] * D, *x1 = table + ids[0] * D;
  const float c0 = a->cp[t], c1 = c[0];
  float *y = a->dh + t * D;
  CK_ROW for (ck_int d = 0; d < D; d++) y[d] = c0 * x0[d] + c1 * x1[d];
  ck_int k = 1;
  for (; k + 4 <= N; k += 4) {
    const float *z0 = table + ids[k] * D, *z1 = table + ids[k + 1] * D, *z2 = table + ids[k + 2] * D,
                *z3 = table + ids[k + 3] * D;
    CK_ROW for (ck_int d = 0; d < D; d++) y[d] += (c[k] * z0[d] + c[k + 1] * z1[d]) + (c[k + 2] * z2[d] + c[k + 3] * z3[d]);
  }
  for (; k < N; k++) CK(add_scaled_row)(y, table + ids[k] * D, c[k], D);
}

// Short groups g0..<g1, few enough rows that the table rows are still in cache for dh.
static void CK(short_groups)(const struct CK(sampled_loss) *a, ck_int g0, ck_int g1, ck_int end) {
  enum { ahead = 8 };
  const ck_int N = a->N, D = a->D;
  for (ck_int g = g0; g < g1; g++) {
    if (g + ahead < end && ck_is_short(a->groups, g + ahead, N)) CK(fetch_group)(a, g + ahead);
    for (ck_int t = a->groups[g]; t < a->groups[g + 1]; t++) CK(row_scores)(a, t, a->negatives + g * a->stride);
  }
  CK(loss_rows)(a, a->groups[g0], a->groups[g1] - a->groups[g0]);
  for (ck_int g = g0; g < g1; g++) {
    for (ck_int t = a->groups[g]; t < a->groups[g + 1]; t++) CK(row_gradient)(a, t, a->negatives + g * a->stride);
    if (!a->dn) continue;
    for (ck_int k = 0; k < N; k++) {
      float *out = a->dn + (g * N + k) * D;
      memset(out, 0, (size_t)D * sizeof(float));
      for (ck_int t = a->groups[g]; t < a->groups[g + 1]; t++) CK(add_scaled_row)(out, a->h + t * D, a->cn[t * N + k], D);
    }
  }
}

// Rows first ..< first + rows of one list: from h.E in cn to losses and gradients, dh = cp E[target]. The row after `last` is not asked for.
static void CK(scored_rows)(const struct CK(sampled_loss) *a, ck_int first, ck_int rows, ck_int last, const int32_t *ids, const float *bias) {
  enum { ahead = 12 };
  const ck_int N = a->N, D = a->D;
  for (ck_int t = first; t < first + rows; t++) {
    if (t + ahead < last) ck_fetch(a->table + a->targets[t + ahead] * D, D);
    const int32_t target = a->targets[t];
    float *row = a->cn + t * N;
    a->cp[t] = CK(dot)(a->h + t * D, a->table + target * D, D) - (a->logq ? a->logq[target] : 0.0f);
    CK_PARALLEL for (ck_int k = 0; k < N; k++) row[k] = ids[k] == target ? -INFINITY : row[k] + bias[k];
  }
  CK(loss_rows)(a, first, rows);
  for (ck_int t = first; t < first + rows; t++) {
    const float *target = a->table + a->targets[t] * D, c = a->cp[t];
    CK_ROW for (ck_int d = 0; d < D; d++) a->dh[t * D + d] = c * target[d];
  }
}

// One group over its gathered negatives, in blocks of rows.
static void CK(long_group)(const struct CK(sampled_loss) *a, ck_int g, const float *gathered, const float *bias) {
  const ck_int N = a->N, D = a->D, from = a->groups[g], to = a->groups[g + 1];
  for (ck_int first = from; first < to; first += CK_ROW_BLOCK) {
    const ck_int rows = to - first < CK_ROW_BLOCK ? to - first : CK_ROW_BLOCK;
    ck_gemm(a->cn + first * N, a->h + first * D, gathered, rows, N, D, 0, 1, 0);
    CK(scored_rows)(a, first, rows, to, a->negatives + g * a->stride, bias);
    ck_gemm(a->dh + first * D, a->cn + first * N, gathered, rows, D, N, 0, 0, 1);
  }
  if (a->dn) ck_gemm(a->dn + g * N * D, a->cn + from * N, a->h + from * D, N, D, to - from, 1, 0, 0);
}

static void CK(ck_sampled_loss_shared)(float *loss, float *cp, float *cn, float *dh, const float *h, const float *table,
                                       const int32_t *targets, const int32_t *negatives, const float *logq, ck_int begin,
                                       ck_int end, ck_int N, ck_int D, int kind, float beta, int mean, float weight, float *bias) {
  const struct CK(sampled_loss) a = {loss, cp,   cn, dh, NULL, h,    table, targets, negatives,
                                     NULL, logq, N,  D,  0,    kind, beta,  mean ? 1.0f / (float)(N + 1) : 1.0f,
                                     weight};
  for (ck_int k = 0; k < N; k++) bias[k] = logq ? -logq[negatives[k]] : 0.0f;
  for (ck_int first = begin; first < end; first += CK_ROW_BLOCK)
    CK(scored_rows)(&a, first, end - first < CK_ROW_BLOCK ? end - first : CK_ROW_BLOCK, end, negatives, bias);
}

static void CK(ck_sampled_loss)(float *loss, float *cp, float *cn, float *dh, float *dn, const float *h, const float *table,
                                const int32_t *targets, const int32_t *negatives, const int32_t *groups, const float *logq,
                                ck_int begin, ck_int end, ck_int N, ck_int D, ck_int stride, int kind, float beta, int mean,
                                float weight, float *scratch) {
  const struct CK(sampled_loss) a = {loss, cp,   cn, dh, dn,     h,    table, targets, negatives,
                                     groups, logq, N,  D,  stride, kind, beta, mean ? 1.0f / (float)(N + 1) : 1.0f,
                                     weight};
  const ck_int table_rows = 8192 / ((N + 1) * D);  // rows whose gathered vectors fit the first cache
  const ck_int most = table_rows < 1 ? 1 : table_rows < CK_ROW_BLOCK ? table_rows : CK_ROW_BLOCK;
  float *bias = scratch + N * D;
  const int32_t *gathered = NULL;
  for (ck_int g = begin, next; g < end; g = next) {
    next = g + 1;
    if (ck_is_short(groups, g, N)) {
      while (next < end && ck_is_short(groups, next, N) && groups[next + 1] - groups[g] <= most) next++;
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
