// Products whose factors are rounded to bfloat16 and summed in float32. Two neighbours along the inner axis share a 32-bit word,
// the lower half first, as vdpbf16ps takes them; a variant without that instruction widens both halves.
#ifndef CK_BODY
#define CK_FILE "../Matmul/Bfloat16.c"
#define CK_WITH_BF16
#include "epilogue.h"

#include <stdalign.h>

#include "../Common/isa.h"

static CK_DISPATCH(void, pack_rows, (uint32_t *to, const float *x, ck_int rows, ck_int K), (to, x, rows, K))
static CK_DISPATCH(void, pack_pairs, (uint32_t *to, const float *x, ck_int rows, ck_int cols), (to, x, rows, cols))
static CK_DISPATCH(void, pack_pair_panels, (uint32_t *to, const float *x, ck_int rows, ck_int cols), (to, x, rows, cols))
static CK_DISPATCH(void, product_pairs,
                   (float *c, ck_int ldc, const uint32_t *a, ck_int ra, ck_int ca, const uint32_t *panels, ck_int M,
                    ck_int N, ck_int P, int add, struct epilogue e),
                   (c, ldc, a, ra, ca, panels, M, N, P, add, e))
CK_DISPATCH(void, ck_pack_halves, (void *panels, const uint16_t *w, ck_int from, ck_int to, ck_int N, ck_int K),
            (panels, w, from, to, N, K))
CK_DISPATCH(void, ck_matmul_halves,
            (uint16_t *y, const uint16_t *x, const uint16_t *w, const void *panels, ck_int begin, ck_int end, ck_int from,
             ck_int to, ck_int N, ck_int K),
            (y, x, w, panels, begin, end, from, to, N, K))
CK_DISPATCH(void, ck_round_bf16_row, (uint16_t *y, const float *x, ck_int begin, ck_int end), (y, x, begin, end))
CK_DISPATCH(void, ck_widen_bf16, (float *y, const uint16_t *x, ck_int begin, ck_int end), (y, x, begin, end))
CK_DISPATCH(void, ck_pack_panels_bf16,
            (void *panels, const float *w, ck_int from, ck_int to, ck_int N, ck_int K, int transposed),
            (panels, w, from, to, N, K, transposed))

enum { ck_tn_rows = 256 };  // rows of the inner axis that ck_matmul_tn_bf16 packs at a time

static ck_int pairs(ck_int n) { return (n + 1) / 2; }
static ck_int padded(ck_int n) { return (n + CK_PANEL - 1) / CK_PANEL * CK_PANEL; }

ck_int ck_panel_floats_bf16(ck_int N, ck_int K) { return padded(N) * pairs(K); }
ck_int ck_matmul_scratch_bf16(ck_int rows, ck_int K) { return rows * pairs(K); }
ck_int ck_matmul_tn_scratch_bf16(ck_int K, ck_int N) { return ck_tn_rows / 2 * (K + padded(N)); }

void ck_matmul_panels_bf16(float *y, float *pre, const float *x, const void *panels, const float *b, const float *r,
                           ck_int begin, ck_int end, ck_int N, ck_int K, int act, int accumulate, void *scratch) {
  const ck_int at = begin * N, P = pairs(K);
  pack_rows(scratch, x + begin * K, end - begin, K);
  product_pairs(y + at, N, scratch, P, 1, panels, end - begin, N, P, accumulate,
                (struct epilogue){pre ? pre + at : NULL, b, r ? r + at : NULL, act});
}

void ck_matmul_tn_bf16(float *dw, float *db, const float *x, const float *dy, ck_int begin, ck_int end, ck_int K, ck_int N,
                       int accumulate, void *scratch) {
  if (db) ck_column_sum(db, dy, begin, end, N, accumulate);
  if (begin >= end && !accumulate) memset(dw, 0, (size_t)(K * N) * sizeof(float));
  uint32_t *xs = scratch, *dys = xs + ck_tn_rows / 2 * K;
  for (ck_int t = begin; t < end; t += ck_tn_rows) {
    const ck_int rows = end - t < ck_tn_rows ? end - t : ck_tn_rows;
    pack_pairs(xs, x + t * K, rows, K);
    pack_pair_panels(dys, dy + t * N, rows, N);
    product_pairs(dw, N, xs, 1, K, dys, K, N, pairs(rows), accumulate || t > begin, (struct epilogue){0});
  }
}

