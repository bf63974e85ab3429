// Batch norm (Ioffe and Szegedy 2015). Columns kernels: a work-item sums VECTOR columns over `chunk` rows, partials are added by
// sum_partials. Rows kernels: a row of the batch per LANES work-items. No local memory.

// sums[s,D] of (x - mean)^2 over the rows s * chunk ..< (s + 1) * chunk
COLUMN_KERNEL void column_squares(__global float *sums, __global const float *x, __global const float *mean, int T, int D, int chunk) {
  const int d = get_global_id(0) * VECTOR, s = get_global_id(1);
  if (d >= D) return;
  const vec center = vload_part(mean + d, D - d);
  vec sum = (vec)(0.0f);
  for (int t = s * chunk; t < min(T, (s + 1) * chunk); t++) {
    const vec u = vload_part(x + (size_t)t * D + d, D - d) - center;
    sum = fma(u, u, sum);
  }
  vstore_part(sum, sums + (size_t)s * D + d, D - d);
}

ROW_KERNEL void batch_norm_forward(__global float *y, __global const float *x, __global const float *g, __global const float *b,
                                   __global const float *mean, __global const float *rstd, int T, int D) {
  ROW(t, live, T);
  if (!live) return;
  x += (size_t)t * D;
  y += (size_t)t * D;
  FOR_LANE(d, D) {
    const vec n = (vload_part(x + d, D - d) - vload_part(mean + d, D - d)) * vload_part(rstd + d, D - d);
    vstore_part(n * vload_part(g + d, D - d) + vload_part(b + d, D - d), y + d, D - d);
  }
}

// dg[s,D] = sum dy n, db[s,D] = sum dy, n = (x - mean) rstd
COLUMN_KERNEL void batch_norm_sums(__global float *dg, __global float *db, __global const float *dy, __global const float *x,
                                   __global const float *mean, __global const float *rstd, int T, int D, int chunk) {
  const int d = get_global_id(0) * VECTOR, s = get_global_id(1);
  if (d >= D) return;
  const vec mu = vload_part(mean + d, D - d), scale = vload_part(rstd + d, D - d);
  vec sum_g = (vec)(0.0f), sum_b = (vec)(0.0f);
  for (int t = s * chunk; t < min(T, (s + 1) * chunk); t++) {
    const vec u = vload_part(dy + (size_t)t * D + d, D - d);
    sum_g = fma(u, (vload_part(x + (size_t)t * D + d, D - d) - mu) * scale, sum_g);
    sum_b += u;
  }
  vstore_part(sum_g, dg + (size_t)s * D + d, D - d);
  vstore_part(sum_b, db + (size_t)s * D + d, D - d);
}

// dx = g rstd (dy - share (db + n dg)), share = 1 / rows
ROW_KERNEL void batch_norm_backward(__global float *dx, __global const float *dy, __global const float *x, __global const float *g,
                                    __global const float *mean, __global const float *rstd, __global const float *dg,
                                    __global const float *db, int T, int D, float share) {
  ROW(t, live, T);
  if (!live) return;
  dx += (size_t)t * D;
  dy += (size_t)t * D;
  x += (size_t)t * D;
  FOR_LANE(d, D) {
    const vec scale = vload_part(rstd + d, D - d), n = (vload_part(x + d, D - d) - vload_part(mean + d, D - d)) * scale;
    const vec rest = vload_part(db + d, D - d) + n * vload_part(dg + d, D - d);
    vstore_part(vload_part(g + d, D - d) * scale * (vload_part(dy + d, D - d) - share * rest), dx + d, D - d);
  }
}

// y = 1 / sqrt(variance + eps)
ELEMENT_KERNEL void inverse_deviation(__global float *y, __global const float *variance, float eps, int n) {
  const int i = get_global_id(0) * VECTOR;
  vstore_part(1.0f / sqrt(vload_part(variance + i, n - i) + eps), y + i, n - i);
}
