// Products of bfloat16 factors on tensor cores (warp.h), with the arguments and the meaning of Matmul.cl. A work-group
// computes BLOCK_M x BLOCK_N results by WARPS_M x WARPS_N warps, BLOCK_K deep at a time; a warp its share as tiles of
// 16 x 8. Factors that lie in memory as float32 are rounded between the registers, where the next tile's loads are on
// their way during the products of this one, and local memory (2 tiles); factors in bfloat16 are copied to STAGES tiles
// without passing registers. Local memory is swizzled: 16 bytes at a time change places, so that the 8 rows of a matrix
// lie in different banks however it is read; BLOCK_K * (BLOCK_M + BLOCK_N) * 2 bytes a tile. Every result is one chain
// of steps of 16 in the order of k: its bits depend neither on the block nor on its place in it.
#ifndef BLOCK_M
#define BLOCK_M 128
#endif
#ifndef BLOCK_N
#define BLOCK_N 128
#endif
#ifndef WARPS_M
#define WARPS_M 2
#endif
#ifndef WARPS_N
#define WARPS_N 4
#endif
#define BLOCK_K 32
#define STAGES 3
#define WARPS (WARPS_M * WARPS_N)
#define ITEMS (32 * WARPS)
#define ITEM ((uint)(WARP * 32 + WARP_LANE))
#define WARP_ROWS (BLOCK_M / WARPS_M)
#define WARP_COLUMNS (BLOCK_N / WARPS_N)
#define ROW_TILES (WARP_ROWS / 16)
#define COLUMN_TILES (WARP_COLUMNS / 8)
#define A_WORDS (BLOCK_M * BLOCK_K / 2)
#define B_WORDS (BLOCK_N * BLOCK_K / 2)
#define TILE_WORDS (A_WORDS + B_WORDS)
#define A_QUADS (BLOCK_M * BLOCK_K / 4 / ITEMS)
#define B_QUADS (BLOCK_N * BLOCK_K / 4 / ITEMS)
#define BLOCK_KERNEL __kernel __attribute__((reqd_work_group_size(32, WARPS, 1)))
#define BLOCK_LOCAL(tiles) \
  __local uint memory[(tiles)*TILE_WORDS] __attribute__((aligned(128))); \
  WARP_SCRATCH(WARPS)
#undef SIGMOID
#define SIGMOID(x) (1.0f / (1.0f + quad_exp(-(x))))
ACTIVATION(float4, int4, quad_activation, quad_activation_slope)

// A factor lies by rows (k is contiguous: rows of BLOCK_K) or by columns (its rows or columns are contiguous: BLOCK_K
// rows of `width`).
// Rows of a tile have `quads` quads, of which `count` are this work-item's: quad QUAD of the rows QUAD_ROW(p). ITEMS /
// quads is a multiple of 8, so that these rows change places alike.
#define QUAD_ROW(p, quads) ((int)(ITEM / (quads)) + (p) * (ITEMS / (quads)))
#define QUAD(quads) ((int)(ITEM % (quads)))
INLINE __local uint *quad_place(__local uint *tile, int quads, int by_columns) {
  const int row = QUAD_ROW(0, quads), quad = QUAD(quads);
  return tile + (by_columns ? tile_place(row, quad / 2, quads * 4) : tile_place(row, quad / 2, BLOCK_K)) + quad % 2 * 2;
}
INLINE void put_quad(__local uint *place, int p, float4 x) {
  *(__local uint2 *)(place + p * ITEMS * 2) = QUAD_HALVES(x);
}
// Of a source whose rows are multiples of 16 bytes: what is outside of rows x columns is some element inside, here,
INLINE void fetch(float4 *x, __global const float *source, int stride, int rows, int columns, int quads, int count, uint mask) {
  const int column = min(QUAD(quads) * 4, columns - 4), first = QUAD_ROW(0, quads) * stride + column;
  const int last = (rows - 1) * stride + column;
  UNROLL for (int p = 0; p < count; p++)
    x[p] = *(__global const float4 *)(source + ((uint)min(first + p * (ITEMS / quads) * stride, last) & mask));
}
// and 0 there, where it is beyond the last k: rows and columns of results that are outside are never written.
INLINE void put(__local uint *tile, const float4 *x, int depth, int quads, int count, int by_columns) {
  __local uint *place = quad_place(tile, quads, by_columns);
  UNROLL for (int p = 0; p < count; p++)
    put_quad(place, p, (by_columns ? QUAD_ROW(p, quads) : QUAD(quads) * 4) < depth ? x[p] : (float4)(0.0f));
}
// Of any other source, without waiting in registers
INLINE void move(__local uint *tile, __global const float *source, int stride, int rows, int columns, int quads, int count,
                 int by_columns) {
  __local uint *place = quad_place(tile, quads, by_columns);
  _Pragma("nounroll") for (int p = 0; p < count; p++) {
    const int row = QUAD_ROW(p, quads), column = QUAD(quads) * 4;
    put_quad(place, p, load_quad(source + (uint)(row * stride + column), row < rows ? columns - column : 0, 0));
  }
}

