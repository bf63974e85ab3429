// What the attentions on tensor cores share, after warp.h (Dao 2023, FlashAttention-2). A work-group owns TILE_ROWS
// rows of one sequence and one head, 16 a warp, and walks over the rows of the sequence that they meet, TILE_KEYS at a time,
// from its first row on: the bits of a row do not depend on the place of the sequence in the batch. The grid has one group for
// each tile and head, all heads of a tile together, in the order of `tiles`: those that meet most rows start first. What a row
// must not see has the weight 0, so that NaN and infinity among later rows reach all rows of a causal tile, but no other
// sequence. Factors lie in memory as bfloat16 and are copied to local memory past the registers. WIDTH >= K, a multiple of 16; columns
// K ..< WIDTH are 0.
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
#define CHUNKS (WIDTH / 8)
#define ROW_WORDS (WIDTH / 2)
#define MET_WORDS (TILE_KEYS * ROW_WORDS)
#define KEY_TILES (TILE_KEYS / 8)
#define WIDTH_TILES (WIDTH / 8)
#define TILE_KERNEL __kernel __attribute__((reqd_work_group_size(32, WARPS, 1)))
// Of this lane's two rows of results, i % 4 / 2 is the one that result i belongs to.
#define FOR_RESULTS(sums, tiles, u, i) UNROLL for (int u = 0; u < (tiles); u++) UNROLL for (int i = 0; i < 4; i++)

// --- rows of a head in local memory; rows from `rows` on and columns from K on are 0 ---
// Where rows begin at multiples of 16 bytes they pass no register, and are there after copies_wait and a barrier. A work-item has the
// same 16 bytes of every ITEMS / CHUNKS-th row.
INLINE void copy_rows(__local uint *tile, int tile_rows, __global const ushort *source, int ld, int rows, int K, int is_wide) {
  const int chunk = ITEM % CHUNKS, count = clamp(K - 8 * chunk, 0, 8);
  source += ITEM / CHUNKS * ld + 8 * chunk;
  _Pragma("nounroll") for (int row = ITEM / CHUNKS; row < tile_rows; row += ITEMS / CHUNKS, source += ITEMS / CHUNKS * ld) {
    const int to = tile_place(row, chunk, WIDTH), left = row < rows ? count : 0;
    if (is_wide) {
      copy_async(tile, to, source, 2 * left);
    } else {
      for (int i = 0; i < 4; i++)
        tile[to + i] = WORD(left > 2 * i ? source[2 * i] : 0, left > 2 * i + 1 ? source[2 * i + 1] : 0);
    }
  }
}
// Rows of float32 are rounded on their way, which goes to `stored` too. Four loads of a work-item are on their way at once.
INLINE void stage_rounded(__local uint *tile, __global ushort *stored, __global const float *source, int ld, int rows, int K,
                          int is_wide) {
  const int count = min(4, TILE_ROWS * QUADS / ITEMS);
  _Pragma("nounroll") for (int first = ITEM; first < TILE_ROWS * QUADS; first += count * ITEMS) {
    float4 x[4];
    UNROLL for (int p = 0; p < count; p++) {
      const int row = (first + p * ITEMS) / QUADS, column = (first + p * ITEMS) % QUADS * 4;
      x[p] = load_quad(source + row * ld + column, row < rows ? K - column : 0, is_wide);
    }
    UNROLL for (int p = 0; p < count; p++) {
      const int e = first + p * ITEMS, row = e / QUADS, column = e % QUADS * 4;
      const uint2 words = QUAD_HALVES(x[p]);
      *(__local uint2 *)(tile + tile_place(row, e % QUADS / 2, WIDTH) + e % 2 * 2) = words;
      store_halves(words, stored + row * ld + column, row < rows ? K - column : 0, is_wide);
    }
  }
}

// --- products of a warp's 16 rows ---
// x = this warp's rows of a, columns from 8 c on
#define LOAD_ROWS(x, a, c) \
  ldmatrix(x, a, tile_place(WARP * 16 + WARP_LANE / 8 % 2 * 8 + WARP_LANE % 8, (c) + WARP_LANE / 16, WIDTH), scratch);
// sums += x b^T, of columns from 8 c on, b of TILE_KEYS rows
#define ADD_COLUMNS(sums, x, b, c) \
  UNROLL for (int u = 0; u < KEY_TILES; u += 2) { \
    uint y[4]; \
    ldmatrix(y, b, tile_place(8 * (u + WARP_LANE / 16) + WARP_LANE % 8, (c) + WARP_LANE / 8 % 2, WIDTH), scratch); \
    mma_bf16(sums[u], x, y, scratch); \
    mma_bf16(sums[u + 1], x, y + 2, scratch); \
  }
