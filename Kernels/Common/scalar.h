// Branch-free float functions that vectorise inside a CK(...) body: inlined there, they take its instruction set.
// NaN travels; infinities give the limit. Reassociation is off here whatever the caller allows.
#ifndef CK_SCALAR_H
#define CK_SCALAR_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CK_INLINE static inline __attribute__((always_inline))  // as in isa.h: this file may come first
// Before a loop whose rounds do not touch each other's elements, even where an output is an input.
#define CK_PARALLEL _Pragma("clang loop vectorize(assume_safety)")
// The same for a loop over one row: short, so one register at a time.
#define CK_ROW _Pragma("clang loop vectorize(assume_safety) interleave_count(1)")

CK_INLINE float ck_from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

CK_INLINE uint32_t ck_to_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

// The upper half of x rounded to bfloat16: to nearest, ties to even; NaN stays NaN.
CK_INLINE uint32_t ck_round_bf16(float x) {
  const uint32_t bits = ck_to_bits(x), rounded = bits + 0x7fffu + ((bits >> 16) & 1u);
  return ((bits & 0x7fffffffu) > 0x7f800000u ? bits | 0x400000u : rounded) >> 16;
}

// sqrtf without errno, which would keep a loop scalar.
CK_INLINE float ck_sqrt(float x) { return __builtin_elementwise_sqrt(x); }

// Asks for the cache lines of a row that will be needed soon.
CK_INLINE void ck_fetch(const float *row, ptrdiff_t count) {
  for (ptrdiff_t d = 0; d < count; d += 16) __builtin_prefetch(row + d);
}

// How many scattered rows to fetch ahead: about 16 KB of them, so that they are still in the first cache when their turn comes.
CK_INLINE ptrdiff_t ck_ahead(ptrdiff_t width) {
  const ptrdiff_t rows = 4096 / (width > 0 ? width : 1);
  return rows < 4 ? 4 : rows > 64 ? 64 : rows;
}

// e^r - 1 on |r| <= ln 2 / 2, a polynomial of degree 6.
CK_INLINE float ck_exp_series(float r) {
#pragma clang fp reassociate(off) contract(fast)
  float p = 0.00137512791f;
  p = p * r + 0.00836895178f;
  p = p * r + 0.0416695387f;
  p = p * r + 0.166665182f;
  p = p * r + 0.499999886f;
  return p * (r * r) + r;
}

// e^x within 1 ulp: x = n ln 2 + r, a polynomial of degree 6 on |r| <= ln 2 / 2, then 2^n in two factors so that the result
// overflows to infinity and fades through the subnormals to 0.
CK_INLINE float ck_exp(float x) {
#pragma clang fp reassociate(off) contract(fast)
  x = x < -104.0f ? -104.0f : x;
  x = x > 89.0f ? 89.0f : x;
  const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer, kept in the low bits
  float shifted = x * 1.44269504f + magic;
  float n = shifted - magic;
  float r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  const float p = ck_exp_series(r) + 1.0f;
  int32_t k = (int32_t)(ck_to_bits(shifted) - ck_to_bits(magic));
  int32_t half = k >> 1;
  return p * ck_from_bits((uint32_t)(half + 127) << 23) * ck_from_bits((uint32_t)(k - half + 127) << 23);
}

// e^x - 1, small relative error down to x = 0.
CK_INLINE float ck_expm1(float x) {
  const int is_small = x > -0.34f && x < 0.34f;
  const float small = ck_exp_series(is_small ? x : 0.0f), large = ck_exp(x) - 1.0f;
  return is_small ? small : large;
}

// log(1 + y) for y in [-1/2, 1], small relative error down to y = 0: 2 atanh(y / (2 + y)).
CK_INLINE float ck_log1p(float y) {
#pragma clang fp reassociate(off) contract(fast)
  float s = y / (2.0f + y);
  float u = s * s;
  float q = 0.140113766f;
  q = q * u + 0.139997015f;
  q = q * u + 0.200108497f;
  q = q * u + 0.333332062f;
  s = s + s;
  return s + s * (u * q);
}

// log x: x = 2^n m with m from sqrt(1/2) to sqrt(2), subnormals raised first. log 0 = -infinity; NaN below 0.
CK_INLINE float ck_log(float x) {
#pragma clang fp reassociate(off) contract(fast)
  const int is_tiny = x < 1.17549435e-38f;
  const uint32_t bits = ck_to_bits(is_tiny ? x * 8388608.0f : x);
  const int32_t exponent = (int32_t)(bits - 0x3f3504f3u) >> 23;
  const float m = ck_from_bits(bits - ((uint32_t)exponent << 23)), n = (float)(exponent - (is_tiny ? 23 : 0));
  const float y = n * 0.693359375f + (ck_log1p(m - 1.0f) - n * 2.12194440e-4f);
  const float limit = x > 0.0f ? x : x == 0.0f ? -__builtin_inff() : __builtin_nanf("");
  return x > 0.0f && x < __builtin_inff() ? y : limit;
}

CK_INLINE float ck_sigmoid(float x) { return 1.0f / (1.0f + ck_exp(-x)); }

// s = sigmoid(x) and l = log(1 + e^-|x|) from one exponential: softplus(x) = max(x, 0) + l.
CK_INLINE void ck_logistic(float x, float *s, float *l) {
#pragma clang fp reassociate(off) contract(fast)
  float e = ck_exp(x > 0.0f ? -x : x);
  *s = (x > 0.0f ? 1.0f : e) / (1.0f + e);
  *l = ck_log1p(e);
}

// softplus(x) = log(1 + e^x), and its derivative sigmoid(x).
CK_INLINE float ck_softplus(float x, float *derivative) {
  float tail;
  ck_logistic(x, derivative, &tail);
  return (x > 0.0f ? x : 0.0f) + tail;
}
#endif
