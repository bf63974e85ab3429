// Jagged causal pointwise attention (Zhai et al. 2024, HSTU), after Attention/heads.h: P = SiLU(scale Q K^T + position + time) / n over
// keys of the same sequence, j <= i. Work-groups, work-items and local memory as in Attention.cl. The gradient of the positions has one work-item for a distance and a chunk of rows, which walks over the rows; that of
// the buckets is collected for each row and head, and summed over them by the host. No atomics.
#define BUCKETS 129

// The last b with starts[b] <= |later - time|.
int time_bucket(int later, int time, __global const int *starts) {
  const ulong gap = abs_diff(later, time);
  int low = 0, high = BUCKETS;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (starts[middle] != INT_MAX && (ulong)starts[middle] <= gap)
      low = middle;
    else
      high = middle;
  }
  return low;
}

// Row i of a sequence against row j, both rows of the batch; end is the sequence's.
float cell_bias(__global const float *position, __global const float *time, __global const int *times, __global const int *starts,
                int i, int j, int end, int n) {
  float bias = position[j - i + n - 1];
  if (time) bias += time[time_bucket(times[min(i + 1, end - 1)], times[j], starts)];
  return bias;
}

#define SILU 3
// dL/dx of a cell whose P = share * SiLU(x) gets dp.
float hstu_cell(float x, float dp, float share) { return share * dp * activation_slope(x, SILU); }

