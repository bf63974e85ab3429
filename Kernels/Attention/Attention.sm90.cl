// Attention.cl on tensor cores, after tiles.h, with its meaning and, but for what is stored in bfloat16 and tiles instead of offsets, its
// arguments. No atomics: dk and dv recompute P by columns. Local memory: (forward) (TILE_ROWS + 4 TILE_KEYS) WIDTH 2 bytes, (backward)
// (2 TILE_ROWS + 2 TILE_KEYS) WIDTH 2.

// Dropout of the cells of row t: its key, whose low bits count the cells
#define CELLS(t, h) \
  const ulong base = ((ulong)(t)*H + (h)) << 16; \
  const uint key = random_key(seed, (uint)(base >> 32));

// Dropout of this warp's cells, one row after the other
#define DROP_CELLS(cells) \
  UNROLL for (int r = 0; r < 2; r++) { \
    CELLS(row + 8 * r, h) \
    UNROLL for (int u = 0; u < KEY_TILES; u++) \
      UNROLL for (int i = 2 * r; i < 2 * r + 2; i++) \
        cells[u][i] *= keep_scale(key, base, MET_ROW(u, i) - start, threshold, rate); \
  }
// Whether a row of this warp must not see all keys of the tile
#define MEETS_MASK (tile + TILE_KEYS > (causal ? min(row0 + WARP * 16 + 1, end) : end))

// o[T, H*K], lse[T,H]
TILE_KERNEL void attention_forward(__global float *o, __global float *lse, __global const ushort *q,
                                   __global const ushort *k, __global const ushort *v, __global const int4 *tiles,
                                   int T, int B, int H, int K, int ldq, int ldk, int ldv, int ldo, float scale,
                                   ulong seed, float rate, int q0, int k0, int v0, int causal) {
  OWN_ROWS(queries)
  MET_ROWS(keys, 2)
  MET_ROWS(values, 2)
  OPEN_TILE(OWN_FIRST)
  const int end = causal ? min(behind, row0 + TILE_ROWS) : behind;
  const uint threshold = random_threshold(rate);
  const float log_scale = scale * LOG2E;
  float top[2] = {-INFINITY, -INFINITY}, total[2] = {0, 0};
  OPEN_FORWARD
  for (int tile = start; tile < end; tile += TILE_KEYS) {
    FORWARD_SCORES
    if (MEETS_MASK)
      FOR_RESULTS(scores, KEY_TILES, u, i)
        if (MET_ROW(u, i) >= (causal ? min(row + 8 * (i / 2) + 1, end) : end)) scores[u][i] = -INFINITY;
    UNROLL for (int r = 0; r < 2; r++) {
      float largest = top[r];
      UNROLL for (int u = 0; u < KEY_TILES; u++) largest = fmax(largest, fmax(scores[u][2 * r], scores[u][2 * r + 1]));
      largest = quad_max(largest, scratch);
      // 1 exactly where no larger score comes: tiles that a row does not see must leave its bits alone.
      const float least = -log_scale * safe(largest);
      const float shrink = largest == top[r] ? 1.0f : exp2_fast(fma(log_scale, top[r], least));
      top[r] = largest;
      total[r] *= shrink;
      UNROLL for (int u = 0; u < KEY_TILES; u++)
        UNROLL for (int i = 2 * r; i < 2 * r + 2; i++) {
          scores[u][i] = exp2_fast(fma(log_scale, scores[u][i], least));
          total[r] += scores[u][i];
        }
      UNROLL for (int c = 0; c < WIDTH_TILES; c++) {
        sums[c][2 * r] *= shrink;
        sums[c][2 * r + 1] *= shrink;
      }
    }
    if (rate > 0) DROP_CELLS(scores)
    FORWARD_VALUES
  }
  float inverse[2];
  UNROLL for (int r = 0; r < 2; r++) {
    total[r] = quad_sum(total[r], scratch);
    inverse[r] = 1 / total[r];
    if (WARP_LANE % 4 == 0 && row + 8 * r < behind) lse[(size_t)(row + 8 * r) * H + h] = scale * top[r] + log(total[r]);
  }
  write_rows(o + h * K, ldo, sums, K, inverse, row, behind);
}