// Where this lane's row of the first matrices of its warp's a and b begins; others follow by matrix_place.
INLINE int a_lane(int by_columns) {
  const int i = WARP_LANE % 8, low = WARP_LANE / 8 % 2, high = WARP_LANE / 16, m = WARP / WARPS_N * WARP_ROWS + 8 * low;
  return by_columns ? tile_place(8 * high + i, m / 8, BLOCK_M) : tile_place(m + i, high, BLOCK_K);
}
INLINE int b_lane(int by_columns) {
  const int i = WARP_LANE % 8, low = WARP_LANE / 8 % 2, high = WARP_LANE / 16, n = WARP % WARPS_N * WARP_COLUMNS + 8 * high;
  return A_WORDS + (by_columns ? tile_place(8 * low + i, n / 8, BLOCK_N) : tile_place(n + i, low, BLOCK_K));
}
// 16 t rows or columns and k further on: chunk numbers change in bits that the first has not set.
INLINE int matrix_place(int lane, int t, int k, int by_columns, int width) {
  return by_columns ? (lane ^ 8 * t) + k * (width / 2) : (lane ^ k / 2) + 8 * t * BLOCK_K;
}

// sums += the product of columns k ..< k + 16 of two tiles, this warp's share; a and b are a_lane and b_lane in them
INLINE void multiply_step(float (*sums)[COLUMN_TILES][4], __local const uint *memory, int a, int b, int k, int a_by_columns,
                          int b_by_columns, warp_scratch scratch) {
  uint x[4], y[COLUMN_TILES / 2][4];
  UNROLL for (int u = 0; u < COLUMN_TILES / 2; u++) {
    const int place = matrix_place(b, u, k, b_by_columns, BLOCK_N);
    if (b_by_columns)
      ldmatrix_transposed(y[u], memory, place, scratch);
    else
      ldmatrix(y[u], memory, place, scratch);
  }
  UNROLL for (int t = 0; t < ROW_TILES; t++) {
    const int place = matrix_place(a, t, k, a_by_columns, BLOCK_M);
    if (a_by_columns)
      ldmatrix_transposed(x, memory, place, scratch);
    else
      ldmatrix(x, memory, place, scratch);
    UNROLL for (int u = 0; u < COLUMN_TILES; u++) mma_bf16(sums[t][u], x, y[u / 2] + u % 2 * 2, scratch);
  }
}

#define CLEARED_SUMS(sums) \
  float sums[ROW_TILES][COLUMN_TILES][4]; \
  UNROLL for (int t = 0; t < ROW_TILES; t++) \
    UNROLL for (int u = 0; u < COLUMN_TILES; u++) \
      UNROLL for (int i = 0; i < 4; i++) sums[t][u][i] = 0;

