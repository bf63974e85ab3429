// The product of bfloat16 factors with wgmma (warpgroup.h). A work-group computes BLOCK_M x BLOCK_N results, a warpgroup 64 rows
// of them, BLOCK_K deep at a time; factors are copied to STAGES tiles of local memory without passing registers, (BLOCK_M +
// BLOCK_N) * 128 bytes each: 192 KiB for 128 x 256, 96 for 64 x 128. K is a multiple of 8: rows begin at multiples of 16 bytes.
// Every result is one chain of steps of 16 in the order of k: its bits depend neither on the block nor on its place in it.
#ifndef BLOCK_M
#define BLOCK_M 128
#endif
#ifndef BLOCK_N
#define BLOCK_N 256
#endif
// A warp has 16 rows, whole.
#ifndef WARPS_M
#define WARPS_M 8
#endif
#ifndef WARPS_N
#define WARPS_N 1
#endif
#define BLOCK_K 64
#define STAGES 4
#define WARPS (WARPS_M * WARPS_N)
#define ITEMS (32 * WARPS)
#define ITEM ((uint)(WARP * 32 + WARP_LANE))
#define A_WORDS (BLOCK_M * BLOCK_K / 2)
#define B_WORDS (BLOCK_N * BLOCK_K / 2)
#define TILE_WORDS (A_WORDS + B_WORDS)
// Rows that all work-items copy at once, 8 of them each
#define ROWS_AT_ONCE (ITEMS / 8)
#define A_COPIES (BLOCK_M / ROWS_AT_ONCE)
#define B_COPIES (BLOCK_N / ROWS_AT_ONCE)
// Groups that run together share the columns of a strip of so many blocks, and rows.
#define STRIP 8
#if BLOCK_N == 256
#define MULTIPLY wgmma_256
#else
#define MULTIPLY wgmma_128
#endif

// 64 columns from k on; 0 beyond K
INLINE void copy_tile(__local uint *memory, int tile, __global const ushort *source, const uint *places, int k, int K, int count) {
  const int column = k + (int)(ITEM % 8) * 8, is_inside = column < K;
  const int to = tile + tile_place(ITEM / 8, ITEM % 8, BLOCK_K);
  source += is_inside ? column : 0;
  UNROLL for (int p = 0; p < count; p++)
    copy_async(memory, to + p * ROWS_AT_ONCE * (BLOCK_K / 2), source + places[p], is_inside ? 16 : 0);
}

// 16 rows of a warp by way of local memory, so that neighbours write neighbours, 16 bytes each where rows of y allow it; 4 more
// words a row keep both ways free of bank conflicts.
#define PITCH (BLOCK_N / 2 + 4)
INLINE void write_rows(__global ushort *y, int m0, int M, int n0, int N, const float *sums, __local uint *staged) {
  UNROLL for (int i = 0; i < BLOCK_N / 2; i += 2)
    staged[(WARP_LANE / 4 + i / 2 % 2 * 8) * PITCH + i / 4 * 4 + WARP_LANE % 4] = pack_bf16(sums[i], sums[i + 1]);
  barrier(CLK_LOCAL_MEM_FENCE);
  _Pragma("nounroll") for (int e = WARP_LANE; e < 16 * (BLOCK_N / 8); e += 32) {
    const int row = e / (BLOCK_N / 8), chunk = e % (BLOCK_N / 8), m = m0 + WARP * 16 + row, n = n0 + 8 * chunk;
    __local const uint *from = staged + row * PITCH + 4 * chunk;
    __global ushort *to = y + (size_t)m * N + n;
    if (m >= M || n >= N) continue;
    if (N % 8 == 0) {
      *(__global uint4 *)to = *(__local const uint4 *)from;
    } else {
      for (int i = 0; i < min(8, N - n); i++) to[i] = from[i / 2] >> i % 2 * 16;
    }
  }
}

