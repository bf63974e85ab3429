// Dense products: our own tiles, which take the factors where they lie and finish a tile while it is in cache; OpenBLAS, which
// copies both factors first, where that pays: both inner and outer axis long.
#ifndef CK_BODY
#define CK_FILE "../Matmul/Matmul.c"
#include "gemm.h"

#include <cblas.h>
#include <stdalign.h>
#include <string.h>

// How the second factor lies: [K,N], [N,K], or as panels [N / PANEL][K, PANEL] with zeroes after column N.
enum { ck_by_rows, ck_by_columns, ck_by_panels };

#include "epilogue.h"

#include "../Common/isa.h"

static CK_DISPATCH(void, product,
                   (float *c, ck_int ldc, const float *a, ck_int ra, ck_int ca, const float *b, ck_int ldb, int layout,
                    ck_int M, ck_int N, ck_int K, int add, struct epilogue e, float *sums),
                   (c, ldc, a, ra, ca, b, ldb, layout, M, N, K, add, e, sums))
static CK_DISPATCH(void, row_product,
                   (float *y, const float *x, const float *w, ck_int ldw, ck_int N, ck_int K, struct epilogue e),
                   (y, x, w, ldw, N, K, e))
static CK_DISPATCH(void, finish, (float *y, const float *v, ck_int rows, ck_int N, struct epilogue e), (y, v, rows, N, e))
CK_DISPATCH(void, ck_pack_panels, (float *panels, const float *w, ck_int from, ck_int to, ck_int N, ck_int K, int transposed),
            (panels, w, from, to, N, K, transposed))
CK_DISPATCH(void, ck_column_sum, (float *s, const float *x, ck_int begin, ck_int end, ck_int N, int accumulate),
            (s, x, begin, end, N, accumulate))
CK_DISPATCH(void, ck_sum_partials, (float *y, const float *partials, ck_int S, ck_int n, ck_int begin, ck_int end),
            (y, partials, S, n, begin, end))

// The engine owns the threads: BLAS never starts its own.
__attribute__((constructor)) static void single_thread(void) { openblas_set_num_threads(1); }

const char *ck_blas_core(void) { return openblas_get_corename(); }

const char *ck_opencl_matmul(void) {
  static const char text[] = {
#embed "Matmul.cl"
      , 0};
  return text;
}

const char *ck_opencl_matmul_sm90(void) {
  static const char text[] = {
#embed "Matmul.sm90.cl"
      , 0};
  return text;
}

const char *ck_opencl_matmul_sm90a(void) {
  static const char text[] = {
#embed "Matmul.sm90a.cl"
      , 0};
  return text;
}

void ck_gemm(float *c, const float *a, const float *b, ck_int M, ck_int N, ck_int K, int ta, int tb, int add) {
  product(c, N, a, ta ? 1 : K, ta ? M : 1, b, tb ? K : N, tb ? ck_by_columns : ck_by_rows, M, N, K, add,
          (struct epilogue){0}, NULL);
}

// By N and K alone: the bits of a row depend neither on M nor on its place.
static int is_for_blas(ck_int N, ck_int K) { return N >= 512 && K > 512; }

ck_int ck_matmul_scratch(ck_int N, ck_int K) { return is_for_blas(N, K) ? CK_ROW_BLOCK * (K + N) : 0; }

// BLAS sees blocks of exactly CK_ROW_BLOCK rows, the last one padded: with M its kernels change, and so do the bits.
static void blocks_by_blas(float *y, const float *x, const float *w, struct epilogue e, ck_int M, ck_int N, ck_int K,
                           int transposed, float *scratch) {
  for (ck_int t = 0; t < M; t += CK_ROW_BLOCK) {
    const ck_int rows = M - t < CK_ROW_BLOCK ? M - t : CK_ROW_BLOCK;
    const float *block = x + t * K;
    float *v = y + t * N;
    if (rows < CK_ROW_BLOCK) {
      memcpy(scratch, block, (size_t)(rows * K) * sizeof(float));
      memset(scratch + rows * K, 0, (size_t)((CK_ROW_BLOCK - rows) * K) * sizeof(float));
      block = scratch;
      v = scratch + CK_ROW_BLOCK * K;
    }
    cblas_sgemm(CblasRowMajor, CblasNoTrans, transposed ? CblasTrans : CblasNoTrans, CK_ROW_BLOCK, (int)N, (int)K, 1.0f,
                block, (int)K, w, (int)(transposed ? K : N), 0.0f, v, (int)N);
    finish(y + t * N, v, rows, N,
           (struct epilogue){e.pre ? e.pre + t * N : NULL, e.b, e.r ? e.r + t * N : NULL, e.act});
  }
}

ck_int ck_panel_floats(ck_int N, ck_int K) { return (N + CK_PANEL - 1) / CK_PANEL * CK_PANEL * K; }

void ck_matmul_panels(float *y, float *pre, const float *x, const float *panels, const float *b, const float *r,
                      ck_int begin, ck_int end, ck_int N, ck_int K, int act, int accumulate) {
  const ck_int at = begin * N;
  product(y + at, N, x + begin * K, K, 1, panels, 0, ck_by_panels, end - begin, N, K, accumulate,
          (struct epilogue){pre ? pre + at : NULL, b, r ? r + at : NULL, act}, NULL);
}

