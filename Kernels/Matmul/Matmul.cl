// Matrix products with the epilogue drop(act(. + bias)) + residual, and the sums over rows that gradients need. A work-group
// computes one tile of TILE_M x TILE_N results. With LANES > 1 (GPU) it has (TILE_N / ITEM_N, TILE_M / ITEM_M)
// work-items, each of which computes ITEM_M x ITEM_N results from tiles in local memory, TILE_K * (TILE_M + TILE_N + 2)
// floats. With LANES == 1 (CPU) its single work-item keeps a micro-tile of vectors in registers (reference: gpu.md 11):
// no local memory. Every result is one chain of fused multiply-adds in the order of k, wherever its row lies in the
// batch. Groups (null: one group, all M rows): group z owns the rows groups[z] ..< groups[z+1] of x and y and the z-th
// matrix w.
#ifndef TILE_M
#define TILE_M 64
#endif
#ifndef TILE_N
#define TILE_N 64
#endif
#ifndef TILE_K
#define TILE_K 16
#endif
#ifndef ITEM_M
#define ITEM_M 4
#endif
#ifndef ITEM_N
#define ITEM_N 4
#endif

// With BFLOAT16 the factors are rounded to bfloat16 as they are read; every sum stays float32.
#ifdef BFLOAT16
#define FACTOR(x) round_bf16(x)
#define VEC_FACTOR(x) vec_round_bf16(x)
#else
#define FACTOR(x) (x)
#define VEC_FACTOR(x) (x)
#endif

// y = drop(act(value + b)) + r, pre = the value before act; where act < 0, the way back through both: y = drop(value) act'(pre) + r, of
// the activation -1 - act
void matmul_finish(float value, __global float *y, __global float *pre, __global const float *b, __global const float *r,
                   size_t at, int n, int act, ulong seed, float rate) {
  if (b) value += b[n];
  if (act >= 0) {
    if (pre) pre[at] = value;
    value = activation(value, act);
  }
  if (rate > 0) value = dropout1(value, (uint)at, seed, rate);
  if (act < 0) value *= activation_slope(pre[at], -1 - act);
  y[at] = r ? value + r[at] : value;
}

#if LANES > 1
#define ITEMS_X (TILE_N / ITEM_N)
#define ITEMS_Y (TILE_M / ITEM_M)
#define TILE_KERNEL __kernel __attribute__((reqd_work_group_size(ITEMS_X, ITEMS_Y, 1)))
#define TILE_SCRATCH __local float tile_a[TILE_K * (TILE_M + 1)], tile_b[TILE_K * (TILE_N + 1)];

// tile[k][i] = source[i * row_step + k * k_step], 0 outside. Neighbouring work-items read neighbouring addresses.
void load_tile(__local float *tile, int width, __global const float *source, size_t row_step, size_t k_step, int rows,
               int depth) {
  const int item = get_local_id(1) * ITEMS_X + get_local_id(0);
  for (int e = item; e < width * TILE_K; e += ITEMS_X * ITEMS_Y) {
    const int i = k_step == 1 ? e / TILE_K : e % width, k = k_step == 1 ? e % TILE_K : e / width;
    tile[k * (width + 1) + i] = i < rows && k < depth ? FACTOR(source[i * row_step + k * k_step]) : 0.0f;
  }
}

// sums[i][j] = sum over k of a(i, k) b(k, j), i = local y + ITEMS_Y i', j likewise
#define TILE_PRODUCT(sums, a, a_row, a_k, a_rows, b, b_column, b_k, b_columns, depth) \
  float sums[ITEM_M][ITEM_N]; \
  _Pragma("unroll") for (int i = 0; i < ITEM_M; i++) \
    _Pragma("unroll") for (int j = 0; j < ITEM_N; j++) sums[i][j] = 0; \
  for (int tile_k = 0; tile_k < (depth); tile_k += TILE_K) { \
    load_tile(tile_a, TILE_M, (a) + (size_t)tile_k * (a_k), a_row, a_k, a_rows, (depth)-tile_k); \
    load_tile(tile_b, TILE_N, (b) + (size_t)tile_k * (b_k), b_column, b_k, b_columns, (depth)-tile_k); \
    barrier(CLK_LOCAL_MEM_FENCE); \
    for (int k = 0; k < TILE_K; k++) { \
      float x_item[ITEM_M]; \
      _Pragma("unroll") for (int i = 0; i < ITEM_M; i++) x_item[i] = tile_a[k * (TILE_M + 1) + get_local_id(1) + i * ITEMS_Y]; \
      _Pragma("unroll") for (int j = 0; j < ITEM_N; j++) { \
        const float w_item = tile_b[k * (TILE_N + 1) + get_local_id(0) + j * ITEMS_X]; \
        _Pragma("unroll") for (int i = 0; i < ITEM_M; i++) sums[i][j] = fma(x_item[i], w_item, sums[i][j]); \
      } \
    } \
    barrier(CLK_LOCAL_MEM_FENCE); \
  }