// dq, and for the keys kernel totals[T,H] of exponent and delta = go . o, and go in bfloat16. dS = P (keep go . v - delta), dq = scale dS k
TILE_KERNEL void attention_backward_queries(__global float *dq, __global float2 *totals, __global ushort *stored,
                                            __global const float *go, __global const ushort *q, __global const ushort *k,
                                            __global const ushort *v, __global const float *o,
                                            __global const float *lse, __global const int4 *tiles, int T, int B,
                                            int H, int K, int ldq, int ldk, int ldv, int ldo, float scale,
                                            ulong seed, float rate, int q0, int k0, int v0, int causal) {
  OWN_ROWS(queries)
  OWN_ROWS(gradients)
  MET_ROWS(keys, 1)
  MET_ROWS(values, 1)
  OPEN_TILE(OWN_FIRST)
  const int end = causal ? min(behind, row0 + TILE_ROWS) : behind;
  const uint threshold = random_threshold(rate);
  const float log_scale = scale * LOG2E;
  OPEN_BACKWARD
  float sums[WIDTH_TILES][4], row_lse[2], row_delta[2];
  FOR_RESULTS(sums, WIDTH_TILES, u, i) sums[u][i] = 0;
  UNROLL for (int r = 0; r < 2; r++) {
    const int t = min(row + 8 * r, behind - 1);
    float product = 0;
    for (int c = WARP_LANE % 4; c < K; c += 4)
      product = fma(round_bf16(go[(size_t)t * ldo + c]), o[(size_t)t * ldo + h * K + c], product);
    row_delta[r] = quad_sum(product, scratch);
    row_lse[r] = LOG2E * lse[(size_t)t * H + h];
    if (WARP_LANE % 4 == 0 && row + 8 * r < behind) totals[(size_t)t * H + h] = (float2)(row_lse[r], row_delta[r]);
  }
  COPY_OWN(queries, q, ldq, is_wide)
  STAGE_GRADIENTS(gradients)
  for (int tile = start; tile < end; tile += TILE_KEYS) {
    BACKWARD_PRODUCTS(queries, gradients, keys, k, ldk, is_wide, values, v, ldv, is_wide, end)
    if (rate > 0) DROP_CELLS(products)
    FOR_RESULTS(scores, KEY_TILES, u, i)
      scores[u][i] = exp2_fast(log_scale * scores[u][i] - row_lse[i / 2]) * (products[u][i] - row_delta[i / 2]);
    if (MEETS_MASK)
      FOR_RESULTS(scores, KEY_TILES, u, i)
        if (MET_ROW(u, i) >= (causal ? min(row + 8 * (i / 2) + 1, end) : end)) scores[u][i] = 0;
    add_product(sums, scores, keys, scratch);
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  const float scales[2] = {scale, scale};
  write_rows(dq + q0 + h * K, ldq, sums, K, scales, row, behind);
}

// dv = sum over the queries i >= t, or all, of keep P go_i, dk = scale dS q_i; after attention_backward_queries. The
// group's rows are keys, and scores have a row for each of them.
TILE_KERNEL void attention_backward_keys(__global float *dk, __global float *dv, __global const ushort *go,
                                         __global const ushort *q, __global const ushort *k, __global const ushort *v,
                                         __global const float2 *totals, __global const int4 *tiles, int T, int B, int H,
                                         int K, int ldq, int ldk, int ldv, int ldo, float scale, ulong seed, float rate,
                                         int q0, int k0, int v0, int causal) {
  OWN_ROWS(keys)
  OWN_ROWS(values)
  MET_ROWS(queries, 1)
  MET_ROWS(gradients, 1)
  OPEN_TILE(OWN_FIRST_KEY)
  OPEN_BACKWARD
  float sum_k[WIDTH_TILES][4], sum_v[WIDTH_TILES][4];
  FOR_RESULTS(sum_k, WIDTH_TILES, u, i) sum_k[u][i] = sum_v[u][i] = 0;
  const int go_is_wide = IS_WIDE(go, ldo);
  COPY_OWN(keys, k, ldk, is_wide)
  COPY_OWN(values, v, ldv, is_wide)
  for (int tile = causal ? row0 : start; tile < behind; tile += TILE_KEYS) {
    BACKWARD_PRODUCTS(keys, values, queries, q, ldq, is_wide, gradients, go, ldo, go_is_wide, behind)
    uint live = ~0u;
    if (rate > 0)
      UNROLL for (int u = 0; u < KEY_TILES; u++)
        UNROLL for (int parity = 0; parity < 2; parity++) {
          CELLS(min(MET_ROW(u, parity), behind - 1), h)
          UNROLL for (int i = parity; i < 4; i += 2) {
            const float keep = keep_scale(key, base, row + 8 * (i / 2) - start, random_threshold(rate), rate);
            products[u][i] *= keep;
            if (keep == 0) live ^= 1u << (4 * u + i);
          }
        }
    UNROLL for (int u = 0; u < KEY_TILES; u++)
      UNROLL for (int parity = 0; parity < 2; parity++) {
        const float2 total = totals[(size_t)min(MET_ROW(u, parity), behind - 1) * H + h];
        UNROLL for (int i = parity; i < 4; i += 2) {
          scores[u][i] = exp2_fast(fma(scale * LOG2E, scores[u][i], -total.s0));
          products[u][i] = scores[u][i] * (products[u][i] - total.s1);
        }
      }
    if (rate > 0)
      FOR_RESULTS(scores, KEY_TILES, u, i) scores[u][i] = live >> (4 * u + i) & 1 ? scores[u][i] * (1.0f / (1.0f - rate)) : 0;
    if (tile + TILE_KEYS > behind || (causal && tile < row0 + WARP * 16 + 15))
      FOR_RESULTS(scores, KEY_TILES, u, i)
        if (MET_ROW(u, i) >= behind || (causal && row + 8 * (i / 2) > MET_ROW(u, i))) scores[u][i] = products[u][i] = 0;
    add_product(sum_v, scores, gradients, scratch);
    add_product(sum_k, products, queries, scratch);
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  const float scales[2] = {scale, scale}, ones[2] = {1, 1};
  write_rows(dk + k0 + h * K, ldk, sum_k, K, scales, row, behind);
  write_rows(dv + v0 + h * K, ldv, sum_v, K, ones, row, behind);
}