#else
#include "../Common/scalar.h"
#include "../Common/tile.h"
#include "../Common/pairs.h"
#include "strip.h"
#define pair_rows_by_panel CK(pair_rows_by_panel)

// Words of a panel's depth: panel and a group of rows stay in the first cache.
enum { CK(pair_depth) = 256 };

static __attribute__((noinline)) void pair_rows_by_panel(float *c, ck_int ldc, const float *from, ck_int ldf,
                                                         const float *a, ck_int ra, ck_int ca, const float *b,
                                                         ck_int ldb, ck_int P, ck_int M) {
  ck_int i = 0;
  for (; i + GROUP <= M; i += GROUP, c += GROUP * ldc, a += GROUP * ra, from += from ? GROUP * ldf : 0)
    pair_block(c, ldc, from, ldf, a, ra, ca, b, ldb, P, GROUP, 2);
  for (; i < M; i++, c += ldc, a += ra, from += from ? ldf : 0) pair_block(c, ldc, from, ldf, a, ra, ca, b, ldb, P, 1, 2);
}

// c[M,N] = (or +=) a b in pairs; a[i,p] is a[i * ra + p * ca], panels [N / PANEL][P, PANEL]. The sum of an element runs over p in
// order, whatever M, N and the place of its row.
static void CK(product_pairs)(float *c, ck_int ldc, const uint32_t *a, ck_int ra, ck_int ca, const uint32_t *panels,
                              ck_int M, ck_int N, ck_int P, int add, struct epilogue e) {
  for (ck_int p = 0; p < P; p += CK(pair_depth)) {
    const ck_int depth = least(P - p, CK(pair_depth));
    for (ck_int j = 0; j < N; j += PANEL)
      strip(pair_rows_by_panel, c + j, ldc, (const float *)(a + p * ca), ra, ca,
            (const float *)(panels + j * P + p * PANEL), PANEL, M, least(N - j, PANEL), depth, p > 0 || add,
            p + depth == P, epilogue_at(e, j));
  }
}

// to[r, pairs of K]: neighbours of a row become a word.
static void CK(pack_rows)(uint32_t *to, const float *x, ck_int rows, ck_int K) {
  if (K % 2 == 0) return round_row((uint16_t *)to, x, rows * K);
  for (ck_int r = 0; r < rows; r++, x += K, to += (K + 1) / 2) {
    round_row((uint16_t *)to, x, K);
    ((uint16_t *)to)[K] = 0;
  }
}

// to[pairs of rows, cols]: neighbours of a column become a word.
static void CK(pack_pairs)(uint32_t *to, const float *x, ck_int rows, ck_int cols) {
  for (ck_int t = 0; t < rows; t += 2, x += 2 * cols, to += cols)
    interleave(to, x, t + 1 < rows ? x + cols : NULL, cols);
}

// The same as panels [cols / PANEL][pairs of rows, PANEL], zeroes after the last column.
static void CK(pack_pair_panels)(uint32_t *to, const float *x, ck_int rows, ck_int cols) {
  for (ck_int j = 0; j < cols; j += PANEL) {
    const ck_int n = least(cols - j, PANEL);
    for (ck_int t = 0; t < rows; t += 2, to += PANEL) {
      const float *row = x + t * cols + j;
      if (n < PANEL) memset(to, 0, PANEL * sizeof(uint32_t));
      interleave(to, row, t + 1 < rows ? row + cols : NULL, n);
    }
  }
}

static void CK(ck_pack_panels_bf16)(void *panels, const float *w, ck_int from, ck_int to, ck_int N, ck_int K,
                                    int transposed) {
  enum { depth = 256 };
  alignas(64) float columns[depth * PANEL];
  for (ck_int j = from; j < to; j += PANEL)
    for (ck_int k = 0; k < K; k += depth) {
      const ck_int cols = least(N - j, PANEL), rows = least(K - k, depth);
      uint32_t *panel = (uint32_t *)panels + j * ((K + 1) / 2) + k / 2 * PANEL;
      const float *x = w + k * N + j;
      if (transposed) {
        pack_transposed(columns, w + j * K + k, K, cols, rows, 0);
        x = columns;
      }
      const ck_int ld = transposed ? PANEL : N, n = transposed ? PANEL : cols;
      for (ck_int t = 0; t < rows; t += 2, x += 2 * ld, panel += PANEL) {
        if (n < PANEL) memset(panel, 0, PANEL * sizeof(uint32_t));
        interleave(panel, x, t + 1 < rows ? x + ld : NULL, n);
      }
    }
}