#define FOR_TILE(m, n, m_end, n_end, m0, n0) \
  _Pragma("unroll") for (int i = 0, m = (m0) + get_local_id(1); i < ITEM_M; i++, m += ITEMS_Y) \
    _Pragma("unroll") for (int j = 0, n = (n0) + get_local_id(0); j < ITEM_N; j++, n += ITEMS_X) \
      if (m < (m_end) && n < (n_end))

void matmul_tile(__global float *y, __global float *pre, __global const float *x, __global const float *w,
                 __global const float *b, __global const float *r, int m0, int m_end, int n0, int N, int K, size_t w_k,
                 size_t w_n, int act, ulong seed, float rate, __local float *tile_a, __local float *tile_b) {
  TILE_PRODUCT(sums, x + (size_t)m0 * K, K, 1, m_end - m0, w + n0 * w_n, w_n, w_k, N - n0, K)
  FOR_TILE(m, n, m_end, N, m0, n0) matmul_finish(sums[i][j], y, pre, b, r, (size_t)m * N + n, n, act, seed, rate);
}
#define matmul_transposed_tile matmul_tile

#else
#define TILE_KERNEL __kernel __attribute__((reqd_work_group_size(1, 1, 1)))
#define TILE_SCRATCH __local float *tile_a = 0, *tile_b = 0;
#define MICRO_M 6
#define MICRO_DOTS 4

// sum_i, i < MICRO_M, of two vectors of columns: a(i, k) = a[i * a_row + k * a_k] with i < rows, b(k, j) = b[k * N +
// j].
#define MICRO_PRODUCT(first, second, a, a_row, a_k, rows, b, N, columns, depth) \
  vec first[MICRO_M], second[MICRO_M]; \
  for (int i = 0; i < MICRO_M; i++) first[i] = second[i] = (vec)(0.0f); \
  if ((columns) >= 2 * VECTOR && (rows) >= MICRO_M) { \
    for (int k = 0; k < (depth); k++) { \
      const vec b0 = VEC_FACTOR(VLOAD((b) + (size_t)k * (N))); \
      const vec b1 = VEC_FACTOR(VLOAD((b) + (size_t)k * (N) + VECTOR)); \
      _Pragma("unroll") for (int i = 0; i < MICRO_M; i++) { \
        const vec x_i = (vec)(FACTOR((a)[i * (size_t)(a_row) + k * (size_t)(a_k)])); \
        first[i] = fma(x_i, b0, first[i]); \
        second[i] = fma(x_i, b1, second[i]); \
      } \
    } \
  } else { \
    for (int k = 0; k < (depth); k++) { \
      const vec b0 = VEC_FACTOR(vload_part((b) + (size_t)k * (N), columns)); \
      const vec b1 = VEC_FACTOR(vload_part((b) + (size_t)k * (N) + VECTOR, (columns)-VECTOR)); \
      _Pragma("unroll") for (int i = 0; i < MICRO_M; i++) { \
        const vec x_i = (vec)(FACTOR((a)[min(i, (rows)-1) * (size_t)(a_row) + k * (size_t)(a_k)])); \
        first[i] = fma(x_i, b0, first[i]); \
        second[i] = fma(x_i, b1, second[i]); \
      } \
    } \
  }