void ck_matmul(float *y, float *pre, const float *x, const float *w, const float *b, const float *r, ck_int begin,
               ck_int end, ck_int from, ck_int to, ck_int N, ck_int K, int transposed, int act, float *scratch) {
  const ck_int at = begin * N + from;
  const struct epilogue e = {pre ? pre + at : NULL, b ? b + from : NULL, r ? r + at : NULL, act};
  if (is_for_blas(N, K)) {
    blocks_by_blas(y + at, x + begin * K, w, e, end - begin, N, K, transposed, scratch);
  } else if (end - begin == 1 && !transposed) {
    row_product(y + at, x + begin * K, w + from, N, to - from, K, e);
  } else {
    product(y + at, N, x + begin * K, K, 1, w + (transposed ? from * K : from), transposed ? K : N,
            transposed ? ck_by_columns : ck_by_rows, end - begin, to - from, K, 0, e, NULL);
  }
}

void ck_matmul_tn(float *dw, float *db, const float *x, const float *dy, ck_int begin, ck_int end, ck_int K, ck_int N,
                  int accumulate) {
  if (begin >= end && !accumulate) memset(dw, 0, (size_t)(K * N) * sizeof(float));
  if (db && !accumulate) memset(db, 0, (size_t)N * sizeof(float));
  product(dw, N, x + begin * K, 1, K, dy + begin * N, N, ck_by_rows, K, N, end - begin, accumulate, (struct epilogue){0}, db);
}

#else
#include "../Common/scalar.h"
#include "../Common/tile.h"
#include "strip.h"
#define rows_by_panel CK(rows_by_panel)
#define panel_of CK(panel_of)

// Depth of a panel: it stays in the first cache.
enum { CK(depth) = 256 };

// c[M, PANEL] = from + a b, b[K, PANEL] with rows ldb apart.
static __attribute__((noinline)) void rows_by_panel(float *c, ck_int ldc, const float *from, ck_int ldf, const float *a,
                                                    ck_int ra, ck_int ca, const float *b, ck_int ldb, ck_int K,
                                                    ck_int M) {
  ck_int i = 0;
  for (; i + GROUP <= M; i += GROUP, c += GROUP * ldc, a += GROUP * ra, from += from ? GROUP * ldf : 0)
    block(c, ldc, from, ldf, a, ra, ca, b, ldb, K, GROUP, 2);
  for (; i + 4 <= M; i += 4, c += 4 * ldc, a += 4 * ra, from += from ? 4 * ldf : 0)
    block(c, ldc, from, ldf, a, ra, ca, b, ldb, K, 4, 2);
  for (; i < M; i++, c += ldc, a += ra, from += from ? ldf : 0) block(c, ldc, from, ldf, a, ra, ca, b, ldb, K, 1, 2);
}

// The `cols` columns from b on of `depth` rows as [depth, PANEL]: packed into `panel`, or in place where few rows of a will use
// them. Adds the column sums of what it packs to `sums`, where there are any.
CK_INLINE const float *panel_of(float *panel, ck_int *ldp, const float *b, ck_int ldb, int layout, ck_int depth,
                                ck_int cols, int few, float *sums) {
  *ldp = PANEL;
  if (layout == ck_by_panels) return b;
  if (layout == ck_by_columns) {
    pack_transposed(panel, b, ldb, cols, depth, few ? PANEL : 0);
    return panel;
  }
  if (cols == PANEL && few && !sums) {
    *ldp = ldb;
    return b;
  }
  floats sum[2] = {};
  for (ck_int k = 0; k < depth; k++, b += ldb) {
    floats *row = (floats *)(panel + k * PANEL);
    if (cols == PANEL) {
      row[0] = ((const floats *)b)[0];
      row[1] = ((const floats *)b)[1];
    } else {
      row[0] = row[1] = (floats){};
      for (ck_int j = 0; j < cols; j++) panel[k * PANEL + j] = b[j];
    }
    sum[0] += row[0];
    sum[1] += row[1];
  }
  for (ck_int j = 0; sums && j < cols; j++) sums[j] += ((const float *)sum)[j];
  return panel;
}

static void CK(ck_pack_panels)(float *panels, const float *w, ck_int from, ck_int to, ck_int N, ck_int K, int transposed) {
  for (ck_int j = from; j < to; j += PANEL) {
    const ck_int cols = least(N - j, PANEL);
    ck_int ldp;
    panel_of(panels + j * K, &ldp, w + (transposed ? j * K : j), transposed ? K : N,
             transposed ? ck_by_columns : ck_by_rows, K, cols, 0, NULL);
  }
}

