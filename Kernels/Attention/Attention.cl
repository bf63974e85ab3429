// Jagged softmax attention, tiled (Dao 2023, FlashAttention-2): P = softmax(scale Q K^T) over keys of the same
// sequence, with causal only j <= i. A work-group owns QUERIES neighbouring rows of the packed batch, whatever sequences they are of,
// and one head; SLICES work-items own one row and walk over its own keys only (or, for dk and dv, its own queries), staged
// KEYS at a time in local memory (heads.h, which the text follows). The sums of a row go key by key, so its bits do not depend on the
// place of the sequence in the batch. No atomics: dk and dv recompute P by columns. Local memory: 2 * KEYS * WIDTH floats, with slices
// 64 * QUERIES more (dk, dv: + 2 * KEYS).
// o[T, H*K], lse[T,H]
ATTENTION_KERNEL void attention_forward(__global float *o, __global float *lse, __global const float *q,
                                        __global const float *k, __global const float *v, __global const int *offsets,
                                        int T, int B, int H, int K, int ldq, int ldk, int ldv, int ldo, float scale,
                                        ulong seed, float rate, int q0, int k0, int v0,
                                        int causal) {
  __local hvec keys[KEYS * PARTS], values[KEYS * PARTS];
  LOCAL_PRODUCTS(scores)
  q += q0;
  k += k0;
  v += v0;
  const head_place at = head_place_of(offsets, T, B);
  const int h = at.h, t = at.t, stop = !at.live ? 0 : causal ? t + 1 : at.end, end = causal ? at.last + 1 : at.behind;
  const ulong base = ((ulong)t * H + h) << 16;
  const uint key = random_key(seed, (uint)(base >> 32)), threshold = random_threshold(rate);
  hvec query[PARTS], sum[PARTS];
  head_read(query, q + (size_t)t * ldq + h * K, K);
  head_clear(sum);
  float maximum = -INFINITY, normaliser = 0;
  for (int tile = at.first; tile < end; tile += KEYS) {
    const int tile_end = min(tile + KEYS, end);
    stage(keys, k + h * K, tile, tile_end, ldk, K);
    stage(values, v + h * K, tile, tile_end, ldv, K);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int step = tile; step < tile_end; step += STEP) {
      const int from = max(at.start, step), to = min(stop, min(step + STEP, tile_end));
      EXCHANGE(scores, j, from, to, head_dot(query, keys + (j - tile) * PARTS))
      STEP_BARRIER
      for (int j = from; j < to; j++) {
        const float score = scale * PRODUCT(scores, j, head_dot(query, keys + (j - tile) * PARTS));
        if (score > maximum) {
          const float shrink = exp(maximum - score);
          normaliser *= shrink;
          FOR_PARTS(c) sum[c] *= shrink;
          maximum = score;
        }
        float p = exp(score - maximum);
        normaliser += p;
        if (rate > 0) p *= keep_scale(key, base, j - at.start, threshold, rate);
        head_add(sum, p, values + (j - tile) * PARTS);
      }
      STEP_BARRIER
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  if (!at.live) return;
  FOR_PARTS(c) sum[c] /= normaliser;
  head_write(sum, 1, o + (size_t)t * ldo + h * K, K);
  if (SLICE == 0) lse[(size_t)t * H + h] = maximum + log(normaliser);
}

// dq, and delta[T,H] = go . o for the columns kernel. dS = P (keep go . v - delta), dq = scale dS k
ATTENTION_KERNEL void attention_backward_queries(__global float *dq, __global float *delta, __global const float *go,
                                                 __global const float *q, __global const float *k,
                                                 __global const float *v, __global const float *o,
                                                 __global const float *lse, __global const int *offsets, int T, int B,
                                                 int H, int K, int ldq, int ldk, int ldv, int ldo, float scale,
                                                 ulong seed, float rate, int q0, int k0, int v0,
                                        int causal) {
  __local hvec keys[KEYS * PARTS], values[KEYS * PARTS];
  LOCAL_PRODUCTS(scores)
  LOCAL_PRODUCTS(products)
  q += q0;
  k += k0;
  v += v0;
  dq += q0;
  const head_place at = head_place_of(offsets, T, B);
  const int h = at.h, t = at.t, stop = !at.live ? 0 : causal ? t + 1 : at.end, end = causal ? at.last + 1 : at.behind;
  const ulong base = ((ulong)t * H + h) << 16;
  const uint key = random_key(seed, (uint)(base >> 32)), threshold = random_threshold(rate);
  hvec query[PARTS], gradient[PARTS], sum[PARTS], product = (hvec)(0.0f);
  head_read(query, q + (size_t)t * ldq + h * K, K);
  head_read(gradient, go + (size_t)t * ldo + h * K, K);
  head_clear(sum);
  __global const float *output = o + (size_t)t * ldo + h * K;
  FOR_PARTS(c) product = fma(gradient[c], head_load(output + PART(c) * HEAD_VECTOR, K - PART(c) * HEAD_VECTOR), product);
  const float row_delta = row_total(scores, head_sum(product)), row_lse = lse[(size_t)t * H + h];
  for (int tile = at.first; tile < end; tile += KEYS) {
    const int tile_end = min(tile + KEYS, end);
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
        const float keep = rate > 0 ? keep_scale(key, base, j - at.start, threshold, rate) : 1.0f;
        const float ds = exp(scale * score - row_lse) * (keep * dp - row_delta);
        head_add(sum, ds, keys + (j - tile) * PARTS);
      }
      STEP_BARRIER
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  if (!at.live) return;
  head_write(sum, scale, dq + (size_t)t * ldq + h * K, K);
  if (SLICE == 0) delta[(size_t)t * H + h] = row_delta;
}

// dv = sum over the queries i >= t, or all, of keep P go_i, dk = scale dS q_i; after attention_backward_queries
ATTENTION_KERNEL void attention_backward_keys(__global float *dk, __global float *dv, __global const float *go,
                                              __global const float *q, __global const float *k, __global const float *v,
                                              __global const float *lse, __global const float *delta,
                                              __global const int *offsets, int T, int B, int H, int K, int ldq, int ldk,
                                              int ldv, int ldo, float scale, ulong seed, float rate, int q0, int k0, int v0,
                                        int causal) {
  __local hvec queries[KEYS * PARTS], gradients[KEYS * PARTS];
  __local float tile_lse[KEYS], tile_delta[KEYS];
  LOCAL_PRODUCTS(scores)
  LOCAL_PRODUCTS(products)
  q += q0;
  k += k0;
  v += v0;
  dk += k0;
  dv += v0;
  const head_place at = head_place_of(offsets, T, B);
  const int h = at.h, t = at.t, stop = at.live ? at.end : 0;
  const uint threshold = random_threshold(rate);
  hvec key[PARTS], value[PARTS], sum_k[PARTS], sum_v[PARTS];
  head_read(key, k + (size_t)t * ldk + h * K, K);
  head_read(value, v + (size_t)t * ldv + h * K, K);
  head_clear(sum_k);
  head_clear(sum_v);
  for (int tile = causal ? at.row0 : at.first; tile < at.behind; tile += KEYS) {
    const int tile_end = min(tile + KEYS, at.behind);
    stage(queries, q + h * K, tile, tile_end, ldq, K);
    stage(gradients, go + h * K, tile, tile_end, ldo, K);
    for (int i = tile + GROUP_ROW * SLICES + SLICE; i < tile_end; i += QUERIES * SLICES) {
      tile_lse[i - tile] = lse[(size_t)i * H + h];
      tile_delta[i - tile] = delta[(size_t)i * H + h];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int step = tile; step < tile_end; step += STEP) {
      const int from = max(causal ? t : at.start, step), to = min(stop, min(step + STEP, tile_end));
      EXCHANGE(scores, i, from, to, head_dot(key, queries + (i - tile) * PARTS))
      EXCHANGE(products, i, from, to, head_dot(value, gradients + (i - tile) * PARTS))
      STEP_BARRIER
      for (int i = from; i < to; i++) {
        const float score = PRODUCT(scores, i, head_dot(key, queries + (i - tile) * PARTS));
        const float dp = PRODUCT(products, i, head_dot(value, gradients + (i - tile) * PARTS));
        float keep = 1;
        if (rate > 0) {
          const ulong base = ((ulong)i * H + h) << 16;
          keep = keep_scale(random_key(seed, (uint)(base >> 32)), base, t - at.start, threshold, rate);
        }
        const float p = exp(scale * score - tile_lse[i - tile]), ds = p * (keep * dp - tile_delta[i - tile]);
        head_add(sum_v, p * keep, gradients + (i - tile) * PARTS);
        head_add(sum_k, ds, queries + (i - tile) * PARTS);
      }
      STEP_BARRIER
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  if (!at.live) return;
  head_write(sum_k, scale, dk + (size_t)t * ldk + h * K, K);
  head_write(sum_v, 1, dv + (size_t)t * ldv + h * K, K);
}
