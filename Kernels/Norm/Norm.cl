// Layer norm (Ba et al. 2016) and RMS norm (Zhang and Sennrich 2019), forward and backward. Rows kernels: a work-group
// normalises ROWS rows, a work-item every LANES-th element of one; local memory LANES * ROWS floats. Columns kernels: a
// work-item sums VECTOR columns of the parameters' gradient over `chunk` rows; partials are added by sum_partials.

ROW_KERNEL void layer_norm_forward(__global float *y, __global float *mean, __global float *rstd,
                                   __global const float *x, __global const float *g, __global const float *b, int T,
                                   int D, float eps) {
  LANE_SCRATCH
  ROW(t, live, T);
  x += (size_t)t * D;
  y += (size_t)t * D;
  vec sum = (vec)(0.0f);
  FOR_LANE(d, D) sum += vload_part(x + d, D - d);
  const float mu = LANE_SUM(vec_sum(sum)) / D;
  sum = (vec)(0.0f);
  FOR_LANE(d, D) {
    const vec deviation = vec_fill(vload_part(x + d, D - d) - mu, D - d, 0);
    sum = fma(deviation, deviation, sum);
  }
  const float scale = 1.0f / sqrt(LANE_SUM(vec_sum(sum)) / D + eps);
  if (!live) return;
  FOR_LANE(d, D) {
    const vec normal = (vload_part(x + d, D - d) - mu) * scale;
    vstore_part(g ? normal * vload_part(g + d, D - d) + vload_part(b + d, D - d) : normal, y + d, D - d);
  }
  if (LANE == 0) {
    mean[t] = mu;
    rstd[t] = scale;
  }
}

// dx = rstd (u - mean(u) - n mean(u n)), u = dy g, n = (x - mean) rstd
ROW_KERNEL void layer_norm_backward(__global float *dx, __global const float *dy, __global const float *x,
                                    __global const float *g, __global const float *mean, __global const float *rstd,
                                    int T, int D) {
  LANE_SCRATCH
  ROW(t, live, T);
  dx += (size_t)t * D;
  dy += (size_t)t * D;
  x += (size_t)t * D;
  const float mu = mean[t], scale = rstd[t];
  vec sum_u = (vec)(0.0f), sum_un = (vec)(0.0f);
  FOR_LANE(d, D) {
    const vec u = vload_part(dy + d, D - d) * (g ? vload_part(g + d, D - d) : (vec)(1.0f));
    sum_u += u;
    sum_un = fma(u, (vload_part(x + d, D - d) - mu) * scale, sum_un);
  }
  const float mean_u = LANE_SUM(vec_sum(sum_u)) / D, mean_un = LANE_SUM(vec_sum(sum_un)) / D;
  if (!live) return;
  FOR_LANE(d, D) {
    const vec u = vload_part(dy + d, D - d) * (g ? vload_part(g + d, D - d) : (vec)(1.0f));
    const vec normal = (vload_part(x + d, D - d) - mu) * scale;
    vstore_part(scale * (u - mean_u - normal * mean_un), dx + d, D - d);
  }
}

// dg[s,D], db[s,D] of the rows s * chunk ..< (s + 1) * chunk
COLUMN_KERNEL void layer_norm_backward_parameters(__global float *dg, __global float *db, __global const float *dy,
                                                  __global const float *x, __global const float *mean,
                                                  __global const float *rstd, int T, int D, int chunk) {
  const int d = get_global_id(0) * VECTOR, s = get_global_id(1);
  if (d >= D) return;
  vec sum_g = (vec)(0.0f), sum_b = (vec)(0.0f);
  for (int t = s * chunk; t < min(T, (s + 1) * chunk); t++) {
    const vec u = vload_part(dy + (size_t)t * D + d, D - d);
    sum_g = fma(u, (vload_part(x + (size_t)t * D + d, D - d) - mean[t]) * rstd[t], sum_g);
    sum_b += u;
  }
  vstore_part(sum_g, dg + (size_t)s * D + d, D - d);
  vstore_part(sum_b, db + (size_t)s * D + d, D - d);
}

ROW_KERNEL void rms_norm_forward(__global float *y, __global float *rstd, __global const float *x,
                                 __global const float *g, int T, int D, float eps) {
  LANE_SCRATCH
  ROW(t, live, T);
  x += (size_t)t * D;
  y += (size_t)t * D;
  const float scale = 1.0f / sqrt(LANE_SUM(lane_dot(x, x, D)) / D + eps);
  if (!live) return;
  FOR_LANE(d, D) vstore_part(vload_part(g + d, D - d) * vload_part(x + d, D - d) * scale, y + d, D - d);
  if (LANE == 0) rstd[t] = scale;
}

// dx = rstd (u - n mean(u n)), u = dy g, n = x rstd
ROW_KERNEL void rms_norm_backward(__global float *dx, __global const float *dy, __global const float *x,
                                  __global const float *g, __global const float *rstd, int T, int D) {
  LANE_SCRATCH
  ROW(t, live, T);
  dx += (size_t)t * D;
  dy += (size_t)t * D;
  x += (size_t)t * D;
  const float scale = rstd[t];
  vec sum_un = (vec)(0.0f);
  FOR_LANE(d, D) {
    const vec u = vload_part(dy + d, D - d) * vload_part(g + d, D - d);
    sum_un = fma(u, vload_part(x + d, D - d) * scale, sum_un);
  }
  const float mean_un = LANE_SUM(vec_sum(sum_un)) / D;
  if (!live) return;
  FOR_LANE(d, D) {
    const vec u = vload_part(dy + d, D - d) * vload_part(g + d, D - d);
    vstore_part(scale * (u - vload_part(x + d, D - d) * (scale * mean_un)), dx + d, D - d);
  }
}

COLUMN_KERNEL void rms_norm_backward_parameters(__global float *dg, __global const float *dy, __global const float *x,
                                                __global const float *rstd, int T, int D, int chunk) {
  const int d = get_global_id(0) * VECTOR, s = get_global_id(1);
  if (d >= D) return;
  vec sum = (vec)(0.0f);
  for (int t = s * chunk; t < min(T, (s + 1) * chunk); t++)
    sum = fma(vload_part(dy + (size_t)t * D + d, D - d), vload_part(x + (size_t)t * D + d, D - d) * rstd[t], sum);
  vstore_part(sum, dg + (size_t)s * D + d, D - d);
}
