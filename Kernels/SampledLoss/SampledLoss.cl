// Losses against sampled negatives: BCE, gBCE (Petrov and Macdonald 2023) and sampled softmax with the logQ correction
// (Bengio and Senecal 2008; Yi et al. 2019). A work-group serves ROWS rows, a work-item every LANES-th negative; local
// memory LANES * ROWS floats. Shared negatives: the host gathers e[G*N,D] = E[negatives], fills cn with h e^T
// (matmul_transposed with groups), runs sampled_loss, then dh += cn e (matmul) and dn = cn^T h (matmul_tn).
// sampled_loss_rows does scores and dh itself, for groups of few rows.

// Group of row t: the last g with groups[g] <= t
int group_of(__global const int *groups, int G, int t) {
  int low = 0, high = G;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (groups[middle] <= t)
      low = middle;
    else
      high = middle;
  }
  return low;
}

vec softplus(vec x) { return fmax(x, (vec)(0.0f)) + log1p(exp(-fabs(x))); }
float softplus1(float x) { return fmax(x, 0.0f) + log1p(exp(-fabs(x))); }

// Corrected scores of this lane's negatives k ..< k + VECTOR: -infinity where equal to the target or past the end
vec corrected(vec score, __global const int *negatives, __global const float *logq, int target, int count) {
  const ivec ids = iload_part(negatives, count);
  if (logq) {
    float part[VECTOR];
    for (int i = 0; i < VECTOR; i++) part[i] = i < count ? logq[negatives[i]] : 0;
    score -= VLOAD(part);
  }
  score = select(score, (vec)(-INFINITY), (ivec)(ids == (ivec)(target)));
  return vec_fill(score, count, -INFINITY);
}

// cn: scores in, gradients out. Returns cp; *loss is set.
#define SAMPLED_LOSS_ROW(loss, positive, cn, negatives, logq, target, N, kind, beta, mean, weight, live_N) \
  float row_loss, row_cp; \
  if (kind == 1) { \
    vec part = (vec)(-INFINITY); \
    FOR_LANE(k, live_N) { \
      const vec s = corrected(vload_part(cn + k, N - k), negatives + k, logq, target, N - k); \
      vstore_part(s, cn + k, N - k); \
      part = fmax(part, s); \
    } \
    const float maximum = fmax(positive, LANE_MAX(vec_max(part))); \
    part = (vec)(0.0f); \
    FOR_LANE(k, live_N) part += vec_fill(exp(vload_part(cn + k, N - k) - maximum), N - k, 0); \
    const float normaliser = maximum + log(exp(positive - maximum) + LANE_SUM(vec_sum(part))); \
    FOR_LANE(k, live_N) vstore_part(weight * exp(vload_part(cn + k, N - k) - normaliser), cn + k, N - k); \
    row_loss = normaliser - positive; \
    row_cp = weight * (exp(positive - normaliser) - 1.0f); \
  } else { \
    const float count = mean ? N + 1 : 1; \
    vec part = (vec)(0.0f); \
    FOR_LANE(k, live_N) { \
      const vec s = corrected(vload_part(cn + k, N - k), negatives + k, logq, target, N - k); \
      part += softplus(s); \
      vstore_part(SIGMOID(s) * (weight / count), cn + k, N - k); \
    } \
    row_loss = (beta * softplus1(-positive) + LANE_SUM(vec_sum(part))) / count; \
    row_cp = -beta * (1.0f / (1.0f + exp(positive))) * (weight / count); \
  } \
  if (LANE == 0 && live) { \
    loss[t] = row_loss; \
    cp[t] = row_cp; \
  }

// dh[t] = cp E[target]; the host adds cn e
ROW_KERNEL void sampled_loss(__global float *loss, __global float *cp, __global float *cn, __global float *dh,
                             __global const float *h, __global const float *table, __global const int *targets,
                             __global const int *negatives, __global const int *groups, __global const float *logq,
                             int T, int G, int N, int D, int kind, float beta, int mean, float weight) {
  LANE_SCRATCH
  ROW(t, live, T);
  const int target = targets[t], live_N = live ? N : 0;
  negatives += (size_t)group_of(groups, G, t) * N;
  cn += (size_t)t * N;
  table += (size_t)target * D;
  const float positive = LANE_SUM(lane_dot(h + (size_t)t * D, table, D)) - (logq ? logq[target] : 0.0f);
  SAMPLED_LOSS_ROW(loss, positive, cn, negatives, logq, target, N, kind, beta, mean, weight, live_N)
  if (!live) return;
  dh += (size_t)t * D;
  FOR_LANE(d, D) vstore_part(row_cp * vload_part(table + d, D - d), dh + d, D - d);
}

// The same from the table alone: a work-item scores whole negatives, then all work-items sum dh over them.
ROW_KERNEL void sampled_loss_rows(__global float *loss, __global float *cp, __global float *cn, __global float *dh,
                                  __global const float *h, __global const float *table, __global const int *targets,
                                  __global const int *negatives, __global const int *groups, __global const float *logq,
                                  int T, int G, int N, int D, int kind, float beta, int mean, float weight) {
  LANE_SCRATCH
  ROW(t, live, T);
  const int target = targets[t], live_N = live ? N : 0;
  negatives += (size_t)group_of(groups, G, t) * N;
  cn += (size_t)t * N;
  h += (size_t)t * D;
  __global const float *target_row = table + (size_t)target * D;
  const float positive = LANE_SUM(lane_dot(h, target_row, D)) - (logq ? logq[target] : 0.0f);
  FOR_LANE(k0, live_N) {
    for (int k = k0; k < min(N, k0 + VECTOR); k++) cn[k] = item_dot(h, table + (size_t)negatives[k] * D, D);
  }
  SAMPLED_LOSS_ROW(loss, positive, cn, negatives, logq, target, N, kind, beta, mean, weight, live_N)
  LANE_BARRIER(CLK_GLOBAL_MEM_FENCE);
  if (!live) return;
  dh += (size_t)t * D;
  FOR_LANE(d, D) {
    vec sum = row_cp * vload_part(target_row + d, D - d);
    for (int k = 0; k < N; k++) sum = fma((vec)(cn[k]), vload_part(table + (size_t)negatives[k] * D + d, D - d), sum);
    vstore_part(sum, dh + d, D - d);
  }
}
