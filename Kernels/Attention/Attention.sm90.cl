// Attention.cl of bfloat16 factors on tensor cores (warp.h; Dao 2023, FlashAttention-2), with its arguments and its
// meaning. A work-group of 4 warps owns TILE_ROWS rows of one sequence and one head, 16 a warp, and walks over the rows
// of the sequence that they meet, TILE_KEYS at a time, from its first row on: the bits of a row do not depend on the
// place of the sequence in the batch. The number of groups is T / TILE_ROWS + B: each finds its own tile from the
// offsets, a few find none. No atomics: dk and dv recompute P by columns. What a row must not see has the weight 0, so
// that NaN and infinity among later rows reach all rows of a causal tile, but no other sequence. Local memory: (forward)
// (TILE_ROWS + 2 TILE_KEYS) WIDTH 2 bytes, (backward) as much and TILE_ROWS WIDTH 2 more.
// WIDTH >= K, a multiple of 16; columns K ..< WIDTH are 0.
#ifndef WIDTH
#define WIDTH 64
#endif
#ifndef TILE_KEYS
#define TILE_KEYS 32
#endif
#define TILE_ROWS 64
#define WARPS 4
#define ITEMS 128
#define ITEM ((int)(WARP * 32 + WARP_LANE))
#define QUADS (WIDTH / 4)
#define ROW_WORDS (WIDTH / 2)
#define ITEM_QUADS (TILE_KEYS * QUADS / ITEMS)
#define KEY_TILES (TILE_KEYS / 8)
#define WIDTH_TILES (WIDTH / 8)
#define ATTENTION_KERNEL __kernel __attribute__((reqd_work_group_size(32, WARPS, 1)))
// Of this lane's two rows of results, i % 4 / 2 is the one that result i belongs to.
#define FOR_RESULTS(sums, tiles, u, i) UNROLL for (int u = 0; u < (tiles); u++) UNROLL for (int i = 0; i < 4; i++)

// --- rows of a head in local memory, rounded; rows from `rows` on and columns from K on are 0 ---
INLINE void put_quad(__local uint *tile, int e, float4 x) {
  const int place = tile_place(e / QUADS, e % QUADS / 2, WIDTH) + e % 2 * 2;
  *(__local uint2 *)(tile + place) = (uint2)(pack_bf16(x.s0, x.s1), pack_bf16(x.s2, x.s3));
}
INLINE void stage(__local uint *tile, int tile_rows, __global const float *source, int ld, int rows, int K, int is_wide) {
  _Pragma("nounroll") for (int e = ITEM; e < tile_rows * QUADS; e += ITEMS) {
    const int row = e / QUADS, column = e % QUADS * 4;
    put_quad(tile, e, load_quad(source + row * ld + column, row < rows ? K - column : 0, is_wide));
  }
}
// The same by way of registers, from a source whose rows are multiples of 16 bytes
INLINE void fetch(float4 *x, __global const float *source, int ld, int rows, int K) {
  UNROLL for (int p = 0; p < ITEM_QUADS; p++) {
    const int e = p * ITEMS + ITEM;
    x[p] = *(__global const float4 *)(source + (uint)(min(e / QUADS, rows - 1) * ld + min(e % QUADS * 4, K - 4)));
  }
}
INLINE void put(__local uint *tile, const float4 *x, int rows, int K) {
  UNROLL for (int p = 0; p < ITEM_QUADS; p++) {
    const int e = p * ITEMS + ITEM;
    put_quad(tile, e, e / QUADS < rows && e % QUADS * 4 < K ? x[p] : (float4)(0.0f));
  }
}

