// Layer norm (Ba et al. 2016) and RMS norm (Zhang and Sennrich 2019), forward and backward. A work-group takes ROWS rows,
// a work-item every LANES-th element of one; local memory LANES * ROWS floats. Backward a group owns `chunk` rows and a
// work-item adds up the parameters' gradient of those that it visits, NORM_ROWS at a time, in a row of partials of its
// own, which sum_partials adds up.

// y = norm of h = drop(x) + r, which is kept in `sum`; where that is null, of x
ROW_KERNEL void layer_norm_forward(__global float *y, __global float *mean, __global float *rstd, __global float *sum,
                                   __global const float *x, __global const float *r, __global const float *g,
                                   __global const float *b, int T, int D, float eps, ulong seed, float rate) {
  LANE_SCRATCH
  ROW(t, live, T);
  const size_t at = (size_t)t * D;
  x += at;
  y += at;
  vec total = (vec)(0.0f);
  if (sum) {
    FOR_LANE(d, D) {
      vec h = vload_part(x + d, D - d);
      if (rate > 0) h = vec_dropout(h, t * D + d, seed, rate);
      if (r) h += vload_part(r + at + d, D - d);
      vstore_part(h, sum + at + d, live ? D - d : 0);
      total += h;
    }
    if (live) x = sum + at;
  } else {
    FOR_LANE(d, D) total += vload_part(x + d, D - d);
  }
  const float mu = LANE_SUM(vec_sum(total)) / D;
  total = (vec)(0.0f);
  FOR_LANE(d, D) {
    const vec deviation = vec_fill(vload_part(x + d, D - d) - mu, D - d, 0);
    total = fma(deviation, deviation, total);
  }
  const float scale = 1.0f / sqrt(LANE_SUM(vec_sum(total)) / D + eps);
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

// dx = rstd (u - mean(u) - n mean(u n)) + r, u = dy g, n = (x - mean) rstd, without mean(u) where mean is null (RMS norm);
// dropped = drop(dx), or null. Group s owns rows s * chunk ..< (s + 1) * chunk and writes rows s * ROWS ..< (s + 1) * ROWS of
// dg and db, [., D] both, or null. r may be dx.
#define NORM_ROWS 4
ROW_KERNEL void norm_backward(__global float *dx, __global float *dropped, __global float *dg, __global float *db,
                              __global const float *dy, __global const float *x, __global const float *g,
                              __global const float *mean, __global const float *rstd, __global const float *r, int T,
                              int D, int chunk, ulong seed, float rate) {
  LANE_SCRATCH
  const int first = get_group_id(1) * chunk, end = min(T, first + chunk), own = get_local_id(1);
  const size_t partial = ((size_t)get_group_id(1) * ROWS + own) * D;
  for (int start = first; start < end; start += ROWS * NORM_ROWS) {
    float mu[NORM_ROWS], scale[NORM_ROWS], mean_u[NORM_ROWS], mean_un[NORM_ROWS];
    _Pragma("unroll") for (int k = 0; k < NORM_ROWS; k++) {
      const int t = min(start + k * ROWS + own, end - 1);
      mu[k] = mean ? mean[t] : 0;
      scale[k] = rstd[t];
      vec sum_u = (vec)(0.0f), sum_un = (vec)(0.0f);
      FOR_LANE(d, D) {
        const vec u = vload_part(dy + (size_t)t * D + d, D - d) * (g ? vload_part(g + d, D - d) : (vec)(1.0f));
        sum_u += u;
        sum_un = fma(u, (vload_part(x + (size_t)t * D + d, D - d) - mu[k]) * scale[k], sum_un);
      }
      mean_u[k] = mean ? LANE_SUM(vec_sum(sum_u)) / D : 0;
      mean_un[k] = LANE_SUM(vec_sum(sum_un)) / D;
    }
    FOR_LANE(d, D) {
      vec sum_g = (vec)(0.0f), sum_b = (vec)(0.0f);
      if (dg && start > first) sum_g = vload_part(dg + partial + d, D - d);
      if (db && start > first) sum_b = vload_part(db + partial + d, D - d);
      _Pragma("unroll") for (int k = 0; k < NORM_ROWS; k++) {
        const int t = start + k * ROWS + own;
        if (t >= end) continue;
        const size_t at = (size_t)t * D + d;
        const vec dy_part = vload_part(dy + at, D - d), u = dy_part * (g ? vload_part(g + d, D - d) : (vec)(1.0f));
        const vec normal = (vload_part(x + at, D - d) - mu[k]) * scale[k];
        sum_g = fma(dy_part, normal, sum_g);
        sum_b += dy_part;
        vec result = scale[k] * (u - mean_u[k] - normal * mean_un[k]);
        if (r) result += vload_part(r + at, D - d);
        vstore_part(result, dx + at, D - d);
        if (dropped) vstore_part(vec_dropout(result, (int)at, seed, rate), dropped + at, D - d);
      }
      if (dg) vstore_part(sum_g, dg + partial + d, D - d);
      if (db) vstore_part(sum_b, db + partial + d, D - d);
    }
  }
}