// c[M,N] = (or +=) a b; a[i,k] is a[i * ra + k * ca]. Each sum runs over k in order, whatever M,
// N and the place of a row, and starts from the bias. Column sums of b are added to `sums`, where it is not NULL.
static void CK(product)(float *c, ck_int ldc, const float *a, ck_int ra, ck_int ca, const float *b, ck_int ldb,
                        int layout, ck_int M, ck_int N, ck_int K, int add, struct epilogue e, float *sums) {
  alignas(64) float panel[CK(depth) * PANEL];
  const int few = M < CK(tile_rows);
  for (ck_int k = 0; k < K; k += CK(depth)) {
    const ck_int depth = least(K - k, CK(depth));
    for (ck_int j = 0; j < N; j += PANEL) {
      const ck_int cols = least(N - j, PANEL);
      ck_int ldp;
      const ck_int place = layout == ck_by_panels ? j * K + k * PANEL : layout == ck_by_columns ? j * ldb + k : k * ldb + j;
      const float *p = panel_of(panel, &ldp, b + place, ldb, layout, depth, cols, few, sums ? sums + j : NULL);
      strip(rows_by_panel, c + j, ldc, a + k * ca, ra, ca, p, ldp, M, cols, depth, k > 0 || add, k + depth == K,
            epilogue_at(e, j));
    }
  }
}

// y[vecs * CK_LANES] = from + x w: one row, in as many sums as hide the latency of each.
CK_INLINE void CK(row_strip)(float *y, const float *from, const float *x, const float *w, ck_int ldw, ck_int K, const int vecs) {
#pragma clang fp contract(fast)
  floats sum[8];
  for (int n = 0; n < vecs; n++) sum[n] = from ? ((const floats *)from)[n] : (floats){};
  for (ck_int k = 0; k < K; k++, w += ldw)
    for (int n = 0; n < vecs; n++) sum[n] += x[k] * ((const floats *)w)[n];
  for (int n = 0; n < vecs; n++) ((floats *)y)[n] = sum[n];
}

// The product of one row with a w that lies by rows, read once and in place: the sums, and so the bits, of `product`.
static void CK(row_product)(float *y, const float *x, const float *w, ck_int ldw, ck_int N, ck_int K, struct epilogue e) {
  ck_int j = 0;
  for (ck_int left = N / PANEL * 2, vecs; left > 0; left -= vecs, j += vecs * CK_LANES) {
    const float *from = e.b ? e.b + j : NULL;
    vecs = left >= 8 ? 8 : left >= 4 ? 4 : 2;
    if (vecs == 8) CK(row_strip)(y + j, from, x, w + j, ldw, K, 8);
    else if (vecs == 4) CK(row_strip)(y + j, from, x, w + j, ldw, K, 4);
    else CK(row_strip)(y + j, from, x, w + j, ldw, K, 2);
  }
  if (e.pre) memcpy(e.pre, y, (size_t)j * sizeof(float));
  if (e.act != CK_NONE) ck_activation_forward(y, y, 0, j, e.act);
  if (e.r) ck_add(y, e.r, 0, j);
  if (j == N) return;
  CK(product)(y + j, N, x, K, 1, w + j, ldw, ck_by_rows, 1, N - j, K, 0, epilogue_at(e, j), NULL);
}

// The same for what BLAS left in v. A pass a step: one loop with all the choices inside does not vectorise (5 times slower).
static void CK(finish)(float *y, const float *v, ck_int rows, ck_int N, struct epilogue e) {
  for (ck_int t = 0; t < rows; t++, v += N, y += N) {
    if (e.b) {
      CK_ROW for (ck_int j = 0; j < N; j++) y[j] = v[j] + e.b[j];
    } else if (y != v) {
      memcpy(y, v, (size_t)N * sizeof(float));
    }
    if (e.pre) memcpy(e.pre + t * N, y, (size_t)N * sizeof(float));
    if (e.act != CK_NONE) ck_activation_forward(y, y, 0, N, e.act);
    if (e.r) ck_add(y, e.r + t * N, 0, N);
  }
}

// Columns in strips that stay in registers.
static void CK(ck_column_sum)(float *s, const float *x, ck_int begin, ck_int end, ck_int N, int accumulate) {
  enum { strip = 4 * CK_LANES };
  ck_int j = 0;
  for (; j + strip <= N; j += strip) {
    float sum[strip];
    for (ck_int i = 0; i < strip; i++) sum[i] = accumulate ? s[j + i] : 0.0f;
    for (ck_int t = begin; t < end; t++)
      for (ck_int i = 0; i < strip; i++) sum[i] += x[t * N + j + i];
    for (ck_int i = 0; i < strip; i++) s[j + i] = sum[i];
  }
  if (j == N) return;
  if (!accumulate) memset(s + j, 0, (size_t)(N - j) * sizeof(float));
  for (ck_int t = begin; t < end; t++)
    for (ck_int i = j; i < N; i++) s[i] += x[t * N + i];
}

static void CK(ck_sum_partials)(float *y, const float *partials, ck_int S, ck_int n, ck_int begin, ck_int end) {
  enum { strip = 8 * CK_LANES };
  for (ck_int j = begin; j < end; j += strip) {
    ck_int count = end - j < strip ? end - j : strip;
    for (ck_int s = 0; s < S; s++)
      CK_PARALLEL for (ck_int i = 0; i < count; i++) y[j + i] += partials[s * n + j + i];
  }
}
#endif