static void CK(ck_round_bf16_row)(uint16_t *y, const float *x, ck_int begin, ck_int end) {
  round_row(y + begin, x + begin, end - begin);
}

static void CK(ck_widen_bf16)(float *y, const uint16_t *x, ck_int begin, ck_int end) {
  CK_PARALLEL for (ck_int i = begin; i < end; i++) y[i] = ck_from_bits((uint32_t)x[i] << 16);
}

// w [N, K], K even: words lie as they are multiplied, only transposed.
static void CK(ck_pack_halves)(void *panels, const uint16_t *w, ck_int from, ck_int to, ck_int N, ck_int K) {
  const ck_int P = K / 2;
  for (ck_int j = from; j < to; j += PANEL)
    pack_transposed((float *)panels + j * P, (const float *)w + j * P, P, least(N - j, PANEL), P, 0);
}

// One row of x: squares of w are transposed and multiplied in registers; returns how many columns from `from` on are done, with the sums
// of the tiles.
static ck_int CK(row_by_squares)(uint16_t *y, const float *x, const float *w, ck_int from, ck_int to, ck_int P) {
  ck_int j = P % CK_LANES == 0 ? from : to;
  for (; j + CK_LANES <= to; j += CK_LANES) {
    floats sum = {};
    for (ck_int p = 0; p < P; p += CK_LANES) {
      floats square[CK_LANES];
      CK_UNROLLED for (int r = 0; r < CK_LANES; r++) square[r] = *(const floats *)(w + (j + r) * P + p);
      transpose(square);
      CK_UNROLLED for (int c = 0; c < CK_LANES; c++) sum = dot_pair(sum, (words)((floats){} + x[p + c]), (words)square[c]);
    }
    store_halves(y + j, sum);
  }
  return P % CK_LANES == 0 ? j - from : 0;
}

// A tile of sums stays in cache while the inner axis goes by, and leaves rounded.
static void CK(ck_matmul_halves)(uint16_t *y, const uint16_t *x, const uint16_t *w, const void *panels, ck_int begin,
                                 ck_int end, ck_int from, ck_int to, ck_int N, ck_int K) {
  enum { rows_at_once = 128 };
  alignas(64) float tile[rows_at_once * PANEL], own[CK(pair_depth) * PANEL];
  const ck_int P = K / 2;
  const float *a = (const float *)x;
  for (ck_int t = begin; t < end; t += rows_at_once) {
    const ck_int rows = least(end - t, rows_at_once);
    const ck_int done = rows == 1 && !panels ? CK(row_by_squares)(y + t * N, a + t * P, (const float *)w, from, to, P) : 0;
    for (ck_int j = from + done; j < to; j += PANEL) {
      const ck_int cols = least(to - j, PANEL);
      for (ck_int p = 0; p < P; p += CK(pair_depth)) {
        const ck_int depth = least(P - p, CK(pair_depth));
        const float *panel = (const float *)panels + j * P + p * PANEL;
        if (!panels) {
          pack_transposed(own, (const float *)w + j * P + p, P, cols, depth, PANEL);
          panel = own;
        }
        pair_rows_by_panel(tile, PANEL, p > 0 ? tile : NULL, PANEL, a + t * P + p, P, 1, panel, PANEL, depth, rows);
      }
      for (ck_int r = 0; r < rows; r++) {
        uint16_t *row = y + (t + r) * N + j;
        if (cols == PANEL) {
          store_halves(row, *(const floats *)(tile + r * PANEL));
          store_halves(row + CK_LANES, *(const floats *)(tile + r * PANEL + CK_LANES));
        } else {
          round_row(row, tile + r * PANEL, cols);
        }
      }
    }
  }
}
#endif
