// Products of small tiles in registers, and the packing they need. No include guard: the body of a kernel includes it once per
// variant, and the short names below stand for that variant's functions.
#define GROUP (CK_LANES == 16 ? 8 : 4)  // rows of a product computed at once: what the registers of the variant hold
#define PANEL (2 * CK_LANES)            // and its columns
#define floats CK(floats)
#define words CK(words)
#define rounded CK(rounded)
#define least CK(least)
#define choose CK(choose)
#define before CK(before)
#define block CK(block)
#define transpose CK(transpose)
#define pack_transposed CK(pack_transposed)

typedef float floats __attribute__((vector_size(4 * CK_LANES), aligned(4), may_alias));
typedef uint32_t words __attribute__((vector_size(4 * CK_LANES), aligned(4), may_alias));

CK_INLINE ck_int rounded(ck_int n, ck_int to) { return (n + to - 1) / to * to; }
CK_INLINE ck_int least(ck_int a, ck_int b) { return a < b ? a : b; }

CK_INLINE words choose(words mask, words a, words b) { return (mask & a) | (~mask & b); }

CK_INLINE words CK(lanes)(void) {
  words lanes;
  for (uint32_t l = 0; l < CK_LANES; l++) lanes[l] = l;
  return lanes;
}

// True in the first n lanes.
CK_INLINE words before(ck_int n) { return (words)(CK(lanes)() < (uint32_t)(n < 0 ? 0 : n)); }

// c[rows, vecs * CK_LANES] = from + sum over p < P of a[r * ra + p * ca] * b[p * ldb + .], in the order of p. from has rows ldf
// apart (0: one row for all), or is NULL for zeroes; it may be c.
CK_INLINE void block(float *c, ck_int ldc, const float *from, ck_int ldf, const float *a, ck_int ra, ck_int ca,
                     const float *b, ck_int ldb, ck_int P, const int rows, const int vecs) {
#pragma clang fp contract(fast)
  floats sum[8][2];
  for (int r = 0; r < rows; r++)
    for (int n = 0; n < vecs; n++) sum[r][n] = from ? *(const floats *)(from + r * ldf + n * CK_LANES) : (floats){};
  for (ck_int p = 0; p < P; p++, a += ca, b += ldb)
    for (int r = 0; r < rows; r++)
      for (int n = 0; n < vecs; n++) sum[r][n] += a[r * ra] * *(const floats *)(b + n * CK_LANES);
  for (int r = 0; r < rows; r++)
    for (int n = 0; n < vecs; n++) *(floats *)(c + r * ldc + n * CK_LANES) = sum[r][n];
}

// Exchanges the off-diagonal quarters of every 2 s x 2 s block of x[CK_LANES]; with s halved down to 1 that transposes x.
#undef CK_EXCHANGE
#define CK_UNPACKED(...) __VA_ARGS__
#define CK_UNROLLED _Pragma("clang loop unroll(full)")  // or x leaves the registers
#define CK_EXCHANGE(s, low, high) \
  CK_UNROLLED for (int i = 0; i < CK_LANES; i++) \
    if (!(i & s)) { \
      const floats above = x[i], below = x[i + s]; \
      x[i] = __builtin_shufflevector(above, below, CK_UNPACKED low); \
      x[i + s] = __builtin_shufflevector(above, below, CK_UNPACKED high); \
    }

CK_INLINE void transpose(floats x[CK_LANES]) {
#if CK_LANES == 16
  CK_EXCHANGE(8, (0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23), (8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31))
  CK_EXCHANGE(4, (0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27), (4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31))
  CK_EXCHANGE(2, (0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29), (2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31))
  CK_EXCHANGE(1, (0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30), (1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31))
#elif CK_LANES == 8
  CK_EXCHANGE(4, (0, 1, 2, 3, 8, 9, 10, 11), (4, 5, 6, 7, 12, 13, 14, 15))
  CK_EXCHANGE(2, (0, 1, 8, 9, 4, 5, 12, 13), (2, 3, 10, 11, 6, 7, 14, 15))
  CK_EXCHANGE(1, (0, 8, 2, 10, 4, 12, 6, 14), (1, 9, 3, 11, 5, 13, 7, 15))
#elif CK_LANES == 4
  CK_EXCHANGE(2, (0, 1, 4, 5), (2, 3, 6, 7))
  CK_EXCHANGE(1, (0, 4, 2, 6), (1, 5, 3, 7))
#endif
}

// CK_LANES rows of x[., K], transposed a square at a time, into columns of a panel; returns how many of K are done.
CK_INLINE ck_int CK(pack_squares)(float *y, const float *x, ck_int ldx, ck_int K) {
  ck_int k = 0;
  for (; k + CK_LANES <= K; k += CK_LANES) {
    floats square[CK_LANES];
    CK_UNROLLED for (int r = 0; r < CK_LANES; r++) square[r] = *(const floats *)(x + r * ldx + k);
    transpose(square);
    CK_UNROLLED for (int c = 0; c < CK_LANES; c++) *(floats *)(y + (k + c) * PANEL) = square[c];
  }
  return k;
}

// x[rows, K] transposed into panels [K, PANEL], zeroes after the last row. Where `ahead` is not 0 it asks meanwhile for the rows
// that far on: without, one user over a large table waits for memory half of the time.
static __attribute__((unused)) void pack_transposed(float *y, const float *x, ck_int ldx, ck_int rows, ck_int K, const ck_int ahead) {
  typedef float four __attribute__((vector_size(16), aligned(4), may_alias));
  if (rows % PANEL != 0) memset(y + rows / PANEL * PANEL * K, 0, (size_t)(PANEL * K) * sizeof(float));
  ck_int done = 0;  // columns that pack_squares wrote
  for (ck_int r = 0; r < rows; r += 4) {
    float *to = y + r / PANEL * PANEL * K + r % PANEL;
    const float *from = x + r * ldx;
    for (ck_int p = 0; ahead != 0 && p < 4; p++)
      for (ck_int l = 0; l < K; l += 16) __builtin_prefetch(from + (ahead + p) * ldx + l, 0, 2);
    if (r % CK_LANES == 0) done = r + CK_LANES <= rows ? CK(pack_squares)(to, from, ldx, K) : 0;
    ck_int i = done;
    for (; r + 4 <= rows && i + 4 <= K; i += 4) {
      four a = *(const four *)(from + i), b = *(const four *)(from + ldx + i);
      four c = *(const four *)(from + 2 * ldx + i), d = *(const four *)(from + 3 * ldx + i);
      four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab2 = __builtin_shufflevector(a, b, 2, 6, 3, 7);
      four cd = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd2 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
      *(four *)(to + i * PANEL) = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);
      *(four *)(to + (i + 1) * PANEL) = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
      *(four *)(to + (i + 2) * PANEL) = __builtin_shufflevector(ab2, cd2, 0, 1, 4, 5);
      *(four *)(to + (i + 3) * PANEL) = __builtin_shufflevector(ab2, cd2, 2, 3, 6, 7);
    }
    for (ck_int s = 0; s < 4 && r + s < rows; s++)
      for (ck_int l = i; l < K; l++) to[l * PANEL + s] = from[s * ldx + l];
  }
}
