// Softly gated mixtures (Jacobs et al. 1991): what a task takes of each of E experts, one expert a launch.

// p = softmax(g) of each row
ELEMENT_KERNEL void mixture_shares(__global float *p, __global const float *g, int B, int E) {
  const int r = get_global_id(0);
  if (r >= B) return;
  float largest = g[r * E], sum = 0;
  for (int e = 1; e < E; e++) largest = max(largest, g[r * E + e]);
  for (int e = 0; e < E; e++) sum += p[r * E + e] = exp(g[r * E + e] - largest);
  for (int e = 0; e < E; e++) p[r * E + e] /= sum;
}

// y = p[e] x, added where it is not the first
ROW_KERNEL void mixture_forward(__global float *y, __global const float *x, __global const float *p, int e, int B, int E, int D) {
  ROW(r, live, B);
  if (!live) return;
  x += (size_t)r * D;
  y += (size_t)r * D;
  const float share = p[r * E + e];
  FOR_LANE(d, D) {
    const vec before = e > 0 ? vload_part(y + d, D - d) : (vec)(0.0f);
    vstore_part(fma((vec)(share), vload_part(x + d, D - d), before), y + d, D - d);
  }
}

// dx = p[e] dy; dp[e] = dy . x
ROW_KERNEL void mixture_backward(__global float *dx, __global float *dp, __global const float *dy, __global const float *x,
                                 __global const float *p, int e, int B, int E, int D) {
  LANE_SCRATCH
  ROW(r, live, B);
  x += (size_t)r * D;
  dy += (size_t)r * D;
  const float share = p[r * E + e];
  vec sum = (vec)(0.0f);
  FOR_LANE(d, D) {
    const vec gradient = vload_part(dy + d, D - d);
    sum = fma(gradient, vload_part(x + d, D - d), sum);
    if (live) vstore_part(share * gradient, dx + (size_t)r * D + d, D - d);
  }
  const float total = LANE_SUM(vec_sum(sum));
  if (live && LANE == 0) dp[r * E + e] = total;
}

// dg = p (dp - sum p dp)
ELEMENT_KERNEL void mixture_gates(__global float *dg, __global const float *dp, __global const float *p, int B, int E) {
  const int r = get_global_id(0);
  if (r >= B) return;
  float sum = 0;
  for (int e = r * E; e < (r + 1) * E; e++) sum += p[e] * dp[e];
  for (int e = r * E; e < (r + 1) * E; e++) dg[e] = p[e] * (dp[e] - sum);
}