// --- products of a warp's 16 rows ---
// sums = (this warp's rows of a) b^T, b of TILE_KEYS rows
INLINE void multiply_rows(float (*sums)[4], __local const uint *a, __local const uint *b, warp_scratch scratch) {
  const int i = WARP_LANE % 8, low = WARP_LANE / 8 % 2, high = WARP_LANE / 16;
  FOR_RESULTS(sums, KEY_TILES, u, j) sums[u][j] = 0;
  UNROLL for (int c = 0; c < WIDTH / 8; c += 2) {
    uint x[4], y[4];
    ldmatrix(x, a, tile_place(WARP * 16 + 8 * low + i, c + high, WIDTH), scratch);
    UNROLL for (int u = 0; u < KEY_TILES; u += 2) {
      ldmatrix(y, b, tile_place(8 * (u + high) + i, c + low, WIDTH), scratch);
      mma_bf16(sums[u], x, y, scratch);
      mma_bf16(sums[u + 1], x, y + 2, scratch);
    }
  }
}
// sums += x b: x are results of multiply_rows, which lie as its left factor must
INLINE void add_product(float (*sums)[4], float (*x)[4], __local const uint *b, warp_scratch scratch) {
  const int i = WARP_LANE % 8, low = WARP_LANE / 8 % 2, high = WARP_LANE / 16;
  UNROLL for (int u = 0; u < KEY_TILES; u += 2) {
    uint y[4];
    const uint a[4] = {pack_bf16(x[u][0], x[u][1]), pack_bf16(x[u][2], x[u][3]), pack_bf16(x[u + 1][0], x[u + 1][1]),
                       pack_bf16(x[u + 1][2], x[u + 1][3])};
    UNROLL for (int c = 0; c < WIDTH_TILES; c += 2) {
      ldmatrix_transposed(y, b, tile_place(8 * (u + low) + i, c + high, WIDTH), scratch);
      mma_bf16(sums[c], a, y, scratch);
      mma_bf16(sums[c + 1], a, y + 2, scratch);
    }
  }
}
// The sum, or the largest, of the four lanes that share a row
INLINE float quad_sum(float x, warp_scratch scratch) {
  x += shuffle_xor(x, 1, scratch);
  return x + shuffle_xor(x, 2, scratch);
}
INLINE float quad_max(float x, warp_scratch scratch) {
  x = fmax(x, shuffle_xor(x, 1, scratch));
  return fmax(x, shuffle_xor(x, 2, scratch));
}
// scale[r] * sums to the rows from row0 of this warp on that are below end
INLINE void write_rows(__global float *to, int ld, float (*sums)[4], int K, const float *scale, int row0, int end) {
  const int is_even = (((size_t)to | (size_t)ld * 4) & 7) == 0;
  UNROLL for (int c = 0; c < WIDTH_TILES; c++)
    UNROLL for (int r = 0; r < 2; r++) {
      const int row = row0 + WARP_LANE / 4 + 8 * r, column = 8 * c + WARP_LANE % 4 * 2;
      __global float *place = to + (size_t)row * ld + column;
      const float2 value = scale[r] * (float2)(sums[c][2 * r], sums[c][2 * r + 1]);
      if (row >= end || column >= K) continue;
      if (is_even && column + 1 < K) {
        *(__global float2 *)place = value;
      } else {
        place[0] = value.s0;
        if (column + 1 < K) place[1] = value.s1;
      }
    }
}

// --- which rows a group owns: row0 ..< row0 + TILE_ROWS of head h, of the sequence start ..< end; none where row0 >= end ---
typedef struct {
  int h, start, end, row0;
} tile_rows;
// Sequence b has the tiles from offsets[b] / TILE_ROWS + b on: at least as many as it needs.
INLINE void find_tile(tile_rows *at, __global const int *offsets, int B) {
  const int slot = get_group_id(0);
  int low = 0, high = B;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (offsets[middle] / TILE_ROWS + middle <= slot)
      low = middle;
    else
      high = middle;
  }
  at->h = get_group_id(1);
  at->start = offsets[low];
  at->end = offsets[low + 1];
  at->row0 = at->start + (slot - at->start / TILE_ROWS - low) * TILE_ROWS;
}
// Dropout of the cells of row t: its key, whose low bits count the cells
#define CELLS(t, h) \
  const ulong base = ((ulong)(t)*H + (h)) << 16; \
  const uint key = random_key(seed, (uint)(base >> 32));
INLINE float safe(float top) { return top == -INFINITY ? 0 : top; }