void matmul_store(vec value, __global float *y, __global float *pre, __global const float *b, __global const float *r,
                  size_t at, int n, int columns, int act, ulong seed, float rate) {
  if (b) value += vload_part(b + n, columns);
  if (act >= 0) {
    if (pre) vstore_part(value, pre + at, columns);
    value = vec_activation(value, act);
  }
  if (rate > 0) value = vec_dropout(value, (int)at, seed, rate);
  if (act < 0) value *= vec_activation_slope(vload_part(pre + at, columns), -1 - act);
  if (r) value += vload_part(r + at, columns);
  vstore_part(value, y + at, columns);
}

void matmul_tile(__global float *y, __global float *pre, __global const float *x, __global const float *w,
                 __global const float *b, __global const float *r, int m0, int m_end, int n0, int N, int K, size_t w_k,
                 size_t w_n, int act, ulong seed, float rate, __local float *tile_a, __local float *tile_b) {
  for (int n = n0; n < min(N, n0 + TILE_N); n += 2 * VECTOR)
    for (int m = m0; m < min(m_end, m0 + TILE_M); m += MICRO_M) {
      MICRO_PRODUCT(first, second, x + (size_t)m * K, K, 1, m_end - m, w + n, N, N - n, K)
      _Pragma("unroll") for (int i = 0; i < MICRO_M; i++) {
        const size_t at = (size_t)(m + i) * N + n;
        const int columns = m + i < min(m_end, m0 + TILE_M) ? N - n : 0;
        if (columns > 0) matmul_store(first[i], y, pre, b, r, at, n, columns, act, seed, rate);
        if (columns > VECTOR) matmul_store(second[i], y, pre, b, r, at + VECTOR, n + VECTOR, columns - VECTOR, act, seed, rate);
      }
    }
}

// w is [N, K]: dot products of rows, MICRO_DOTS x MICRO_DOTS at a time, in the order of lane_dot
void matmul_transposed_tile(__global float *y, __global float *pre, __global const float *x, __global const float *w,
                            __global const float *b, __global const float *r, int m0, int m_end, int n0, int N, int K,
                            size_t w_k, size_t w_n, int act, ulong seed, float rate, __local float *tile_a,
                            __local float *tile_b) {
  const int m_stop = min(m_end, m0 + TILE_M), n_stop = min(N, n0 + TILE_N);
  for (int n = n0; n < n_stop; n += MICRO_DOTS)
    for (int m = m0; m < m_stop; m += MICRO_DOTS) {
      __global const float *x_row[MICRO_DOTS], *w_row[MICRO_DOTS];
      vec sums[MICRO_DOTS][MICRO_DOTS];
      _Pragma("unroll") for (int i = 0; i < MICRO_DOTS; i++) {
        x_row[i] = x + (size_t)min(m + i, m_stop - 1) * K;
        w_row[i] = w + (size_t)min(n + i, n_stop - 1) * K;
        _Pragma("unroll") for (int j = 0; j < MICRO_DOTS; j++) sums[i][j] = (vec)(0.0f);
      }
      int k = 0;
      for (; k + VECTOR <= K; k += VECTOR) {
        vec x_part[MICRO_DOTS];
        _Pragma("unroll") for (int i = 0; i < MICRO_DOTS; i++) x_part[i] = VEC_FACTOR(VLOAD(x_row[i] + k));
        _Pragma("unroll") for (int j = 0; j < MICRO_DOTS; j++) {
          const vec w_part = VEC_FACTOR(VLOAD(w_row[j] + k));
          _Pragma("unroll") for (int i = 0; i < MICRO_DOTS; i++) sums[i][j] = fma(x_part[i], w_part, sums[i][j]);
        }
      }
      if (k < K) {
        vec x_part[MICRO_DOTS];
        _Pragma("unroll") for (int i = 0; i < MICRO_DOTS; i++) x_part[i] = VEC_FACTOR(vload_part(x_row[i] + k, K - k));
        _Pragma("unroll") for (int j = 0; j < MICRO_DOTS; j++) {
          const vec w_part = VEC_FACTOR(vload_part(w_row[j] + k, K - k));
          _Pragma("unroll") for (int i = 0; i < MICRO_DOTS; i++) sums[i][j] = fma(x_part[i], w_part, sums[i][j]);
        }
      }
      _Pragma("unroll") for (int i = 0; i < MICRO_DOTS; i++) _Pragma("unroll") for (int j = 0; j < MICRO_DOTS; j++) {
        if (m + i >= m_stop || n + j >= n_stop) continue;
        matmul_finish(vec_sum(sums[i][j]), y, pre, b, r, (size_t)(m + i) * N + n + j, n + j, act, seed, rate);
      }
    }
}
#endif

