// Cross-entropy over the whole catalogue, one tile of items at a time: the host fills logits[T,n] = h E[v0 ..< v0 +
// n]^T with matmul_transposed, these kernels reduce the tile, so that no more than one tile is stored (Hsu et al. 2024,
// Liger; Wijmans et al. 2024, Cut Your Losses). A work-group serves ROWS rows, a work-item every LANES-th element;
// local memory LANES * ROWS floats.

// Running maximum m[t] and sum z[t] of exp(logit - m); the tile with v0 == 0 starts them.
ROW_KERNEL void softmax_loss_scan(__global float *m, __global float *z, __global const float *logits, int T, int v0,
                                  int n) {
  LANE_SCRATCH
  ROW(t, live, T);
  logits += (size_t)t * n;
  vec part = (vec)(-INFINITY);
  FOR_LANE(i, n) part = fmax(part, vec_fill(vload_part(logits + i, n - i), n - i, -INFINITY));
  const float old = v0 != 0 && live && LANE == 0 ? m[t] : -INFINITY;
  const float maximum = LANE_MAX(fmax(old, vec_max(part)));
  part = (vec)(0.0f);
  FOR_LANE(i, n) part += vec_fill(exp(vload_part(logits + i, n - i) - maximum), n - i, 0);
  const float sum = LANE_SUM(vec_sum(part));
  if (LANE == 0 && live) {
    z[t] = v0 == 0 ? sum : z[t] * exp(old - maximum) + sum;
    m[t] = maximum;
  }
}

// loss = m + log z - h . E[target], lse = m + log z, where m[S,T] and z[S,T] are those of S parts of the catalogue
ROW_KERNEL void softmax_loss_finish(__global float *loss, __global float *lse, __global const float *m,
                                    __global const float *z, __global const float *h, __global const float *table,
                                    __global const int *targets, int T, int D, int S) {
  LANE_SCRATCH
  ROW(t, live, T);
  const float score = LANE_SUM(lane_dot(h + (size_t)t * D, table + (size_t)targets[t] * D, D));
  if (LANE == 0 && live) {
    float top = m[t], sum = 0;
    for (int s = 1; s < S; s++) top = fmax(top, m[(size_t)s * T + t]);
    for (int s = 0; s < S; s++) sum += z[(size_t)s * T + t] * exp(m[(size_t)s * T + t] - top);
    const float normaliser = top + log(sum);
    lse[t] = normaliser;
    loss[t] = normaliser - score;
  }
}

// In place: logits -> p = weight * (exp(logit - lse) - [v0 + i == target])
ROW_KERNEL void softmax_loss_tile(__global float *p, __global const float *lse, __global const int *targets, int T,
                                  int v0, int n, float weight) {
  ROW(t, live, T);
  if (!live) return;
  p += (size_t)t * n;
  const float normaliser = lse[t];
  const int target = targets[t] - v0;
  FOR_LANE(i, n) {
    const vec share = exp(vload_part(p + i, n - i) - normaliser);
    const vec hit = select((vec)(0.0f), (vec)(1.0f), (ivec)((ivec)(i) + IOTA == (ivec)(target)));
    vstore_part(weight * (share - hit), p + i, n - i);
  }
}