// sums = a b over `depth` of k, of a_rows rows of a and b_columns columns of b, which lie lda and ldb apart. While one
// half of a tile is multiplied the next tile of a is on its way, while the other is, the next of b: half the registers.
INLINE void product(float (*sums)[COLUMN_TILES][4], __global const float *a, int lda, int a_rows, int a_by_columns,
                    __global const float *b, int ldb, int b_columns, int b_by_columns, int depth, __local uint *memory,
                    warp_scratch scratch) {
  const int a_wide = IS_WIDE(a, lda), b_wide = IS_WIDE(b, ldb), a_at = a_lane(a_by_columns), b_at = b_lane(b_by_columns);
// The tile from k on: source, rows and columns of it, quads of a row
#define A_TILE(k) a + (a_by_columns ? (size_t)(k)*lda : (k)), lda, A_SHAPE(k)
#define B_TILE(k) b + (b_by_columns ? (size_t)(k)*ldb : (k)), ldb, B_SHAPE(k)
#define A_SHAPE(k) a_by_columns ? depth - (k) : a_rows, a_by_columns ? a_rows : depth - (k), A_ROW
#define B_SHAPE(k) b_by_columns ? depth - (k) : b_columns, b_by_columns ? b_columns : depth - (k), B_ROW
#define A_ROW (a_by_columns ? BLOCK_M : BLOCK_K) / 4
#define B_ROW (b_by_columns ? BLOCK_N : BLOCK_K) / 4
  if (!a_wide || !b_wide) {
    for (int k = 0; k < depth; k += BLOCK_K) {
      move(memory, A_TILE(k), A_QUADS, a_by_columns);
      move(memory + A_WORDS, B_TILE(k), B_QUADS, b_by_columns);
      barrier(CLK_LOCAL_MEM_FENCE);
      _Pragma("nounroll") for (int step = 0; step < BLOCK_K; step += 16)
        multiply_step(sums, memory, a_at, b_at, step, a_by_columns, b_by_columns, scratch);
      barrier(CLK_LOCAL_MEM_FENCE);
    }
    return;
  }
  if (depth <= 0) return;
  float4 a_quads[A_QUADS], b_quads[B_QUADS];
  int here = 0;
  fetch(a_quads, A_TILE(0), A_QUADS, ~0u);
  put(memory, a_quads, depth, A_ROW, A_QUADS, a_by_columns);
  fetch(b_quads, B_TILE(0), B_QUADS, ~0u);
  put(memory + A_WORDS, b_quads, depth, B_ROW, B_QUADS, b_by_columns);
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int k = 0; k < depth; k += BLOCK_K) {
    const int next = k + BLOCK_K;
    const uint mask = next < depth ? ~0u : 0u;
    fetch(a_quads, A_TILE(next & mask), A_QUADS, mask);
    multiply_step(sums, memory, a_at + here, b_at + here, 0, a_by_columns, b_by_columns, scratch);
    here ^= TILE_WORDS;
    put(memory + here, a_quads, depth - next, A_ROW, A_QUADS, a_by_columns);
    fetch(b_quads, B_TILE(next & mask), B_QUADS, mask);
    multiply_step(sums, memory, a_at + (here ^ TILE_WORDS), b_at + (here ^ TILE_WORDS), 16, a_by_columns, b_by_columns, scratch);
    put(memory + A_WORDS + here, b_quads, depth - next, B_ROW, B_QUADS, b_by_columns);
    barrier(CLK_LOCAL_MEM_FENCE);
  }
}

// 16 rows of a warp's results at a time by way of local memory, so that neighbours write neighbours: `write` takes
// `value`, of which the first `count` elements belong to row m of the result, from column n on. 8 more floats a row
// keep both ways free of bank conflicts.
#define PITCH (WARP_COLUMNS + 8)
#define FOR_QUADS(sums, m0, n0, m_end, N, write) \
  __local float *staged = (__local float *)memory + WARP * 16 * PITCH; \
  UNROLL for (int t = 0; t < ROW_TILES; t++) { \
    UNROLL for (int u = 0; u < COLUMN_TILES; u++) { \
      __local float *pair = staged + WARP_LANE / 4 * PITCH + 8 * u + WARP_LANE % 4 * 2; \
      *(__local float2 *)pair = (float2)(sums[t][u][0], sums[t][u][1]); \
      *(__local float2 *)(pair + 8 * PITCH) = (float2)(sums[t][u][2], sums[t][u][3]); \
    } \
    barrier(CLK_LOCAL_MEM_FENCE); \
    _Pragma("nounroll") for (int e = WARP_LANE; e < 4 * WARP_COLUMNS; e += 32) { \
      const int row = e / (WARP_COLUMNS / 4), quad = e % (WARP_COLUMNS / 4); \
      const int m = (m0) + WARP / WARPS_N * WARP_ROWS + 16 * t + row; \
      const int n = (n0) + WARP % WARPS_N * WARP_COLUMNS + 4 * quad, count = m < (m_end) ? (N)-n : 0; \
      const float4 value = *(__local float4 *)(staged + row * PITCH + 4 * quad); \
      if (count > 0) write; \
    } \
    barrier(CLK_LOCAL_MEM_FENCE); \
  }

