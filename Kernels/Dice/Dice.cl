// Dice (Zhou et al. 2018, equation 3), n = (x - mean) rstd, p = sigmoid(n). Columns kernel: a work-item sums VECTOR columns over `chunk`
// rows, partials are added by sum_partials. Rows kernels: a row of the batch per LANES work-items. No local memory.

// y = x (alpha + (1 - alpha) p)
ROW_KERNEL void dice_forward(__global float *y, __global const float *x, __global const float *alpha, __global const float *mean,
                             __global const float *rstd, int T, int D) {
  ROW(t, live, T);
  if (!live) return;
  x += (size_t)t * D;
  y += (size_t)t * D;
  FOR_LANE(d, D) {
    const vec z = vload_part(x + d, D - d), leak = vload_part(alpha + d, D - d);
    const vec p = SIGMOID((z - vload_part(mean + d, D - d)) * vload_part(rstd + d, D - d));
    vstore_part(z * (leak + (1.0f - leak) * p), y + d, D - d);
  }
}

// With u = dy x (1 - alpha) p (1 - p): dalpha[s,D] = sum dy x (1 - p), dg[s,D] = sum u n, db[s,D] = sum u
COLUMN_KERNEL void dice_sums(__global float *dalpha, __global float *dg, __global float *db, __global const float *dy,
                             __global const float *x, __global const float *alpha, __global const float *mean,
                             __global const float *rstd, int T, int D, int chunk) {
  const int d = get_global_id(0) * VECTOR, s = get_global_id(1);
  if (d >= D) return;
  const vec mu = vload_part(mean + d, D - d), scale = vload_part(rstd + d, D - d), leak = vload_part(alpha + d, D - d);
  vec sum_a = (vec)(0.0f), sum_g = (vec)(0.0f), sum_b = (vec)(0.0f);
  for (int t = s * chunk; t < min(T, (s + 1) * chunk); t++) {
    const vec z = vload_part(x + (size_t)t * D + d, D - d), n = (z - mu) * scale, p = SIGMOID(n);
    const vec rest = vload_part(dy + (size_t)t * D + d, D - d) * z * (1.0f - p), u = rest * (1.0f - leak) * p;
    sum_a += rest;
    sum_g = fma(u, n, sum_g);
    sum_b += u;
  }
  vstore_part(sum_a, dalpha + (size_t)s * D + d, D - d);
  vstore_part(sum_g, dg + (size_t)s * D + d, D - d);
  vstore_part(sum_b, db + (size_t)s * D + d, D - d);
}

// dx = dy (alpha + (1 - alpha) p) + rstd (u - share (db + n dg)), share = 1 / rows
ROW_KERNEL void dice_backward(__global float *dx, __global const float *dy, __global const float *x, __global const float *alpha,
                              __global const float *mean, __global const float *rstd, __global const float *dg,
                              __global const float *db, int T, int D, float share) {
  ROW(t, live, T);
  if (!live) return;
  dx += (size_t)t * D;
  dy += (size_t)t * D;
  x += (size_t)t * D;
  FOR_LANE(d, D) {
    const vec z = vload_part(x + d, D - d), g = vload_part(dy + d, D - d), scale = vload_part(rstd + d, D - d);
    const vec leak = vload_part(alpha + d, D - d), n = (z - vload_part(mean + d, D - d)) * scale, p = SIGMOID(n);
    const vec slope = (1.0f - leak) * p, u = g * z * slope * (1.0f - p);
    const vec rest = vload_part(db + d, D - d) + n * vload_part(dg + d, D - d);
    vstore_part(g * (leak + slope) + scale * (u - share * rest), dx + d, D - d);
  }
}
