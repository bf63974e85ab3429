// HSTU.cl on tensor cores, after Attention/tiles.h, with its meaning and, but for what is stored in bfloat16 and tiles instead of offsets,
// its arguments.
// Without a softmax tiles simply add; 1 / n goes to the sums. Biases are made inside the tile: a lane reads the positions of its
// diagonals, and keeps for each of its rows the bucket that the last cell fell into, which the next one mostly falls into again. The
// gradients of the biases are sums of dx, which the queries kernel has in float32: it lays each tile down where keys and values were,
// a work-item for each distance adds its diagonal, and one warp after the other walks along the rows with the buckets.
// No atomics. Local memory: (forward, keys) as in Attention.sm90.cl and 292 + 288 bytes of buckets, (queries) HISTOGRAMS REACHED 4 more.
#define BUCKETS 129
// Buckets that differences of int32 reach, each floor(ln(difference) / 0.301); one lane has a histogram of them.
#define REACHED 72
#define LN2_OVER_WIDTH 2.3028146f
#ifndef HISTOGRAMS
#define HISTOGRAMS 32
#endif

// --- buckets of time ---
#define LOCAL_BUCKETS \
  __local uint bucket_starts[REACHED + 1]; \
  __local float bucket_values[REACHED]; \
  if (time) { \
    for (int b = ITEM; b <= REACHED; b += ITEMS) bucket_starts[b] = starts[b]; \
    for (int b = ITEM; b < REACHED; b += ITEMS) bucket_values[b] = time[b]; \
  }
// Below the start of the first bucket that no difference reaches
INLINE uint time_gap(int later, int time) { return min(abs_diff(later, time), 0x7ffffffeu); }
// The guess is off by one at most.
INLINE int bucket_of(uint gap, __local const uint *bucket_starts) {
  const int guess = (int)(LN2_OVER_WIDTH * log2_fast((float)max(gap, 1u)));
  return guess + (gap >= bucket_starts[guess + 1]) - (gap < bucket_starts[guess]);
}
// The bucket that gaps from ..< from + width fall into; none where width = 0
typedef struct {
  uint from, width;
  int number;
} bucket;
INLINE void enter(bucket *at, int number, __local const uint *bucket_starts) {
  at->number = number;
  at->from = bucket_starts[number];
  at->width = bucket_starts[number + 1] - at->from;
}
INLINE float time_bias(bucket *at, uint gap, __local const uint *bucket_starts, __local const float *bucket_values) {
  if (gap - at->from >= at->width) enter(at, bucket_of(gap, bucket_starts), bucket_starts);
  return bucket_values[at->number];
}
// The time that row t is ahead of its keys by: that of the next row
#define LATER(t) times[min((t) + 1, behind - 1)]

// --- cells: SiLU(x) of row i and key j, x = scale score + biases ---
// The position biases of a lane's two cells of columns tile u; those of row + 8 are those that row has a column tile before.
INLINE void read_positions(float *near, __global const float *position, int n, int first, int step) {
  UNROLL for (int p = 0; p < 2; p++) near[p] = position[clamp(first + p * step, 0, n - 1)];
}
// In a loop of its own: a branch a cell would keep the cells' functions from running beside each other.
#define ADD_TIMES(later) \
  if (time) \
    FOR_RESULTS(scores, KEY_TILES, u, i) \
      scores[u][i] += time_bias(&seconds[i / 2], time_gap(later[i / 2], times[min(MET_ROW(u, i), behind - 1)]), bucket_starts, bucket_values);
// dP * SiLU'(x)
INLINE float cell_slope(float x, float dp) {
  const float s = sigmoid_fast(x);
  return dp * s * fma(x, 1 - s, 1.0f);
}

// o[T, H*K]
TILE_KERNEL void hstu_forward(__global float *o, __global const ushort *q, __global const ushort *k, __global const ushort *v,
                              __global const float *position, __global const float *time, __global const int *times,
                              __global const int *starts, __global const int4 *tiles, int T, int B, int H, int K, int n, int ldq,
                              int ldk, int ldv, int ldo, float scale, int q0, int k0, int v0) {
  OWN_ROWS(queries)
  MET_ROWS(keys, 2)
  MET_ROWS(values, 2)
  LOCAL_BUCKETS
  OPEN_TILE(OWN_FIRST)
  const int end = min(behind, row0 + TILE_ROWS);
  float near[2][2];
  bucket seconds[2] = {{0, 0, 0}, {0, 0, 0}};
  const int later[2] = {time ? LATER(row) : 0, time ? LATER(row + 8) : 0};
  OPEN_FORWARD
  for (int tile = start; tile < end; tile += TILE_KEYS) {
    FORWARD_SCORES
    read_positions(near[1], position, n, MET_ROW(-1, 0) - row + n - 1, 1);
    UNROLL for (int u = 0; u < KEY_TILES; u++) {
      read_positions(near[u % 2], position, n, MET_ROW(u, 0) - row + n - 1, 1);
      UNROLL for (int i = 0; i < 4; i++) scores[u][i] = fma(scale, scores[u][i], near[(u + i / 2) % 2][i % 2]);
    }
    ADD_TIMES(later)
    FOR_RESULTS(scores, KEY_TILES, u, i)
      scores[u][i] = MET_ROW(u, i) < min(row + 8 * (i / 2) + 1, end) ? scores[u][i] * sigmoid_fast(scores[u][i]) : 0;
    FORWARD_VALUES
  }
  const float shares[2] = {1.0f / n, 1.0f / n};
  write_rows(o + h * K, ldo, sums, K, shares, row, behind);
}

