// What the attentions on tensor cores share, after warp.h (Dao 2023, FlashAttention-2). A work-group owns TILE_ROWS
// rows of one sequence and one head, 16 a warp, and walks over the rows of the sequence that they meet, TILE_KEYS at a time,
// from its first row on: the bits of a row do not depend on the place of the sequence in the batch. The grid has one group for
// each tile and head, all heads of a tile together, in the order of `tiles`: those that meet most rows start first. What a row
// must not see has the weight 0, so that NaN and infinity among later rows reach all rows of a causal tile, but no other
// sequence. WIDTH >= K, a multiple of 16; columns K ..< WIDTH are 0.
#ifndef WIDTH
#define WIDTH 64
#endif
#ifndef TILE_KEYS
#define TILE_KEYS 32
#endif
#ifndef WARPS
#define WARPS 4
#endif
#define TILE_ROWS (16 * WARPS)
#define ITEMS (32 * WARPS)
#define ITEM ((int)(WARP * 32 + WARP_LANE))
#define QUADS (WIDTH / 4)
#define ROW_WORDS (WIDTH / 2)
#define ITEM_QUADS (TILE_KEYS * QUADS / ITEMS)
#define KEY_TILES (TILE_KEYS / 8)
#define WIDTH_TILES (WIDTH / 8)
#define TILE_KERNEL __kernel __attribute__((reqd_work_group_size(32, WARPS, 1)))
// Of this lane's two rows of results, i % 4 / 2 is the one that result i belongs to.
#define FOR_RESULTS(sums, tiles, u, i) UNROLL for (int u = 0; u < (tiles); u++) UNROLL for (int i = 0; i < 4; i++)

