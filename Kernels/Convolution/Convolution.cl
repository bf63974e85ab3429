// Causal convolution over jagged sequences in parts; one work-item an element of what a kernel writes, in the order of the C loops.
// place[t] counts the rows before row t in its sequence, left[t] those after it.

ELEMENT_KERNEL void windows_forward(__global float *y, __global const float *x, __global const int *place, int T, int N, int D) {
  const int at = get_global_id(0), d = at % D, slot = at / D % N, t = at / D / N, i = N - 1 - slot;
  if (t < T) y[at] = i <= place[t] ? x[(size_t)(t - i) * D + d] : 0.0f;
}

ELEMENT_KERNEL void windows_backward(__global float *dx, __global const float *dy, __global const int *left, int T, int N, int D) {
  const int at = get_global_id(0), d = at % D, t = at / D;
  if (t >= T) return;
  float sum = 0;
  for (int i = 0; i < min(left[t] + 1, N); i++) sum += dy[((size_t)(t + i) * N + N - 1 - i) * D + d];
  dx[at] = sum;
}

ELEMENT_KERNEL void window_sums_forward(__global float *y, __global const float *x, __global const float *g, __global const int *place,
                                        int T, int M, int N, int D) {
  const int at = get_global_id(0), d = at % D, m = at / D % M, t = at / D / M;
  if (t >= T) return;
  float sum = 0;
  for (int i = 0; i < min(place[t] + 1, N); i++) sum = fma(g[m * N + N - 1 - i], x[(size_t)(t - i) * D + d], sum);
  y[at] = sum;
}

ELEMENT_KERNEL void window_sums_backward(__global float *dx, __global const float *dy, __global const float *g,
                                         __global const int *left, int T, int M, int N, int D) {
  const int at = get_global_id(0), d = at % D, t = at / D;
  if (t >= T) return;
  float sum = 0;
  for (int m = 0; m < M; m++)
    for (int i = 0; i < min(left[t] + 1, N); i++) sum = fma(g[m * N + N - 1 - i], dy[((size_t)(t + i) * M + m) * D + d], sum);
  dx[at] = sum;
}

// dg[c, M * N] of the rows c * chunk ..< (c + 1) * chunk
ELEMENT_KERNEL void window_sums_weights(__global float *dg, __global const float *dy, __global const float *x, __global const int *place,
                                        int T, int M, int N, int D, int chunk, int chunks) {
  const int at = get_global_id(0), i = N - 1 - at % N, m = at / N % M, c = at / N / M;
  if (c >= chunks) return;
  float sum = 0;
  for (int t = c * chunk; t < min(T, (c + 1) * chunk); t++)
    for (int d = 0; i <= place[t] && d < D; d++) sum = fma(dy[((size_t)t * M + m) * D + d], x[(size_t)(t - i) * D + d], sum);
  dg[at] = sum;
}

ELEMENT_KERNEL void window_max_forward(__global float *y, __global int *best, __global const float *x, __global const int *place, int T,
                                       int N, int D) {
  const int at = get_global_id(0), d = at % D, t = at / D;
  if (t >= T) return;
  int top = t - min(place[t] + 1, N) + 1;  // the first of equals
  for (int r = top + 1; r <= t; r++) top = x[r * D + d] > x[top * D + d] || isnan(x[r * D + d]) ? r : top;
  y[at] = x[top * D + d];
  best[at] = top;
}

ELEMENT_KERNEL void window_max_backward(__global float *dx, __global const float *dy, __global const int *best, __global const int *left,
                                        int T, int N, int D) {
  const int at = get_global_id(0), d = at % D, t = at / D;
  if (t >= T) return;
  float sum = 0;
  for (int i = 0; i < min(left[t] + 1, N); i++) sum += best[(size_t)(t + i) * D + d] == t ? dy[(size_t)(t + i) * D + d] : 0.0f;
  dx[at] = sum;
}
