// What the kernels over the whole catalogue on tensor cores share, after Attention/tiles.h: the product of states x[T,D] and items
// table[V,D], both stored in bfloat16, is never in memory. A work-group of 8 warps owns OWN_COUNT rows of one of them, 16 a warp,
// whose factors stay in registers, and walks over `chunk` rows of the other, TILE_KEYS at a time, copied past the registers to STAGES
// tiles of local memory, TILE_KEYS WIDTH 2 bytes each. Work-group (i, s): rows from i * OWN_COUNT on, chunk s. WIDTH >= D; columns
// D ..< WIDTH are 0.
#define STAGES 3
#define STEPS (WIDTH / 16)
#define TILE_WORDS (TILE_KEYS * WIDTH / 2)
#define TILE(n) ((n) % STAGES * TILE_WORDS)
#define OWN_COUNT (16 * WARPS)
#define OWN_ROW ((int)get_group_id(0) * OWN_COUNT + WARP * 16 + WARP_LANE / 4)
// The column of results that result i of tile u lies in
#define LANE_COLUMN(u, i) (8 * (u) + WARP_LANE % 4 * 2 + (i) % 2)

// This warp's rows as left factors: pairs of columns 2q and 2q + 8 of each 16, of rows g and g + 8
INLINE void load_own(uint (*own)[4], __global const ushort *x, int rows, int D) {
  UNROLL for (int c = 0; c < STEPS; c++)
    UNROLL for (int i = 0; i < 4; i++) {
      const int row = OWN_ROW + 8 * (i % 2), column = 16 * c + WARP_LANE % 4 * 2 + 8 * (i / 2);
      __global const ushort *from = x + (size_t)min(row, rows - 1) * D + column;
      own[c][i] = WORD(column < D ? from[0] : 0, column + 1 < D ? from[1] : 0);
    }
}
// Rows first ..< first + TILE_KEYS into a tile, 0 from `end` and D on
INLINE void copy_tile(__local uint *memory, int tile, __global const ushort *x, int first, int end, int D, int is_wide) {
  UNROLL for (int p = 0; p < TILE_KEYS * WIDTH / 8 / ITEMS; p++) {
    const int e = p * ITEMS + ITEM, row = e / (WIDTH / 8), chunk = e % (WIDTH / 8);
    const int left = clamp(first + row < end ? D - 8 * chunk : 0, 0, 8), to = tile + tile_place(row, chunk, WIDTH);
    __global const ushort *from = x + (size_t)first * D + (left > 0 ? row * D + 8 * chunk : 0);
    if (is_wide) {
      copy_async(memory, to, from, 2 * left);
    } else {
      for (int i = 0; i < 4; i++)
        memory[to + i] = WORD(left > 2 * i ? from[2 * i] : 0, left > 2 * i + 1 ? from[2 * i + 1] : 0);
    }
  }
}
// scores = this warp's rows times those of a tile
INLINE void multiply_tile(float (*scores)[4], uint (*own)[4], __local const uint *memory, int tile, warp_scratch scratch) {
  const int i = WARP_LANE % 8, low = WARP_LANE / 8 % 2, high = WARP_LANE / 16;
  FOR_RESULTS(scores, KEY_TILES, u, j) scores[u][j] = 0;
  UNROLL for (int c = 0; c < STEPS; c++)
    UNROLL for (int u = 0; u < KEY_TILES; u += 2) {
      uint y[4];
      ldmatrix(y, memory, tile + tile_place(8 * (u + high) + i, 2 * c + low, WIDTH), scratch);
      mma_bf16(scores[u], own[c], y, scratch);
      mma_bf16(scores[u + 1], own[c], y + 2, scratch);
    }
}
// Waits for tile n, sends for the one that is STAGES - 1 behind it, and multiplies.
INLINE int meet_tile(float (*scores)[4], uint (*own)[4], __local uint *memory, __global const ushort *x, int n, int tiles, int start,
                     int end, int D, int is_wide, warp_scratch scratch) {
  const int next = n + STAGES - 1;
  copies_wait(STAGES - 2);
  barrier(CLK_LOCAL_MEM_FENCE);
  if (next < tiles) copy_tile(memory, TILE(next), x, start + next * TILE_KEYS, end, D, is_wide);
  copies_commit();
  multiply_tile(scores, own, memory, TILE(n), scratch);
  return 1;
}
// A loop over the tiles of a chunk of x, which has `count` rows: n is the tile, `first` its first row, `end` the chunk's end, and `scores` what
// this warp's rows make of it; those of rows from `end` on are 0.
#define FOR_TILES(x, count) \
  __local uint memory[STAGES * TILE_WORDS] __attribute__((aligned(128))); \
  WARP_SCRATCH(WARPS) \
  const int start = get_group_id(1) * chunk, end = min(count, start + chunk), is_wide = IS_WIDE(x, D); \
  const int tiles = (end - start + TILE_KEYS - 1) / TILE_KEYS; \
  float scores[KEY_TILES][4]; \
  _Pragma("nounroll") for (int n = 0; n < STAGES - 1; n++) { \
    if (n < tiles) copy_tile(memory, TILE(n), x, start + n * TILE_KEYS, end, D, is_wide); \
    copies_commit(); \
  } \
  for (int n = 0, first = start; \
       n < tiles && meet_tile(scores, own, memory, x, n, tiles, start, end, D, is_wide, scratch); n++, first += TILE_KEYS)
