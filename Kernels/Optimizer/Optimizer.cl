// Adam with decoupled decay (Kingma and Ba 2015; Loshchilov and Hutter 2019), its lazy form on rows, SGD, gradient
// clipping. Elements: a work-item updates VECTOR neighbours. Rows: a work-group updates ROWS rows. clip is a device
// number (null: 1), so that clipping needs no trip to the host. Local memory: ELEMENTS floats (sums) or none.

#define CLIP (clip ? *clip : 1.0f)

// partials[first + group] = sum of x^2 over the group's SQUARES * ELEMENTS * VECTOR elements
#ifndef SQUARES
#define SQUARES 16
#endif
#define SQUARES_TENSOR(k) __global const float *x##k, int n##k, int end##k
#define SQUARES_PICK(k, before) \
  if (group >= end##before) x = x##k, n = n##k, start = end##before;
ELEMENT_KERNEL void sum_squares(__global float *partials, SIXTEEN(SQUARES_TENSOR), int first) {
  __local float sums[ELEMENTS];
  const int item = get_local_id(0), group = get_group_id(0);
  __global const float *x = x0;
  int n = n0, start = 0;
  PICKED(SQUARES_PICK)
  start = (group - start) * (SQUARES * ELEMENTS * VECTOR);
  vec sum = (vec)(0.0f);
  for (int s = 0; s < SQUARES; s++) {
    const int i = start + (s * ELEMENTS + item) * VECTOR;
    const vec part = vload_part(x + i, n - i);
    sum = fma(part, part, sum);
  }
  sums[item] = vec_sum(sum);
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int count = ELEMENTS / 2; count > 0; count /= 2) {
    if (item < count) sums[item] += sums[item + count];
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  if (item == 0) partials[first + group] = sums[0];
}

// clip[0] = min(1, max_norm / norm), clip[1] = norm = sqrt(sum of partials). One work-group of ELEMENTS.
ELEMENT_KERNEL void clip_factor(__global float *clip, __global const float *partials, int count, float max_norm) {
  __local float sums[ELEMENTS];
  const int item = get_local_id(0);
  float sum = 0;
  for (int i = item; i < count; i += ELEMENTS) sum += partials[i];
  sums[item] = sum;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int half_count = ELEMENTS / 2; half_count > 0; half_count /= 2) {
    if (item < half_count) sums[item] += sums[item + half_count];
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  if (item == 0) {
    const float norm = sqrt(sums[0]);
    clip[0] = norm > max_norm ? max_norm / norm : 1.0f;
    clip[1] = norm;
  }
}

// One vector of Adam at w, g, m, v; the moments are first multiplied by old1 and old2 (1: nothing missed)
void adam_part(__global float *w, __global float *g, __global float *m, __global float *v, int count, float clip,
               float rate, float b1, float b2, float eps, float decay, float c1, float c2, float old1, float old2) {
  const vec gradient = clip * vload_part(g, count);
  const vec mean = b1 * (old1 * vload_part(m, count)) + (1.0f - b1) * gradient;
  const vec square = b2 * (old2 * vload_part(v, count)) + (1.0f - b2) * gradient * gradient;
  vec weight = vload_part(w, count);
  weight -= rate * decay * weight;
  weight -= rate * (mean / c1) / (sqrt(square / c2) + eps);
  vstore_part(weight, w, count);
  vstore_part(mean, m, count);
  vstore_part(square, v, count);
  vstore_part((vec)(0.0f), g, count);
}

#define ADAM_TENSOR(k) __global float *w##k, __global float *g##k, __global float *m##k, __global float *v##k, int n##k, float decay##k, int end##k
#define ADAM_PICK(k, before) \
  if (group >= end##before) w = w##k, g = g##k, m = m##k, v = v##k, n = n##k, decay = decay##k, start = end##before;
ELEMENT_KERNEL void adam(SIXTEEN(ADAM_TENSOR), __global const float *clip, float rate, float b1, float b2, float eps, float c1, float c2) {
  const int group = get_group_id(0);
  __global float *w = w0, *g = g0, *m = m0, *v = v0;
  int n = n0, start = 0;
  float decay = decay0;
  PICKED(ADAM_PICK)
  const int i = ((group - start) * ELEMENTS + (int)get_local_id(0)) * VECTOR;
  adam_part(w + i, g + i, m + i, v + i, n - i, CLIP, rate, b1, b2, eps, decay, c1, c2, 1, 1);
}

// Rows rows[u], u < U; last[row] is the step of the row's last update.
ROW_KERNEL void adam_rows(__global float *w, __global float *g, __global float *m, __global float *v,
                          __global int *last, __global const int *rows, __global const float *clip, int U, int D,
                          int step, float rate, float b1, float b2, float eps, float decay, float c1, float c2) {
  ROW(u, live, U);
  const int row = rows[u], missed = live ? step - last[row] - 1 : 0;
  const float old1 = missed > 0 ? pow(b1, (float)missed) : 1.0f, old2 = missed > 0 ? pow(b2, (float)missed) : 1.0f;
  LANE_BARRIER(CLK_GLOBAL_MEM_FENCE);
  if (!live) return;
  const size_t at = (size_t)row * D;
  FOR_LANE(d, D)
  adam_part(w + at + d, g + at + d, m + at + d, v + at + d, D - d, CLIP, rate, b1, b2, eps, decay, c1, c2, old1, old2);
  if (LANE == 0) last[row] = step;
}

// m = momentum m + g', w -= rate m, g' = clip g + decay w; with nesterov w -= rate (g' + momentum m); m null: w -= rate g'
void sgd_part(__global float *w, __global float *g, __global float *m, int count, float clip, float rate,
              float momentum, float decay, int nesterov) {
  vec weight = vload_part(w, count), change = clip * vload_part(g, count) + decay * weight;
  if (m) {
    const vec mean = change + momentum * vload_part(m, count);
    change = nesterov ? change + momentum * mean : mean;
    vstore_part(mean, m, count);
  }
  vstore_part(weight - rate * change, w, count);
  vstore_part((vec)(0.0f), g, count);
}

ELEMENT_KERNEL void sgd(__global float *w, __global float *g, __global float *m, __global const float *clip, int n,
                        float rate, float momentum, float decay, int nesterov) {
  const int i = get_global_id(0) * VECTOR;
  sgd_part(w + i, g + i, m ? m + i : m, n - i, CLIP, rate, momentum, decay, nesterov);
}

ROW_KERNEL void sgd_rows(__global float *w, __global float *g, __global const int *rows, __global const float *clip,
                         int U, int D, float rate, float decay) {
  ROW(u, live, U);
  if (!live) return;
  const size_t at = (size_t)rows[u] * D;
  FOR_LANE(d, D) sgd_part(w + at + d, g + at + d, 0, D - d, CLIP, rate, 0, decay, 0);
}

// Rows rows[u] (null: u), u < U. S = D: s += g'^2, element by element; S = 1: s[row] += mean of g'^2, summed by every lane alike.
ROW_KERNEL void adagrad_rows(__global float *w, __global float *g, __global float *s, __global const int *rows,
                             __global const float *clip, int U, int D, int S, float rate, float eps, float decay) {
  ROW(u, live, U);
  const int row = rows ? rows[u] : u;
  const size_t at = (size_t)row * D;
  float sum = 0;
  if (S == 1 && live)
    for (int d = 0; d < D; d++) sum += (CLIP * g[at + d]) * (CLIP * g[at + d]);
  const float shared = S == 1 && live ? s[row] + sum / D : 0;
  // All lanes have read g and s before one writes.
  LANE_BARRIER(CLK_GLOBAL_MEM_FENCE);
  if (!live) return;
  FOR_LANE(d, D) {
    const vec gradient = CLIP * vload_part(g + at + d, D - d);
    vec root = (vec)(sqrt(shared));
    if (S != 1) {
      const vec square = vload_part(s + at + d, D - d) + gradient * gradient;
      vstore_part(square, s + at + d, D - d);
      root = sqrt(square);
    }
    const vec weight = vload_part(w + at + d, D - d);
    vstore_part((1.0f - rate * decay) * weight - rate * gradient / (root + eps), w + at + d, D - d);
    vstore_part((vec)(0.0f), g + at + d, D - d);
  }
  if (S == 1 && LANE == 0) s[row] = shared;
}
