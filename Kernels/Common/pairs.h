// Products of pairs of bfloat16, and the packing they need, after tile.h. A word holds two neighbours along the inner axis, the lower
// half first. No include guard: the body of a kernel includes it once per variant.
#include "scalar.h"
#define dot_pair CK(dot_pair)
#define pair_block CK(pair_block)
#define round_lanes CK(round_lanes)
#define interleave CK(interleave)
#define store_halves CK(store_halves)
#define round_row CK(round_row)

CK_INLINE floats dot_pair(floats sum, words a, words b) {
#ifdef CK_BF16
  return (floats)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
#else
#pragma clang fp contract(fast)
  sum += (floats)(a << 16) * (floats)(b << 16);
  return sum + (floats)(a & 0xffff0000u) * (floats)(b & 0xffff0000u);
#endif
}

// `block` of tile.h over pairs: a and b are words.
CK_INLINE void pair_block(float *c, ck_int ldc, const float *from, ck_int ldf, const float *a, ck_int ra, ck_int ca,
                          const float *b, ck_int ldb, ck_int P, const int rows, const int vecs) {
  floats sum[8][2];
  for (int r = 0; r < rows; r++)
    for (int n = 0; n < vecs; n++) sum[r][n] = from ? *(const floats *)(from + r * ldf + n * CK_LANES) : (floats){};
  for (ck_int p = 0; p < P; p++, a += ca, b += ldb)
    for (int r = 0; r < rows; r++)
      for (int n = 0; n < vecs; n++)
        sum[r][n] = dot_pair(sum[r][n], (words)((floats){} + a[r * ra]), *(const words *)(b + n * CK_LANES));
  for (int r = 0; r < rows; r++)
    for (int n = 0; n < vecs; n++) *(floats *)(c + r * ldc + n * CK_LANES) = sum[r][n];
}

// The bfloat16 of each float of x in the lower half of its word.
CK_INLINE words round_lanes(floats x) {
#ifdef CK_BF16
  return (words)_mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)x));
#else
  const words bits = (words)x, up = bits + 0x7fffu + ((bits >> 16) & 1u);
  return choose((words)((bits & 0x7fffffffu) > 0x7f800000u), bits | 0x400000u, up) >> 16;
#endif
}

// Two rows to words, the first row in the lower halves; below may be NULL: zeroes.
CK_INLINE void interleave(uint32_t *to, const float *above, const float *below, ck_int cols) {
  ck_int j = 0;
  for (; below && j + CK_LANES <= cols; j += CK_LANES)
    *(words *)(to + j) = round_lanes(*(const floats *)(above + j)) | round_lanes(*(const floats *)(below + j)) << 16;
  for (; j < cols; j++) to[j] = ck_round_bf16(above[j]) | (below ? ck_round_bf16(below[j]) << 16 : 0);
}

// y[0 ..< CK_LANES] = x rounded.
CK_INLINE void store_halves(uint16_t *y, floats x) {
  typedef uint16_t half_words __attribute__((vector_size(2 * CK_LANES), aligned(2), may_alias));
  *(half_words *)y = __builtin_convertvector(round_lanes(x), half_words);
}

// y[n] = x[n] rounded.
CK_INLINE void round_row(uint16_t *y, const float *x, ck_int n) {
  ck_int k = 0;
  for (; k + CK_LANES <= n; k += CK_LANES) store_halves(y + k, *(const floats *)(x + k));
  for (; k < n; k++) y[k] = (uint16_t)ck_round_bf16(x[k]);
}