// o[T, H*K]
ATTENTION_KERNEL void hstu_forward(__global float *o, __global const float *q, __global const float *k, __global const float *v,
                                   __global const float *position, __global const float *time, __global const int *times,
                                   __global const int *starts, __global const int *offsets, int T, int B, int H, int K, int n, int ldq,
                                   int ldk, int ldv, int ldo, float scale, int q0, int k0, int v0) {
  __local hvec keys[KEYS * PARTS], values[KEYS * PARTS];
  LOCAL_PRODUCTS(scores)
  q += q0;
  k += k0;
  v += v0;
  const head_place at = head_place_of(offsets, T, B);
  const int h = at.h, t = at.t, stop = at.live ? t + 1 : 0;
  const float share = 1.0f / n;
  hvec query[PARTS], sum[PARTS];
  head_read(query, q + (size_t)t * ldq + h * K, K);
  head_clear(sum);
  for (int tile = at.first; tile <= at.last; tile += KEYS) {
    const int tile_end = min(tile + KEYS, at.last + 1);
    stage(keys, k + h * K, tile, tile_end, ldk, K);
    stage(values, v + h * K, tile, tile_end, ldv, K);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int step = tile; step < tile_end; step += STEP) {
      const int from = max(at.start, step), to = min(stop, min(step + STEP, tile_end));
      EXCHANGE(scores, j, from, to, head_dot(query, keys + (j - tile) * PARTS))
      STEP_BARRIER
      for (int j = from; j < to; j++) {
        const float score = PRODUCT(scores, j, head_dot(query, keys + (j - tile) * PARTS));
        const float x = scale * score + cell_bias(position, time, times, starts, t, j, at.end, n);
        head_add(sum, share * activation(x, SILU), values + (j - tile) * PARTS);
      }
      STEP_BARRIER
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  if (at.live) head_write(sum, 1, o + (size_t)t * ldo + h * K, K);
}

// dq, and where time is given dtime[T * H, 129], zeroed by the caller: what each row adds to each bucket.
ATTENTION_KERNEL void hstu_backward_queries(__global float *dq, __global float *dtime, __global const float *go, __global const float *q,
                                            __global const float *k, __global const float *v, __global const float *position,
                                            __global const float *time, __global const int *times, __global const int *starts,
                                            __global const int *offsets, int T, int B, int H, int K, int n, int ldq, int ldk, int ldv,
                                            int ldo, float scale, int q0, int k0, int v0) {
  __local hvec keys[KEYS * PARTS], values[KEYS * PARTS];
  LOCAL_PRODUCTS(scores)
  LOCAL_PRODUCTS(products)
  q += q0;
  k += k0;
  v += v0;
  dq += q0;
  const head_place at = head_place_of(offsets, T, B);
  const int h = at.h, t = at.t, stop = at.live ? t + 1 : 0;
  hvec query[PARTS], gradient[PARTS], sum[PARTS];
  head_read(query, q + (size_t)t * ldq + h * K, K);
  head_read(gradient, go + (size_t)t * ldo + h * K, K);
  head_clear(sum);
  for (int tile = at.first; tile <= at.last; tile += KEYS) {
    const int tile_end = min(tile + KEYS, at.last + 1);
    stage(keys, k + h * K, tile, tile_end, ldk, K);
    stage(values, v + h * K, tile, tile_end, ldv, K);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int step = tile; step < tile_end; step += STEP) {
      const int from = max(at.start, step), to = min(stop, min(step + STEP, tile_end));
      EXCHANGE(scores, j, from, to, head_dot(query, keys + (j - tile) * PARTS))
      EXCHANGE(products, j, from, to, head_dot(gradient, values + (j - tile) * PARTS))
      STEP_BARRIER
      for (int j = from; j < to; j++) {
        const float score = PRODUCT(scores, j, head_dot(query, keys + (j - tile) * PARTS));
        const float dp = PRODUCT(products, j, head_dot(gradient, values + (j - tile) * PARTS));
        const float x = scale * score + cell_bias(position, time, times, starts, t, j, at.end, n), dx = hstu_cell(x, dp, 1.0f / n);
        head_add(sum, dx, keys + (j - tile) * PARTS);
        if (time && SLICE == 0) dtime[((size_t)t * H + h) * BUCKETS + time_bucket(times[min(t + 1, at.end - 1)], times[j], starts)] += dx;
      }
      STEP_BARRIER
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  if (at.live) head_write(sum, scale, dq + (size_t)t * ldq + h * K, K);
}

// dv = sum over the queries i >= t of P go_i, dk = scale dx q_i
ATTENTION_KERNEL void hstu_backward_keys(__global float *dk, __global float *dv, __global const float *go, __global const float *q,
                                         __global const float *k, __global const float *v, __global const float *position,
                                         __global const float *time, __global const int *times, __global const int *starts,
                                         __global const int *offsets, int T, int B, int H, int K, int n, int ldq, int ldk, int ldv,
                                         int ldo, float scale, int q0, int k0, int v0) {
  __local hvec queries[KEYS * PARTS], gradients[KEYS * PARTS];
  LOCAL_PRODUCTS(scores)
  LOCAL_PRODUCTS(products)
  q += q0;
  k += k0;
  v += v0;
  dk += k0;
  dv += v0;
  const head_place at = head_place_of(offsets, T, B);
  const int h = at.h, t = at.t, stop = at.live ? at.end : 0;
  const float share = 1.0f / n;
  hvec key[PARTS], value[PARTS], sum_k[PARTS], sum_v[PARTS];
  head_read(key, k + (size_t)t * ldk + h * K, K);
  head_read(value, v + (size_t)t * ldv + h * K, K);
  head_clear(sum_k);
  head_clear(sum_v);
  for (int tile = at.row0; tile < at.behind; tile += KEYS) {
    const int tile_end = min(tile + KEYS, at.behind);
    stage(queries, q + h * K, tile, tile_end, ldq, K);
    stage(gradients, go + h * K, tile, tile_end, ldo, K);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int step = tile; step < tile_end; step += STEP) {
      const int from = max(t, step), to = min(stop, min(step + STEP, tile_end));
      EXCHANGE(scores, i, from, to, head_dot(key, queries + (i - tile) * PARTS))
      EXCHANGE(products, i, from, to, head_dot(value, gradients + (i - tile) * PARTS))
      STEP_BARRIER
      for (int i = from; i < to; i++) {
        const float score = PRODUCT(scores, i, head_dot(key, queries + (i - tile) * PARTS));
        const float dp = PRODUCT(products, i, head_dot(value, gradients + (i - tile) * PARTS));
        const float x = scale * score + cell_bias(position, time, times, starts, i, t, stop, n);
        head_add(sum_v, share * activation(x, SILU), gradients + (i - tile) * PARTS);
        head_add(sum_k, hstu_cell(x, dp, share), queries + (i - tile) * PARTS);
      }
      STEP_BARRIER
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  if (!at.live) return;
  head_write(sum_k, scale, dk + (size_t)t * ldk + h * K, K);
  head_write(sum_v, 1, dv + (size_t)t * ldv + h * K, K);
}

// dposition[c, n] = the sum of dx over the cells at a distance, in the rows c * chunk ..< (c + 1) * chunk of all heads. One work-item a
// distance; distance d is entry n - 1 - d.
ELEMENT_KERNEL void hstu_backward_positions(__global float *dposition, __global const float *go, __global const float *q,
                                            __global const float *k, __global const float *v, __global const float *position,
                                            __global const float *time, __global const int *times, __global const int *starts,
                                            __global const int *offsets, int T, int B, int H, int K, int n, int ldq, int ldk, int ldv,
                                            int ldo, float scale, int q0, int k0, int v0, int chunk, int chunks) {
  const int at = get_global_id(0), d = at % n, c = at / n;
  if (c >= chunks) return;
  q += q0;
  k += k0;
  v += v0;
  float sum = 0;
  const int last = min(T, (c + 1) * chunk);
  for (int b = sequence_of(offsets, B, c * chunk); b < B && offsets[b] < last; b++) {
    const int start = offsets[b], end = offsets[b + 1];
    for (int t = max(c * chunk, start + d); t < min(end, last); t++) {
      for (int h = 0; h < H; h++) {
        hvec score = (hvec)(0.0f), dp = (hvec)(0.0f);
        _Pragma("unroll 4") for (int p = 0; p < PARTS; p++) {
          const int column = h * K + p * HEAD_VECTOR, count = K - p * HEAD_VECTOR;
          score = fma(head_factor(q + (size_t)t * ldq + column, count), head_factor(k + (size_t)(t - d) * ldk + column, count), score);
          dp = fma(head_factor(go + (size_t)t * ldo + column, count), head_factor(v + (size_t)(t - d) * ldv + column, count), dp);
        }
        const float x = scale * head_sum(score) + cell_bias(position, time, times, starts, t, t - d, end, n);
        sum += hstu_cell(x, head_sum(dp), 1.0f / n);
      }
    }
  }
  dposition[c * n + n - 1 - d] = sum;
}