INLINE float4 quad_dropout(float4 x, uint i, ulong seed, float rate) {
  return (float4)(dropout1(x.s0, i, seed, rate), dropout1(x.s1, i + 1, seed, rate), dropout1(x.s2, i + 2, seed, rate),
                  dropout1(x.s3, i + 3, seed, rate));
}
// y = drop(act(value + b)) + r at row m, columns from n on; pre = the value before act; act < 0 as in matmul_finish of
// Matmul.cl
INLINE void write_quad(float4 value, __global float *y, __global float *pre, __global const float *b, __global const float *r,
                       size_t at, int n, int count, int act, ulong seed, float rate, int is_wide) {
  if (b) value += load_quad(b + n, count, is_wide);
  if (act >= 0) {
    if (pre) store_quad(value, pre + at, count, is_wide);
    value = quad_activation(value, act);
  }
  if (rate > 0) value = quad_dropout(value, (uint)at, seed, rate);
  if (act < 0) value *= quad_activation_slope(load_quad(pre + at, count, is_wide), -1 - act);
  if (r) value += load_quad(r + at, count, is_wide);
  store_quad(value, y + at, count, is_wide);
}
INLINE void write_factor(float4 value, __global ushort *y, __global float *pre, __global const float *b, size_t at, int n, int count,
                         int act, int is_wide) {
  if (b) value += load_quad(b + n, count, is_wide);
  if (pre) store_quad(value, pre + at, count, is_wide);
  value = quad_activation(value, act);
  store_halves(QUAD_HALVES(value), y + at, count, is_wide);
}
INLINE void finish(__global float *y, __global float *pre, __global const float *b, __global const float *r, int m0,
                   int m_end, int n0, int N, int act, ulong seed, float rate, float (*sums)[COLUMN_TILES][4],
                   __local uint *memory) {
  const int is_wide = IS_WIDE(y, N) && IS_WIDE(pre, N) && IS_WIDE(b, 0) && IS_WIDE(r, N);
  FOR_QUADS(sums, m0, n0, m_end, N,
            write_quad(value, y, pre, b, r, (size_t)m * N + n, n, count, act, seed, rate, is_wide))
}

#define GROUP_ROWS(first, end, M, z) \
  const int first = groups ? groups[z] : 0; \
  const int end = groups ? groups[(z) + 1] : (M);

// y[M,N] = drop(act(x[M,K] w + b)) + r; w is [K,N], read from row w_row on
BLOCK_KERNEL void matmul(__global float *y, __global float *pre, __global const float *x, __global const float *w,
                         __global const float *b, __global const float *r, __global const int *groups, int M, int N,
                         int K, int w_row, int act, ulong seed, float rate) {
  BLOCK_LOCAL(2)
  GROUP_ROWS(first, end, M, get_group_id(2))
  const int m0 = first + (int)get_group_id(1) * BLOCK_M, n0 = get_group_id(0) * BLOCK_N;
  if (m0 >= end) return;
  w += (size_t)w_row * N + get_group_id(2) * (size_t)K * N + n0;
  CLEARED_SUMS(sums)
  product(sums, x + (size_t)m0 * K, K, end - m0, 0, w, N, N - n0, 1, K, memory, scratch);
  finish(y, pre, b, r, m0, end, n0, N, act, seed, rate, sums, memory);
}

// y[M,N] = act(x[M,K] w[K,N] + b) in bfloat16, for a result that products alone read; pre in float32
BLOCK_KERNEL void matmul_factor(__global ushort *y, __global float *pre, __global const float *x, __global const float *w,
                                __global const float *b, int M, int N, int K, int act) {
  BLOCK_LOCAL(2)
  const int m0 = (int)get_group_id(1) * BLOCK_M, n0 = get_group_id(0) * BLOCK_N;
  const int is_wide = IS_WIDE(pre, N) && IS_WIDE(b, 0) && N % 4 == 0;
  CLEARED_SUMS(sums)
  product(sums, x + (size_t)m0 * K, K, M - m0, 0, w + n0, N, N - n0, 1, K, memory, scratch);
  FOR_QUADS(sums, m0, n0, M, N, write_factor(value, y, pre, b, (size_t)m * N + n, n, count, act, is_wide))
}

// matmul with w [N,K]
BLOCK_KERNEL void matmul_transposed(__global float *y, __global float *pre, __global const float *x,
                                    __global const float *w, __global const float *b, __global const float *r,
                                    __global const int *groups, int M, int N, int K, int w_row, int act, ulong seed,
                                    float rate) {
  BLOCK_LOCAL(2)
  GROUP_ROWS(first, end, M, get_group_id(2))
  const int m0 = first + (int)get_group_id(1) * BLOCK_M, n0 = get_group_id(0) * BLOCK_N;
  if (m0 >= end) return;
  w += (size_t)w_row * K + get_group_id(2) * (size_t)K * N + (size_t)n0 * K;
  CLEARED_SUMS(sums)
  product(sums, x + (size_t)m0 * K, K, end - m0, 0, w, K, N - n0, 0, K, memory, scratch);
  finish(y, pre, b, r, m0, end, n0, N, act, seed, rate, sums, memory);
}