#define GROUP_ROWS(first, end, M, z) \
  const int first = groups ? groups[z] : 0; \
  const int end = groups ? groups[(z) + 1] : (M);

// y[M,N] = drop(act(x[M,K] w + b)) + r, pre = the value before act; w is [K,N], read from row w_row on; b, r, pre may be
// null, r may be y; act < 0 as in matmul_finish
TILE_KERNEL void matmul(__global float *y, __global float *pre, __global const float *x, __global const float *w,
                        __global const float *b, __global const float *r, __global const int *groups, int M, int N,
                        int K, int w_row, int act, ulong seed, float rate) {
  TILE_SCRATCH
  GROUP_ROWS(first, end, M, get_group_id(2))
  const int m0 = first + (int)get_group_id(1) * TILE_M, n0 = get_group_id(0) * TILE_N;
  if (m0 >= end) return;
  w += (size_t)w_row * N + get_group_id(2) * (size_t)K * N;
  matmul_tile(y, pre, x, w, b, r, m0, end, n0, N, K, N, 1, act, seed, rate, tile_a, tile_b);
}

// The same with w [N,K]
TILE_KERNEL void matmul_transposed(__global float *y, __global float *pre, __global const float *x,
                                   __global const float *w, __global const float *b, __global const float *r,
                                   __global const int *groups, int M, int N, int K, int w_row, int act, ulong seed,
                                   float rate) {
  TILE_SCRATCH
  GROUP_ROWS(first, end, M, get_group_id(2))
  const int m0 = first + (int)get_group_id(1) * TILE_M, n0 = get_group_id(0) * TILE_N;
  if (m0 >= end) return;
  w += (size_t)w_row * K + get_group_id(2) * (size_t)K * N;
  matmul_transposed_tile(y, pre, x, w, b, r, m0, end, n0, N, K, 1, K, act, seed, rate, tile_a, tile_b);
}

// sum[0 ..< columns], at most VECTOR, (+)= weight * (the sum of `rows` rows of x, N apart)
void column_sum_part(__global float *sum, __global const float *x, int N, int columns, int rows, float weight,
                     int accumulate) {
  vec total = (vec)(0.0f);
  for (int t = 0; t < rows; t++) total += vload_part(x + (size_t)t * N, columns);
  total *= weight;
  if (accumulate) total += vload_part(sum, columns);
  vstore_part(total, sum, columns);
}

// dw[s,g,K,N] = sum over the rows t of chunk s of group g of x[t,K]^T dy[t,N], chunk s: rows s * chunk ..< (s + 1) *
// chunk of the group; += when accumulate. Written from row dw_row on. Work-group (., ., s * G + g). db[s,N] (null: not
// asked for; one group): the same of the sums of the columns of dy, which are not rounded.
TILE_KERNEL void matmul_tn(__global float *dw, __global float *db, __global const float *x, __global const float *dy,
                           __global const int *groups, int T, int K, int N, int G, int dw_row, int chunk,
                           int accumulate) {
  GROUP_ROWS(start, end, T, get_group_id(2) % G)
  const int first = start + (int)(get_group_id(2) / G) * chunk, count = clamp(end - first, 0, chunk);
  const int k0 = get_group_id(1) * TILE_M, n0 = get_group_id(0) * TILE_N;
  dw += (size_t)dw_row * N + get_group_id(2) * (size_t)K * N;
  x += (size_t)first * K + k0;
  dy += (size_t)first * N + n0;
  if (db) db += get_group_id(2) * (size_t)N + n0;
#if LANES > 1
  TILE_SCRATCH
  TILE_PRODUCT(sums, x, 1, K, K - k0, dy, 1, N, N - n0, count)
  FOR_TILE(k, n, K, N, k0, n0) {
    const size_t at = (size_t)k * N + n;
    dw[at] = accumulate ? dw[at] + sums[i][j] : sums[i][j];
  }
  if (db && k0 == 0)
    group_column_sums(db, dy, N, N - n0, count, TILE_N, get_local_id(1) * ITEMS_X + get_local_id(0), ITEMS_X * ITEMS_Y,
                      accumulate, tile_a);
#else
  if (db && k0 == 0)
    for (int n = 0; n < min(TILE_N, N - n0); n += VECTOR)
      column_sum_part(db + n, dy + n, N, N - n0 - n, count, 1, accumulate);
  for (int n = 0; n < min(TILE_N, N - n0); n += 2 * VECTOR)
    for (int k_tile = 0; k_tile < min(TILE_M, K - k0); k_tile += MICRO_M) {
      const int rows = min(TILE_M, K - k0) - k_tile, columns = N - n0 - n;
      MICRO_PRODUCT(first_sums, second_sums, x + k_tile, 1, K, rows, dy + n, N, columns, count)
      _Pragma("unroll") for (int i = 0; i < MICRO_M; i++) {
        __global float *row = dw + (size_t)(k0 + k_tile + i) * N + n0 + n;
        const int here = i < rows ? columns : 0;
        if (accumulate) {
          first_sums[i] += vload_part(row, here);
          second_sums[i] += vload_part(row + VECTOR, here - VECTOR);
        }
        vstore_part(first_sums[i], row, here);
        vstore_part(second_sums[i], row + VECTOR, here - VECTOR);
      }
    }
#endif
}