// o[T, H*K], lse[T,H]
ATTENTION_KERNEL void attention_forward(__global float *o, __global float *lse, __global const float *q,
                                        __global const float *k, __global const float *v, __global const int *offsets,
                                        int T, int B, int H, int K, int ldq, int ldk, int ldv, int ldo, float scale,
                                        ulong seed, float rate, int q0, int k0, int v0, int causal) {
  __local uint queries[TILE_ROWS * ROW_WORDS] __attribute__((aligned(128)));
  __local uint keys[TILE_KEYS * ROW_WORDS] __attribute__((aligned(128)));
  __local uint values[TILE_KEYS * ROW_WORDS] __attribute__((aligned(128)));
  WARP_SCRATCH(WARPS)
  tile_rows at;
  find_tile(&at, offsets, B);
  if (at.row0 >= at.end) return;
  const int h = at.h, end = causal ? min(at.end, at.row0 + TILE_ROWS) : at.end, row = at.row0 + WARP * 16 + WARP_LANE / 4;
  const uint threshold = random_threshold(rate);
  q += q0 + h * K;
  k += k0 + h * K;
  v += v0 + h * K;
  const int is_wide = IS_WIDE(q, ldq) && IS_WIDE(k, ldk) && IS_WIDE(v, ldv) && K % 4 == 0;
  float sums[WIDTH_TILES][4], scores[KEY_TILES][4], top[2] = {-INFINITY, -INFINITY}, total[2] = {0, 0};
  float4 next[ITEM_QUADS];
  FOR_RESULTS(sums, WIDTH_TILES, u, i) sums[u][i] = 0;
  stage(queries, TILE_ROWS, q + (size_t)at.row0 * ldq, ldq, at.end - at.row0, K, is_wide);
  stage(keys, TILE_KEYS, k + (size_t)at.start * ldk, ldk, end - at.start, K, is_wide);
  stage(values, TILE_KEYS, v + (size_t)at.start * ldv, ldv, end - at.start, K, is_wide);
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int tile = at.start; tile < end; tile += TILE_KEYS) {
    const int behind = tile + TILE_KEYS, more = behind < end;
    if (more && is_wide) fetch(next, k + (size_t)behind * ldk, ldk, end - behind, K);
    multiply_rows(scores, queries, keys, scratch);
    barrier(CLK_LOCAL_MEM_FENCE);
    if (more && is_wide) {
      put(keys, next, end - behind, K);
      fetch(next, v + (size_t)behind * ldv, ldv, end - behind, K);
    }
    if (more && !is_wide) stage(keys, TILE_KEYS, k + (size_t)behind * ldk, ldk, end - behind, K, 0);
    UNROLL for (int r = 0; r < 2; r++) {
      const int t = row + 8 * r, stop = causal ? min(t + 1, end) : end;
      float largest = top[r];
      UNROLL for (int u = 0; u < KEY_TILES; u++)
        UNROLL for (int i = 2 * r; i < 2 * r + 2; i++) {
          const int j = tile + 8 * u + WARP_LANE % 4 * 2 + i % 2;
          scores[u][i] = j < stop ? scale * LOG2E * scores[u][i] : -INFINITY;
          largest = fmax(largest, scores[u][i]);
        }
      largest = quad_max(largest, scratch);
      const float shrink = exp2_fast(top[r] - safe(largest));
      CELLS(t, h)
      top[r] = largest;
      total[r] *= shrink;
      UNROLL for (int u = 0; u < KEY_TILES; u++)
        UNROLL for (int i = 2 * r; i < 2 * r + 2; i++) {
          const int j = tile + 8 * u + WARP_LANE % 4 * 2 + i % 2;
          float p = exp2_fast(scores[u][i] - safe(largest));
          total[r] += p;
          if (rate > 0) p *= keep_scale(key, base, j - at.start, threshold, rate);
          scores[u][i] = p;
        }
      UNROLL for (int c = 0; c < WIDTH_TILES; c++) {
        sums[c][2 * r] *= shrink;
        sums[c][2 * r + 1] *= shrink;
      }
    }
    add_product(sums, scores, values, scratch);
    barrier(CLK_LOCAL_MEM_FENCE);
    if (more && is_wide) put(values, next, end - behind, K);
    if (more && !is_wide) stage(values, TILE_KEYS, v + (size_t)behind * ldv, ldv, end - behind, K, 0);
  }
  float inverse[2];
  UNROLL for (int r = 0; r < 2; r++) {
    total[r] = quad_sum(total[r], scratch);
    inverse[r] = 1 / total[r];
    if (WARP_LANE % 4 == 0 && row + 8 * r < at.end) lse[(size_t)(row + 8 * r) * H + h] = top[r] / LOG2E + log(total[r]);
  }
  write_rows(o + h * K, ldo, sums, K, inverse, row - WARP_LANE / 4, at.end);
}