// Where the results of a block begin: blocks go along strips, a row of STRIP blocks after the other.
INLINE int2 block_place(int block, int rows, int columns) {
  const int first = block / (rows * STRIP) * STRIP, width = min(columns - first, STRIP), place = block - first * rows;
  return (int2)(place / width * BLOCK_M, (first + place % width) * BLOCK_N);
}
// Where row ITEM / 8 + p * ROWS_AT_ONCE of a tile begins. Those beyond the last are copies of it: what comes of them is never written.
#define ROW_PLACE(p, rows) ((uint)min((int)(ITEM / 8) + (p)*ROWS_AT_ONCE, (rows)-1) * (uint)K)

// y[M,N] = x[M,K] w[N,K]^T, all stored in bfloat16. Any number of groups divides the blocks: the first tiles of a group's next one are copied
// while the results of the last are written.
__kernel __attribute__((reqd_work_group_size(32, WARPS, 1))) void matmul_stored(__global ushort *y, __global const ushort *x,
                                                                               __global const ushort *w, int M, int N, int K) {
  __local uint memory[STAGES * TILE_WORDS] __attribute__((aligned(1024)));
  WGMMA_QUEUE(memory)
  const int rows = (M + BLOCK_M - 1) / BLOCK_M, columns = (N + BLOCK_N - 1) / BLOCK_N, blocks = rows * columns;
  const int groups = get_num_groups(0), tiles = (K + BLOCK_K - 1) / BLOCK_K;
  // What is copied next: columns of factors from k on, of rows that begin at these places
  int copied = K > 0 ? (int)get_group_id(0) : blocks, k = 0;
  __global const ushort *a_source = x, *b_source = w;
  uint a_rows[A_COPIES], b_rows[B_COPIES];
#define BEGIN_COPIES \
  if (copied < blocks) { \
    const int2 from = block_place(copied, rows, columns); \
    a_source = x + (size_t)from.s0 * K; \
    b_source = w + (size_t)from.s1 * K; \
    UNROLL for (int p = 0; p < A_COPIES; p++) a_rows[p] = ROW_PLACE(p, M - from.s0); \
    UNROLL for (int p = 0; p < B_COPIES; p++) b_rows[p] = ROW_PLACE(p, N - from.s1); \
  }
#define COPY(step) \
  if (copied < blocks) { \
    const int to = (step) % STAGES * TILE_WORDS; \
    copy_tile(memory, to, a_source, a_rows, k, K, A_COPIES); \
    copy_tile(memory, to + A_WORDS, b_source, b_rows, k, K, B_COPIES); \
    k += BLOCK_K; \
    if (k >= K) { \
      copied += groups; \
      k = 0; \
      BEGIN_COPIES \
    } \
  } \
  copies_commit();
  BEGIN_COPIES
  uint step = 0;
  COPY(step)
  COPY(step + 1)
  for (int block = get_group_id(0); block < blocks; block += groups) {
    float sums[BLOCK_N / 2];
    UNROLL for (int i = 0; i < BLOCK_N / 2; i++) sums[i] = 0;
    for (int tile = 0; tile < tiles; tile++, step++) {
      copies_wait(1);
      tiles_written();
      barrier(CLK_LOCAL_MEM_FENCE);
      const int here = step % STAGES * TILE_WORDS;
      const ulong a = tile_descriptor(memory, here + WARP / 4 * 64 * (BLOCK_K / 2)), b = tile_descriptor(memory, here + A_WORDS);
      wgmma_begin(queue);
      UNROLL for (int i = 0; i < BLOCK_K; i += 16) MULTIPLY(sums, a + i / 8, b + i / 8, queue);
      wgmma_commit(queue);
      // Into the tile that was read two steps ago: before the barrier every warpgroup had waited for all products but the last step's.
      COPY(step + 2)
      wgmma_wait(sums, queue, 1);
    }
    wgmma_wait(sums, queue, 0);
    barrier(CLK_LOCAL_MEM_FENCE);
    // By way of the two tiles that were read last: the others are being copied.
    const int2 at = block_place(block, rows, columns);
    write_rows(y, at.s0, M, at.s1, N, sums, memory + (step + 2 + WARP / 4) % STAGES * TILE_WORDS + WARP % 4 * 16 * PITCH);
  }
}