// sum[s,N] = weight * (sum of the rows s * chunk ..< (s + 1) * chunk of x[T,N]), += when accumulate. A work-item owns
// VECTOR columns.
COLUMN_KERNEL void column_sum(__global float *sum, __global const float *x, int T, int N, int chunk, int accumulate,
                              float weight) {
  const int n = get_global_id(0) * VECTOR, s = get_global_id(1);
  if (n >= N) return;
  column_sum_part(sum + (size_t)s * N + n, x + (size_t)s * chunk * N + n, N, N - n, min(T - s * chunk, chunk), weight,
                  accumulate);
}

// y[0] = weight * (sum of x[n]). One work-group of ELEMENTS.
ELEMENT_KERNEL void total(__global float *y, __global const float *x, int n, float weight) {
  __local float sums[ELEMENTS];
  const int item = get_local_id(0);
  vec sum = (vec)(0.0f);
  for (int i = item * VECTOR; i < n; i += ELEMENTS * VECTOR) sum += vload_part(x + i, n - i);
  sums[item] = vec_sum(sum);
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int count = ELEMENTS / 2; count > 0; count /= 2) {
    if (item < count) sums[item] += sums[item + count];
    barrier(CLK_LOCAL_MEM_FENCE);
  }
  if (item == 0) y[0] = weight * sums[0];
}

// Sixteen targets of one launch: y[i] += sum over s < S of partials[s * n + i]. A group owns SUM_COLUMNS * VECTOR
// elements; on a GPU several work-items share the S of an element and are added in order.
#if ELEMENTS >= 128
#define SUM_COLUMNS 32
#else
#define SUM_COLUMNS ELEMENTS
#endif
#define SUM_TARGET(k) __global float *y##k, __global const float *partials##k, int S##k, int n##k, int end##k
#define SUM_PICK(k, before) \
  if (group >= end##before) y = y##k, partials = partials##k, S = S##k, n = n##k, start = end##before;
ELEMENT_KERNEL void sum_partials(SIXTEEN(SUM_TARGET)) {
  const int group = get_group_id(0), item = get_local_id(0);
  __global float *y = y0;
  __global const float *partials = partials0;
  int S = S0, n = n0, start = 0;
  PICKED(SUM_PICK)
  const int i = ((group - start) * SUM_COLUMNS + item % SUM_COLUMNS) * VECTOR;
  vec sum = (vec)(0.0f);
  for (int s = item / SUM_COLUMNS; s < S; s += ELEMENTS / SUM_COLUMNS)
    sum += vload_part(partials + (size_t)s * n + i, n - i);
#if SUM_COLUMNS < ELEMENTS
  __local float sums[ELEMENTS];
  sums[item] = sum;
  barrier(CLK_LOCAL_MEM_FENCE);
  if (item >= SUM_COLUMNS) return;
  for (int other = item + SUM_COLUMNS; other < ELEMENTS; other += SUM_COLUMNS) sum += sums[other];
#endif
  vstore_part(vload_part(y + i, n - i) + sum, y + i, n - i);
}
