// What the rows of a history have to do with the target that stands beside it (Zhou et al. 2018). Rows kernels: a row of the T of all
// histories, or a history of the B, per LANES work-items; place[j] is the history of row j. Local memory: LANES * ROWS floats for dots.

// y[T,4D] = [t, h, t - h, t h]
ROW_KERNEL void target_pairs_forward(__global float *y, __global const float *h, __global const float *t, __global const int *place, int T,
                                     int D) {
  ROW(j, live, T);
  if (!live) return;
  y += (size_t)j * 4 * D;
  h += (size_t)j * D;
  t += (size_t)place[j] * D;
  FOR_LANE(d, D) {
    const int n = D - d;
    const vec a = vload_part(t + d, n), c = vload_part(h + d, n);
    vstore_part(a, y + d, n);
    vstore_part(c, y + D + d, n);
    vstore_part(a - c, y + 2 * D + d, n);
    vstore_part(a * c, y + 3 * D + d, n);
  }
}

// dh[T,D] and dt[B,D] from dy[T,4D]
ROW_KERNEL void target_pairs_backward(__global float *dh, __global float *dt, __global const float *dy, __global const float *h,
                                      __global const float *t, __global const int *offsets, int B, int D) {
  ROW(b, live, B);
  if (!live) return;
  FOR_LANE(d, D) {
    const int n = D - d;
    const vec target = vload_part(t + (size_t)b * D + d, n);
    vec sum = (vec)(0.0f);
    for (int j = offsets[b]; j < offsets[b + 1]; j++) {
      __global const float *g = dy + (size_t)j * 4 * D + d;
      const vec difference = vload_part(g + 2 * D, n), product = vload_part(g + 3 * D, n);
      sum += vload_part(g, n) + difference + product * vload_part(h + (size_t)j * D + d, n);
      vstore_part(vload_part(g + D, n) - difference + product * target, dh + (size_t)j * D + d, n);
    }
    vstore_part(sum, dt + (size_t)b * D + d, n);
  }
}

// s[j] = h[j] . t[place[j]]
ROW_KERNEL void target_dots(__global float *s, __global const float *h, __global const float *t, __global const int *place, int T, int D) {
  LANE_SCRATCH
  ROW(j, live, T);
  const float part = lane_dot(h + (size_t)j * D, t + (size_t)place[j] * D, D);
  const float sum = LANE_SUM(part);
  if (live && LANE == 0) s[j] = sum;
}

// y[j] = a[j] t[place[j]]
ROW_KERNEL void target_spread(__global float *y, __global const float *t, __global const float *a, __global const int *place, int T, int D) {
  ROW(j, live, T);
  if (!live) return;
  const float share = a[j];
  t += (size_t)place[j] * D;
  FOR_LANE(d, D) vstore_part(share * vload_part(t + d, D - d), y + (size_t)j * D + d, D - d);
}

// y[b] = sum over the rows of history b of a[j] h[j]
ROW_KERNEL void weighted_sums(__global float *y, __global const float *h, __global const float *a, __global const int *offsets, int B, int D) {
  ROW(b, live, B);
  if (!live) return;
  FOR_LANE(d, D) {
    vec sum = (vec)(0.0f);
    for (int j = offsets[b]; j < offsets[b + 1]; j++) sum = fma((vec)(a[j]), vload_part(h + (size_t)j * D + d, D - d), sum);
    vstore_part(sum, y + (size_t)b * D + d, D - d);
  }
}

// p = softmax(s) of each history; a history per work-item
ELEMENT_KERNEL void history_shares(__global float *p, __global const float *s, __global const int *offsets, int B) {
  const int b = get_global_id(0);
  if (b >= B) return;
  float largest = -INFINITY, sum = 0;
  for (int j = offsets[b]; j < offsets[b + 1]; j++) largest = fmax(largest, s[j]);
  for (int j = offsets[b]; j < offsets[b + 1]; j++) sum += p[j] = exp(s[j] - largest);
  for (int j = offsets[b]; j < offsets[b + 1]; j++) p[j] /= sum;
}

// ds = p (dp - sum p dp)
ELEMENT_KERNEL void history_shares_backward(__global float *ds, __global const float *dp, __global const float *p,
                                            __global const int *offsets, int B) {
  const int b = get_global_id(0);
  if (b >= B) return;
  float sum = 0;
  for (int j = offsets[b]; j < offsets[b + 1]; j++) sum += p[j] * dp[j];
  for (int j = offsets[b]; j < offsets[b + 1]; j++) ds[j] = p[j] * (dp[j] - sum);
}