// --- the cells of a tile in local memory: results are written, and columns read, without two lanes at one bank ---
INLINE int cell_place(int row, int column) {
#if TILE_KEYS == 32
  return row * 32 + (column ^ ((row & 1) | (row >> 1 & 3) << 3 | (row >> 3 & 3) << 1));
#else
  return row * TILE_KEYS + (column ^ ((row >> 1 & 1) << 3 | (row >> 2 & 1) | (row >> 3 & 3) << 1));
#endif
}
// Sum of the cells whose row is `distance` after their column
INLINE float diagonal_sum(__local const float *cells, int distance) {
  float sum = 0;
  for (int c = max(0, -distance); c < min(TILE_KEYS, TILE_ROWS - distance); c++) sum += cells[cell_place(c + distance, c)];
  return sum;
}
// histogram[bucket][lane] += the first `count` cells of a row, by runs of cells in one bucket
INLINE void add_buckets(__local float *histogram, __local const float *cells, int row, int count, int later,
                        __global const int *times, __local const uint *bucket_starts) {
  bucket at = {0, 0, 0};
  float run = 0;
  for (int c = 0; c < count; c++) {
    const uint gap = time_gap(later, times[c]);
    if (gap - at.from >= at.width) {
      histogram[at.number * HISTOGRAMS + WARP_LANE] += run;
      run = 0;
      enter(&at, bucket_of(gap, bucket_starts), bucket_starts);
    }
    run += cells[cell_place(row, c)];
  }
  histogram[at.number * HISTOGRAMS + WARP_LANE] += run;
}
#define CELL_WORDS (TILE_ROWS * TILE_KEYS)

