// Dense products over OpenBLAS, on the calling thread, in blocks of a fixed number of rows; the epilogue runs while a block
// is in cache.
#ifndef CK_BODY
#define CK_FILE "../Matmul/Matmul.c"
#include "../Common/isa.h"
#include "gemm.h"

#include <cblas.h>

static CK_DISPATCH(void, epilogue,
                   (float *y, float *pre, const float *v, const float *b, const float *r, ck_int rows, ck_int N, int act),
                   (y, pre, v, b, r, rows, N, act))
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

void ck_gemm(float *c, const float *a, const float *b, ck_int M, ck_int N, ck_int K, int ta, int tb, float beta) {
  cblas_sgemm(CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, (int)M, (int)N, (int)K, 1.0f, a,
              (int)(ta ? M : K), b, (int)(tb ? K : N), beta, c, (int)N);
}

void ck_matmul(float *y, float *pre, const float *x, const float *w, const float *b, const float *r, ck_int begin,
               ck_int end, ck_int M, ck_int N, ck_int K, int transposed, int act, float *scratch) {
  (void)M;
  // For small products BLAS reads w in place, and slowly when it is transposed: turn it once.
  float turned[8192];
  if (transposed && K * N <= (ck_int)(sizeof turned / sizeof *turned)) {
    for (ck_int j = 0; j < N; j++)
      for (ck_int k = 0; k < K; k++) turned[k * N + j] = w[j * K + k];
    w = turned;
    transposed = 0;
  }
  for (ck_int t = begin; t < end; t += CK_ROW_BLOCK) {
    ck_int rows = end - t < CK_ROW_BLOCK ? end - t : CK_ROW_BLOCK;
    const float *block = x + t * K;
    float *v = y + t * N;
    if (rows < CK_ROW_BLOCK) {
      memcpy(scratch, block, (size_t)(rows * K) * sizeof(float));
      memset(scratch + rows * K, 0, (size_t)((CK_ROW_BLOCK - rows) * K) * sizeof(float));
      block = scratch;
      v = scratch + CK_ROW_BLOCK * K;
    }
    ck_gemm(v, block, w, CK_ROW_BLOCK, N, K, 0, transposed, 0.0f);
    if (v != y + t * N || pre || b || r || act != CK_NONE)
      epilogue(y + t * N, pre ? pre + t * N : NULL, v, b, r ? r + t * N : NULL, rows, N, act);
  }
}

// Cut into slabs: BLAS slows down when the inner axis is as long as a batch, and takes up to 10^6 products without packing
// their factors first, half as fast again for a small dw.
void ck_matmul_tn(float *dw, const float *x, const float *dy, ck_int begin, ck_int end, ck_int K, ck_int N,
                  int accumulate) {
  const ck_int unpacked = 1000000 / (K * N) / 16 * 16, slab = unpacked >= 96 && unpacked < 2048 ? unpacked : 2048;
  if (begin >= end && !accumulate) memset(dw, 0, (size_t)(K * N) * sizeof(float));
  for (ck_int t = begin; t < end; t += slab) {
    const ck_int rows = end - t < slab ? end - t : slab;
    ck_gemm(dw, x + t * K, dy + t * N, K, N, rows, 1, 0, accumulate || t > begin ? 1.0f : 0.0f);
  }
}

#else
#include "../Common/scalar.h"

// y = act(v + b) + r over a block of rows; y may be v. One pass a step over rows that fit the first cache: one loop with all
// the choices inside does not vectorise (5 times slower), and one loop per combination is forty.
static void CK(epilogue)(float *y, float *pre, const float *v, const float *b, const float *r, ck_int rows, ck_int N,
                         int act) {
  const ck_int step = N < 4096 ? 4096 / N : 1;
  for (ck_int first = 0; first < rows; first += step) {
    const ck_int from = first * N, to = (first + step < rows ? first + step : rows) * N;
    if (b) {
      for (ck_int t = from; t < to; t += N)
        CK_ROW for (ck_int j = 0; j < N; j++) y[t + j] = v[t + j] + b[j];
    } else if (y != v) {
      memcpy(y + from, v + from, (size_t)(to - from) * sizeof(float));
    }
    if (pre) memcpy(pre + from, y + from, (size_t)(to - from) * sizeof(float));
    if (act != CK_NONE) ck_activation_forward(y, y, from, to, act);
    if (r) ck_add(y, r, from, to);
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