// dw[s,g,K,N] = sum over the rows t of chunk s of group g of x[t,K]^T dy[t,N]; += when accumulate. Written from row
// dw_row on. db[s,N] the same of the columns of dy, not rounded.
BLOCK_KERNEL void matmul_tn(__global float *dw, __global float *db, __global const float *x, __global const float *dy,
                            __global const int *groups, int T, int K, int N, int G, int dw_row, int chunk,
                            int accumulate) {
  BLOCK_LOCAL(2)
  GROUP_ROWS(start, end, T, get_group_id(2) % G)
  const int first = start + (int)(get_group_id(2) / G) * chunk, rows = clamp(end - first, 0, chunk);
  const int k0 = get_group_id(1) * BLOCK_M, n0 = get_group_id(0) * BLOCK_N;
  dw += (size_t)dw_row * N + get_group_id(2) * (size_t)K * N;
  CLEARED_SUMS(sums)
  product(sums, x + (size_t)first * K + k0, K, K - k0, 1, dy + (size_t)first * N + n0, N, N - n0, 1, rows, memory, scratch);
  finish(dw, 0, 0, accumulate ? dw : 0, k0, K, n0, N, 0, 0, 0, sums, memory);
  if (db && k0 == 0)
    group_column_sums(db + get_group_id(2) * (size_t)N + n0, dy + (size_t)first * N + n0, N, N - n0, rows, BLOCK_N, ITEM, ITEMS, accumulate,
                      (__local float *)memory);
}

// Rows of bfloat16 into a tile by rows, 0 outside of rows x columns
INLINE void copy_rows(__local uint *memory, int tile, __global const ushort *source, int stride, int rows, int columns, int count,
                      int is_wide) {
  UNROLL for (int p = 0; p < count; p++) {
    const int e = p * ITEMS + ITEM, row = e / (BLOCK_K / 8), chunk = e % (BLOCK_K / 8);
    const int left = clamp(row < rows ? columns - 8 * chunk : 0, 0, 8);
    __global const ushort *from = source + (size_t)row * stride + 8 * chunk;
    const int to = tile + tile_place(row, chunk, BLOCK_K);
    if (is_wide) {
      copy_async(memory, to, left > 0 ? from : source, 2 * left);
    } else {
      for (int i = 0; i < 4; i++)
        memory[to + i] = WORD(left > 2 * i ? from[2 * i] : 0, left > 2 * i + 1 ? from[2 * i + 1] : 0);
    }
  }
}

// y[M,N] = x[M,K] w[N,K]^T, all stored in bfloat16
BLOCK_KERNEL void matmul_stored(__global ushort *y, __global const ushort *x, __global const ushort *w, int M, int N,
                                int K) {
  BLOCK_LOCAL(STAGES)
  const int m0 = get_group_id(1) * BLOCK_M, n0 = get_group_id(0) * BLOCK_N;
  x += (size_t)m0 * K;
  w += (size_t)n0 * K;
  const int x_wide = IS_WIDE(x, K), w_wide = IS_WIDE(w, K), tiles = (K + BLOCK_K - 1) / BLOCK_K;
  const int a_at = a_lane(0), b_at = b_lane(0);
  CLEARED_SUMS(sums)
#define COPY(tile) \
  if ((tile) < tiles) { \
    const int to = (tile) % STAGES * TILE_WORDS, k = (tile)*BLOCK_K; \
    copy_rows(memory, to, x + k, K, M - m0, K - k, A_QUADS / 2, x_wide); \
    copy_rows(memory, to + A_WORDS, w + k, K, N - n0, K - k, B_QUADS / 2, w_wide); \
  } \
  copies_commit();
  _Pragma("nounroll") for (int tile = 0; tile < STAGES - 1; tile++) {
    COPY(tile)
  }
  for (int tile = 0; tile < tiles; tile++) {
    copies_wait(STAGES - 2);
    barrier(CLK_LOCAL_MEM_FENCE);
    COPY(tile + STAGES - 1)
    const int here = tile % STAGES * TILE_WORDS;
    UNROLL for (int k = 0; k < BLOCK_K; k += 16) multiply_step(sums, memory, a_at + here, b_at + here, k, 0, 0, scratch);
  }
  copies_wait(0);
  barrier(CLK_LOCAL_MEM_FENCE);
  FOR_QUADS(sums, m0, n0, M, N, store_halves(QUAD_HALVES(value), y + (size_t)m * N + n, count, N % 4 == 0))
}