// --- rows of a head in local memory, rounded; rows from `rows` on and columns from K on are 0 ---
INLINE void put_quad(__local uint *tile, int e, float4 x) {
  const int place = tile_place(e / QUADS, e % QUADS / 2, WIDTH) + e % 2 * 2;
  *(__local uint2 *)(tile + place) = (uint2)(pack_bf16(x.s0, x.s1), pack_bf16(x.s2, x.s3));
}
// Four loads of a work-item are on their way at once.
INLINE void stage(__local uint *tile, int tile_rows, __global const float *source, int ld, int rows, int K, int is_wide) {
  const int count = min(4, tile_rows * QUADS / ITEMS);
  _Pragma("nounroll") for (int first = ITEM; first < tile_rows * QUADS; first += count * ITEMS) {
    float4 x[4];
    UNROLL for (int p = 0; p < count; p++) {
      const int row = (first + p * ITEMS) / QUADS, column = (first + p * ITEMS) % QUADS * 4;
      x[p] = load_quad(source + row * ld + column, row < rows ? K - column : 0, is_wide);
    }
    UNROLL for (int p = 0; p < count; p++) put_quad(tile, first + p * ITEMS, x[p]);
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

// The rows from `tile` on take the place of those in local memory: their loads begin, and end. Nothing where tile >= end. A single warp
// has no registers for loads that go on, and other groups to wait for its own.
#define GOES_ON (is_wide && WARPS > 1)
INLINE void begin_next(float4 *x, __global const float *source, int ld, int tile, int end, int K, int is_wide) {
  if (tile < end && GOES_ON) fetch(x, source + (size_t)tile * ld, ld, end - tile, K);
}
INLINE void end_next(__local uint *to, const float4 *x, __global const float *source, int ld, int tile, int end, int K,
                     int is_wide) {
  if (tile < end && GOES_ON) put(to, x, end - tile, K);
  if (tile < end && !GOES_ON) stage(to, TILE_KEYS, source + (size_t)tile * ld, ld, end - tile, K, is_wide);
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
INLINE float safe(float top) { return top == -INFINITY ? 0 : top; }
// The sum, or the largest, of the four lanes that share a row
INLINE float quad_sum(float x, warp_scratch scratch) {
  x += shuffle_xor(x, 1, scratch);
  return x + shuffle_xor(x, 2, scratch);
}
INLINE float quad_max(float x, warp_scratch scratch) {
  x = fmax(x, shuffle_xor(x, 1, scratch));
  return fmax(x, shuffle_xor(x, 2, scratch));
}
// scale[r] * sums to this lane's rows, row and row + 8, where they are below end
INLINE void write_rows(__global float *to, int ld, float (*sums)[4], int K, const float *scale, int row, int end) {
  const int is_even = (((size_t)to | (size_t)ld * 4) & 7) == 0;
  UNROLL for (int c = 0; c < WIDTH_TILES; c++)
    UNROLL for (int r = 0; r < 2; r++) {
      const int t = row + 8 * r, column = 8 * c + WARP_LANE % 4 * 2;
      __global float *place = to + (size_t)t * ld + column;
      const float2 value = scale[r] * (float2)(sums[c][2 * r], sums[c][2 * r + 1]);
      if (t >= end || column >= K) continue;
      if (is_even && column + 1 < K) {
        *(__global float2 *)place = value;
      } else {
        place[0] = value.s0;
        if (column + 1 < K) place[1] = value.s1;
      }
    }
}

// --- what a group owns ---
// tiles[tile]: start and end of the sequence, first row, number of the tile in the order of rows
#define OWN_ROWS(name) __local uint name[TILE_ROWS * ROW_WORDS] __attribute__((aligned(128)));
#define MET_ROWS(name) __local uint name[TILE_KEYS * ROW_WORDS] __attribute__((aligned(128)));
// Rows row0 ..< end of the sequence start ..< behind, of head h, of which q, k and v become; this lane has `row` and row + 8.
#define OPEN_TILE(first_row) \
  WARP_SCRATCH(WARPS) \
  const int group = get_group_id(0), h = group % H; \
  const int4 tile_at = tiles[group / H]; \
  const int start = tile_at.s0, behind = tile_at.s1, row0 = first_row(tile_at), row = row0 + WARP * 16 + WARP_LANE / 4; \
  q += q0 + h * K; \
  k += k0 + h * K; \
  v += v0 + h * K;
#define OWN_FIRST(at) (at).s2
// Where the rows are keys: the tile that as many queries of its sequence meet as keys the tile of the list
#define OWN_FIRST_KEY(at) ((at).s0 + (((at).s1 - (at).s0 - 1) / TILE_ROWS * TILE_ROWS - ((at).s2 - (at).s0)))
#define FACTORS_ARE_WIDE (IS_WIDE(q, ldq) && IS_WIDE(k, ldk) && IS_WIDE(v, ldv) && K % 4 == 0)
// The row of the walk that result i of column tile u belongs to
#define MET_ROW(u, i) (tile + 8 * (u) + WARP_LANE % 4 * 2 + (i) % 2)

// --- walks; `end` is where the rows that the group meets end, and is_wide whether rows are multiples of 16 bytes ---
#define STAGE_OWN(name, source, ld) stage(name, TILE_ROWS, source + (size_t)row0 * ld, ld, behind - row0, K, is_wide);
#define STAGE_MET(name, source, ld, from, end) \
  stage(name, TILE_KEYS, source + (size_t)(from) * ld, ld, (end) - (from), K, is_wide);
// Forward: the tiles of keys and values that come next are on their way during the products.
#define OPEN_FORWARD \
  const int is_wide = FACTORS_ARE_WIDE; \
  float sums[WIDTH_TILES][4], scores[KEY_TILES][4]; \
  float4 next[ITEM_QUADS]; \
  FOR_RESULTS(sums, WIDTH_TILES, u, i) sums[u][i] = 0; \
  STAGE_OWN(queries, q, ldq) \
  STAGE_MET(keys, k, ldk, start, end) \
  STAGE_MET(values, v, ldv, start, end) \
  barrier(CLK_LOCAL_MEM_FENCE);
#define FORWARD_SCORES \
  const int after = tile + TILE_KEYS; \
  begin_next(next, k, ldk, after, end, K, is_wide); \
  multiply_rows(scores, queries, keys, scratch); \
  barrier(CLK_LOCAL_MEM_FENCE); \
  end_next(keys, next, k, ldk, after, end, K, is_wide); \
  begin_next(next, v, ldv, after, end, K, is_wide);
#define FORWARD_VALUES \
  add_product(sums, scores, values, scratch); \
  barrier(CLK_LOCAL_MEM_FENCE); \
  end_next(values, next, v, ldv, after, end, K, is_wide);
// Backward: scores = (own a) (met c)^T and products = (own b) (met d)^T, where c and d are the rows from `tile` on of two sources
#define OPEN_BACKWARD \
  go += h * K; \
  const int is_wide = FACTORS_ARE_WIDE && IS_WIDE(go, ldo); \
  float scores[KEY_TILES][4], products[KEY_TILES][4];
#define BACKWARD_PRODUCTS(a, b, c, from_c, ldc, d, from_d, ldd, end) \
  STAGE_MET(c, from_c, ldc, tile, end) \
  STAGE_MET(d, from_d, ldd, tile, end) \
  barrier(CLK_LOCAL_MEM_FENCE); \
  multiply_rows(scores, a, c, scratch); \
  multiply_rows(products, b, d, scratch);