// dq; dposition[tiles * H, n] and, where time is given, dtime[tiles * H, 129]: what each tile and head adds to each bias.
// One of the positions' work-items has every ITEMS-th distance, of which a tile holds one: its sum stays in a register.
TILE_KERNEL void hstu_backward_queries(__global float *dq, __global float *dposition, __global float *dtime, __global ushort *stored,
                                       __global const float *go, __global const ushort *q, __global const ushort *k,
                                       __global const ushort *v, __global const float *position, __global const float *time,
                                       __global const int *times, __global const int *starts, __global const int4 *tiles,
                                       int T, int B, int H, int K, int n, int ldq, int ldk, int ldv, int ldo, float scale,
                                       int q0, int k0, int v0) {
  OWN_ROWS(queries)
  OWN_ROWS(gradients)
  __local uint met[2 * MET_WORDS > CELL_WORDS ? 2 * MET_WORDS : CELL_WORDS] __attribute__((aligned(128)));
  __local float histogram[REACHED * HISTOGRAMS];
  LOCAL_BUCKETS
  OPEN_TILE(OWN_FIRST)
  __local uint *keys = met, *values = met + MET_WORDS;
  __local float *cells = (__local float *)met;
  const int end = min(behind, row0 + TILE_ROWS), slot = tile_at.s3 * H + h;
  const float share = 1.0f / n;
  OPEN_BACKWARD
  float sums[WIDTH_TILES][4], near[2][2], diagonal = 0;
  bucket seconds[2] = {{0, 0, 0}, {0, 0, 0}};
  const int later[2] = {time ? LATER(row) : 0, time ? LATER(row + 8) : 0};
  FOR_RESULTS(sums, WIDTH_TILES, u, i) sums[u][i] = 0;
  for (int e = ITEM; e < REACHED * HISTOGRAMS; e += ITEMS) histogram[e] = 0;
  for (int d = row0 + TILE_ROWS - start + ITEM; d < n; d += ITEMS) dposition[(size_t)slot * n + n - 1 - d] = 0;
  COPY_OWN(queries, q, ldq, is_wide)
  STAGE_GRADIENTS(gradients)
  for (int tile = start; tile < end; tile += TILE_KEYS) {
    BACKWARD_PRODUCTS(queries, gradients, keys, k, ldk, is_wide, values, v, ldv, is_wide, end)
    read_positions(near[1], position, n, MET_ROW(-1, 0) - row + n - 1, 1);
    UNROLL for (int u = 0; u < KEY_TILES; u++) {
      read_positions(near[u % 2], position, n, MET_ROW(u, 0) - row + n - 1, 1);
      UNROLL for (int i = 0; i < 4; i++) scores[u][i] = fma(scale, scores[u][i], near[(u + i / 2) % 2][i % 2]);
    }
    ADD_TIMES(later)
    FOR_RESULTS(scores, KEY_TILES, u, i) {
      const int t = row + 8 * (i / 2);
      scores[u][i] = MET_ROW(u, i) <= t && t < end ? cell_slope(scores[u][i], products[u][i]) : 0;
    }
    add_product(sums, scores, keys, scratch);
    barrier(CLK_LOCAL_MEM_FENCE);
    FOR_RESULTS(scores, KEY_TILES, u, i)
      cells[cell_place(row - row0 + 8 * (i / 2), MET_ROW(u, i) - tile)] = scores[u][i];
    barrier(CLK_LOCAL_MEM_FENCE);
    const int offset = row0 - tile, d = (ITEM - offset + TILE_KEYS - 1 & ITEMS - 1) - (TILE_KEYS - 1), distance = offset + d;
    if (d < TILE_ROWS) {
      const int is_last = d >= TILE_ROWS - TILE_KEYS || tile + TILE_KEYS >= end;
      diagonal += diagonal_sum(cells, d);
      if (is_last && distance >= 0 && distance < n) dposition[(size_t)slot * n + n - 1 - distance] = share * diagonal;
      if (is_last) diagonal = 0;
    }
    if (time && WARP == (tile - start) / TILE_KEYS % WARPS && WARP_LANE < HISTOGRAMS)
      for (int t = row0 + WARP_LANE; t < end; t += HISTOGRAMS)
        add_buckets(histogram, cells, t - row0, min(TILE_KEYS, t + 1 - tile), LATER(t), times + tile, bucket_starts);
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  if (time)
    for (int b = ITEM; b < BUCKETS; b += ITEMS) {
      float sum = 0;
      if (b < REACHED)
        for (int c = 0; c < HISTOGRAMS; c++) sum += histogram[b * HISTOGRAMS + (c + b) % HISTOGRAMS];
      dtime[(size_t)slot * BUCKETS + b] = share * sum;
    }
  const float scales[2] = {share * scale, share * scale};
  write_rows(dq + q0 + h * K, ldq, sums, K, scales, row, behind);
}

// dv = sum over the queries i >= t of P go_i, dk = scale dx q_i. The group's rows are keys, and scores have a row for each of them.
TILE_KERNEL void hstu_backward_keys(__global float *dk, __global float *dv, __global const ushort *go, __global const ushort *q,
                                    __global const ushort *k, __global const ushort *v, __global const float *position,
                                    __global const float *time, __global const int *times, __global const int *starts,
                                    __global const int4 *tiles, int T, int B, int H, int K, int n, int ldq, int ldk, int ldv,
                                    int ldo, float scale, int q0, int k0, int v0) {
  OWN_ROWS(keys)
  OWN_ROWS(values)
  MET_ROWS(queries, 1)
  MET_ROWS(gradients, 1)
  LOCAL_BUCKETS
  OPEN_TILE(OWN_FIRST_KEY)
  OPEN_BACKWARD
  float sum_k[WIDTH_TILES][4], sum_v[WIDTH_TILES][4], near[2][2];
  const int key_time[2] = {time ? times[min(row, behind - 1)] : 0, time ? times[min(row + 8, behind - 1)] : 0};
  FOR_RESULTS(sum_k, WIDTH_TILES, u, i) sum_k[u][i] = sum_v[u][i] = 0;
  const int go_is_wide = IS_WIDE(go, ldo);
  COPY_OWN(keys, k, ldk, is_wide)
  COPY_OWN(values, v, ldv, is_wide)
  for (int tile = row0; tile < behind; tile += TILE_KEYS) {
    BACKWARD_PRODUCTS(keys, values, queries, q, ldq, is_wide, gradients, go, ldo, go_is_wide, behind)
    bucket seconds[2] = {{0, 0, 0}, {0, 0, 0}};
    read_positions(near[1], position, n, row - MET_ROW(-1, 0) + n - 1, -1);
    UNROLL for (int u = 0; u < KEY_TILES; u++) {
      read_positions(near[u % 2], position, n, row - MET_ROW(u, 0) + n - 1, -1);
      UNROLL for (int i = 0; i < 4; i++) scores[u][i] = fma(scale, scores[u][i], near[(u + i / 2) % 2][i % 2]);
    }
    if (time)
      FOR_RESULTS(scores, KEY_TILES, u, i)
        scores[u][i] += time_bias(&seconds[i / 2], time_gap(LATER(MET_ROW(u, i)), key_time[i / 2]), bucket_starts, bucket_values);
    FOR_RESULTS(scores, KEY_TILES, u, i) {
      const int t = MET_ROW(u, i), live = t < behind && row + 8 * (i / 2) <= t;
      const float x = scores[u][i], s = sigmoid_fast(x);
      scores[u][i] = live ? x * s : 0;
      products[u][i] = live ? products[u][i] * s * fma(x, 1 - s, 1.0f) : 0;
    }
    add_product(sum_v, scores, gradients, scratch);
    add_product(sum_k, products, queries, scratch);
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  const float shares[2] = {1.0f / n, 1.0f / n}, scales[2] = {scale / n, scale / n};
  write_rows(dk + k0 + h * K, ldk, sum_k, K, scales, row, behind);
  write_rows(dv + v0 + h * K, ldv, sum_v, K, shares, row, behind);
}