// sums = (this warp's rows of a) b^T
INLINE void multiply_rows(float (*sums)[4], __local const uint *a, __local const uint *b, warp_scratch scratch) {
  FOR_RESULTS(sums, KEY_TILES, u, j) sums[u][j] = 0;
  UNROLL for (int c = 0; c < CHUNKS; c += 2) {
    uint x[4];
    LOAD_ROWS(x, a, c)
    ADD_COLUMNS(sums, x, b, c)
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
#define MET_ROWS(name, stages) __local uint name[(stages)*MET_WORDS] __attribute__((aligned(128)));
// Rows row0 ..< end of the sequence start ..< behind, of head h, of which q, k and v become; this lane has `row` and row + 8.
#define OPEN_TILE(first_row) \
  WARP_SCRATCH(WARPS) \
  const int group = get_group_id(0), h = group % H; \
  const int4 tile_at = tiles[group / H]; \
  const int start = tile_at.s0, behind = tile_at.s1, row0 = first_row(tile_at), row = row0 + WARP * 16 + WARP_LANE / 4; \
  q += q0 + h * K; \
  k += k0 + h * K; \
  v += v0 + h * K; \
  const int is_wide = IS_WIDE(q, ldq) && IS_WIDE(k, ldk) && IS_WIDE(v, ldv);
#define OWN_FIRST(at) (at).s2
// Where the rows are keys: the tile that as many queries of its sequence meet as keys the tile of the list
#define OWN_FIRST_KEY(at) ((at).s0 + (((at).s1 - (at).s0 - 1) / TILE_ROWS * TILE_ROWS - ((at).s2 - (at).s0)))
// The row of the walk that result i of column tile u belongs to
#define MET_ROW(u, i) (tile + 8 * (u) + WARP_LANE % 4 * 2 + (i) % 2)

// --- walks; `end` is where the rows that the group meets end ---
#define COPY_OWN(name, source, ld, is_wide) \
  copy_rows(name, TILE_ROWS, source + (size_t)row0 * ld, ld, behind - row0, K, is_wide);
#define COPY_MET(name, source, ld, from, end, is_wide) \
  copy_rows(name, TILE_KEYS, source + (size_t)(from)*ld, ld, (end) - (from), K, is_wide);
#define COPIES_ARE_THERE \
  copies_wait(0); \
  barrier(CLK_LOCAL_MEM_FENCE);
// Forward: the tiles of keys and values that come next are on their way during the products, and queries stay in registers.
#define OPEN_FORWARD \
  float sums[WIDTH_TILES][4], scores[KEY_TILES][4]; \
  uint own[CHUNKS / 2][4]; \
  int here = 0; \
  FOR_RESULTS(sums, WIDTH_TILES, u, i) sums[u][i] = 0; \
  COPY_OWN(queries, q, ldq, is_wide) \
  COPY_MET(keys, k, ldk, start, end, is_wide) \
  COPY_MET(values, v, ldv, start, end, is_wide) \
  copies_commit(); \
  COPIES_ARE_THERE \
  UNROLL for (int c = 0; c < CHUNKS / 2; c++) LOAD_ROWS(own[c], queries, 2 * c)
#define FORWARD_SCORES \
  const int after = tile + TILE_KEYS, there = MET_WORDS - here; \
  COPIES_ARE_THERE \
  if (after < end) { \
    COPY_MET(keys + there, k, ldk, after, end, is_wide) \
    COPY_MET(values + there, v, ldv, after, end, is_wide) \
  } \
  copies_commit(); \
  FOR_RESULTS(scores, KEY_TILES, u, i) scores[u][i] = 0; \
  UNROLL for (int c = 0; c < CHUNKS / 2; c++) ADD_COLUMNS(scores, own[c], keys + here, 2 * c)
#define FORWARD_VALUES \
  add_product(sums, scores, values + here, scratch); \
  here = there;
// Backward: scores = (own a) (met c)^T and products = (own b) (met d)^T, where c and d are the rows from `tile` on of two sources
#define OPEN_BACKWARD \
  go += h * K; \
  float scores[KEY_TILES][4], products[KEY_TILES][4];
#define BACKWARD_PRODUCTS(a, b, c, from_c, ldc, c_is_wide, d, from_d, ldd, d_is_wide, end) \
  COPY_MET(c, from_c, ldc, tile, end, c_is_wide) \
  COPY_MET(d, from_d, ldd, tile, end, d_is_wide) \
  copies_commit(); \
  COPIES_ARE_THERE \
  multiply_rows(scores, a, c, scratch); \
  multiply_rows(products, b, d, scratch);
// The gradients that a group owns, rounded, which the keys kernel reads as `stored` has them
#define STAGE_GRADIENTS(name) \
  stage_rounded(name, stored + (size_t)row0 * ldo + h * K, go + (size_t)row0 * ldo, ldo, behind - row0, K, IS_WIDE(go, ldo));