// dq, and delta[T,H] = go . o for the columns kernel. dS = P (keep go . v - delta), dq = scale dS k
ATTENTION_KERNEL void attention_backward_queries(__global float *dq, __global float *delta, __global const float *go,
                                                 __global const float *q, __global const float *k,
                                                 __global const float *v, __global const float *o,
                                                 __global const float *lse, __global const int *offsets, int T, int B,
                                                 int H, int K, int ldq, int ldk, int ldv, int ldo, float scale,
                                                 ulong seed, float rate, int q0, int k0, int v0, int causal) {
  __local uint queries[TILE_ROWS * ROW_WORDS] __attribute__((aligned(128)));
  __local uint gradients[TILE_ROWS * ROW_WORDS] __attribute__((aligned(128)));
  __local uint keys[TILE_KEYS * ROW_WORDS] __attribute__((aligned(128)));
  __local uint values[TILE_KEYS * ROW_WORDS] __attribute__((aligned(128)));
  WARP_SCRATCH(WARPS)
  tile_rows at;
  find_tile(&at, offsets, B);
  if (at.row0 >= at.end) return;
  const int h = at.h, end = causal ? min(at.end, at.row0 + TILE_ROWS) : at.end, row = at.row0 + WARP * 16 + WARP_LANE / 4;
  const uint threshold = random_threshold(rate);
  q += q0 + h * K;
  k += k0 + h * K;
  v += v0 + h * K;
  go += h * K;
  const int is_wide = IS_WIDE(q, ldq) && IS_WIDE(k, ldk) && IS_WIDE(v, ldv) && IS_WIDE(go, ldo) && K % 4 == 0;
  float sums[WIDTH_TILES][4], scores[KEY_TILES][4], products[KEY_TILES][4], row_lse[2], row_delta[2];
  FOR_RESULTS(sums, WIDTH_TILES, u, i) sums[u][i] = 0;
  UNROLL for (int r = 0; r < 2; r++) {
    const int t = min(row + 8 * r, at.end - 1);
    float product = 0;
    for (int c = WARP_LANE % 4; c < K; c += 4)
      product = fma(round_bf16(go[(size_t)t * ldo + c]), o[(size_t)t * ldo + h * K + c], product);
    row_delta[r] = quad_sum(product, scratch);
    row_lse[r] = LOG2E * lse[(size_t)t * H + h];
    if (WARP_LANE % 4 == 0 && row + 8 * r < at.end) delta[(size_t)t * H + h] = row_delta[r];
  }
  stage(queries, TILE_ROWS, q + (size_t)at.row0 * ldq, ldq, at.end - at.row0, K, is_wide);
  stage(gradients, TILE_ROWS, go + (size_t)at.row0 * ldo, ldo, at.end - at.row0, K, is_wide);
  for (int tile = at.start; tile < end; tile += TILE_KEYS) {
    stage(keys, TILE_KEYS, k + (size_t)tile * ldk, ldk, end - tile, K, is_wide);
    stage(values, TILE_KEYS, v + (size_t)tile * ldv, ldv, end - tile, K, is_wide);
    barrier(CLK_LOCAL_MEM_FENCE);
    multiply_rows(scores, queries, keys, scratch);
    multiply_rows(products, gradients, values, scratch);
    UNROLL for (int r = 0; r < 2; r++) {
      const int t = row + 8 * r, stop = causal ? min(t + 1, end) : end;
      CELLS(t, h)
      UNROLL for (int u = 0; u < KEY_TILES; u++)
        UNROLL for (int i = 2 * r; i < 2 * r + 2; i++) {
          const int j = tile + 8 * u + WARP_LANE % 4 * 2 + i % 2;
          const float keep = rate > 0 ? keep_scale(key, base, j - at.start, threshold, rate) : 1.0f;
          const float ds = exp2_fast(scale * LOG2E * scores[u][i] - row_lse[r]) * (keep * products[u][i] - row_delta[r]);
          scores[u][i] = j < stop ? ds : 0;
        }
    }
    add_product(sums, scores, keys, scratch);
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  const float scales[2] = {scale, scale};
  write_rows(dq + q0 + h * K, ldq, sums, K, scales, row - WARP_LANE / 4, at.end);
}

// dv = sum over the queries i >= t, or all, of keep P go_i, dk = scale dS q_i; after attention_backward_queries. The
// group's rows are keys, and scores have a row for each of them.
ATTENTION_KERNEL void attention_backward_keys(__global float *dk, __global float *dv, __global const float *go,
                                              __global const float *q, __global const float *k, __global const float *v,
                                              __global const float *lse, __global const float *delta,
                                              __global const int *offsets, int T, int B, int H, int K, int ldq, int ldk,
                                              int ldv, int ldo, float scale, ulong seed, float rate, int q0, int k0,
                                              int v0, int causal) {
  __local uint keys[TILE_ROWS * ROW_WORDS] __attribute__((aligned(128)));
  __local uint values[TILE_ROWS * ROW_WORDS] __attribute__((aligned(128)));
  __local uint queries[TILE_KEYS * ROW_WORDS] __attribute__((aligned(128)));
  __local uint gradients[TILE_KEYS * ROW_WORDS] __attribute__((aligned(128)));
  WARP_SCRATCH(WARPS)
  tile_rows at;
  find_tile(&at, offsets, B);
  if (at.row0 >= at.end) return;
  const int h = at.h, row = at.row0 + WARP * 16 + WARP_LANE / 4;
  const uint threshold = random_threshold(rate);
  q += q0 + h * K;
  k += k0 + h * K;
  v += v0 + h * K;
  go += h * K;
  const int is_wide = IS_WIDE(q, ldq) && IS_WIDE(k, ldk) && IS_WIDE(v, ldv) && IS_WIDE(go, ldo) && K % 4 == 0;
  float sum_k[WIDTH_TILES][4], sum_v[WIDTH_TILES][4], scores[KEY_TILES][4], products[KEY_TILES][4];
  FOR_RESULTS(sum_k, WIDTH_TILES, u, i) sum_k[u][i] = sum_v[u][i] = 0;
  stage(keys, TILE_ROWS, k + (size_t)at.row0 * ldk, ldk, at.end - at.row0, K, is_wide);
  stage(values, TILE_ROWS, v + (size_t)at.row0 * ldv, ldv, at.end - at.row0, K, is_wide);
  for (int tile = causal ? at.row0 : at.start; tile < at.end; tile += TILE_KEYS) {
    stage(queries, TILE_KEYS, q + (size_t)tile * ldq, ldq, at.end - tile, K, is_wide);
    stage(gradients, TILE_KEYS, go + (size_t)tile * ldo, ldo, at.end - tile, K, is_wide);
    barrier(CLK_LOCAL_MEM_FENCE);
    multiply_rows(scores, keys, queries, scratch);
    multiply_rows(products, values, gradients, scratch);
    UNROLL for (int u = 0; u < KEY_TILES; u++)
      UNROLL for (int parity = 0; parity < 2; parity++) {
        const int t = tile + 8 * u + WARP_LANE % 4 * 2 + parity, last = min(t, at.end - 1);
        const float row_lse = LOG2E * lse[(size_t)last * H + h], row_delta = delta[(size_t)last * H + h];
        CELLS(last, h)
        UNROLL for (int i = parity; i < 4; i += 2) {
          const int j = row + 8 * (i / 2), live = t < at.end && (!causal || j <= t);
          const float keep = rate > 0 ? keep_scale(key, base, j - at.start, threshold, rate) : 1.0f;
          const float p = exp2_fast(scale * LOG2E * scores[u][i] - row_lse), ds = p * (keep * products[u][i] - row_delta);
          scores[u][i] = live ? p * keep : 0;
          products[u][i] = live ? ds : 0;
        }
      }
    add_product(sum_v, scores, gradients, scratch);
    add_product(sum_k, products, queries, scratch);
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  const float scales[2] = {scale, scale}, ones[2] = {1, 1};
  write_rows(dk + k0 + h * K, ldk, sum_k, K, scales, row - WARP_LANE / 4, at.end);
  write_rows(dv + v0 + h * K, ldv, sum_v, K, ones, row - WARP_LANE / 4, at.end);
}
