// Digit strings as order-preserving 64-bit codes, and epochs. AVX-512 takes eight fields at a time where all are plain digits.
#ifndef CK_BODY
#define CK_FILE "../Rows/Digits.c"
#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include "CKernels.h"
#include <string.h>

static inline uint64_t load8(const uint8_t *p) {
  uint64_t x;
  memcpy(&x, p, sizeof x);
  return x;
}

static inline uint64_t first_bytes(uint64_t n) { return n >= 8 ? ~0ull : (1ull << (8 * n)) - 1; }

// Whether the bytes of x that `keep` covers are digits.
static inline int are_digits(uint64_t x, uint64_t keep) {
  const uint64_t high = 0xf0f0f0f0f0f0f0f0ull, zeros = 0x3030303030303030ull;
  return (((x & high) ^ zeros) & keep) == 0 && ((((x + 0x0606060606060606ull) & high) ^ zeros) & keep) == 0;
}

// Eight digits as eight nibbles of digit + 1, the first in the highest; bytes outside `keep` are 0.
static inline uint64_t nibbles(uint64_t x, uint64_t keep) {
  uint64_t y = __builtin_bswap64(((x & 0x0f0f0f0f0f0f0f0full) + 0x0101010101010101ull) & keep);
  y = (y | y >> 4) & 0x00ff00ff00ff00ffull;
  y = (y | y >> 8) & 0x0000ffff0000ffffull;
  return (y | y >> 16) & 0xffffffffull;
}

// The value of n <= 8 digits.
static inline uint64_t digits_value(uint64_t x, uint64_t n) {
  uint64_t y = (x & 0x0f0f0f0f0f0f0f0full) << (8 * (8 - n));
  y = y * 2561 >> 8 & 0x00ff00ff00ff00ffull;
  y = y * 6553601 >> 16 & 0x0000ffff0000ffffull;
  return y * 42949672960001ull >> 32;
}

static inline uint64_t digit_code(const uint8_t *p, uint64_t n) {
  const uint64_t keep = first_bytes(n), x = load8(p);
  uint64_t code = nibbles(x, keep) << 32;
  int good = n - 1 < 16 && are_digits(x, keep);
  if (n > 8) {
    const uint64_t y = load8(p + 8), rest = first_bytes(n - 8);
    code |= nibbles(y, rest);
    good = good && are_digits(y, rest);
  }
  return good ? code : 0;
}

static inline int64_t epoch(const uint8_t *p, uint64_t n, int64_t least, int64_t largest, int64_t scale) {
  static const uint64_t tens[] = {1, 10, 100, 1000, 10000, 100000, 1000000};
  if (n - 9 >= 6) return -1;  // 9 to 14 digits
  const uint64_t x = load8(p), y = load8(p + 8), m = n - 8;
  if (!are_digits(x, ~0ull) || !are_digits(y, first_bytes(m))) return -1;
  const int64_t value = (int64_t)(digits_value(x, 8) * tens[m] + digits_value(y, m));
  return value >= least && value <= largest ? value * scale : -1;
}

#include "../Common/isa.h"

CK_DISPATCH(ck_int, ck_digit_codes,
            (uint64_t *codes, const uint8_t *text, const uint32_t *starts, const uint32_t *ends, ck_int stride, ck_int rows),
            (codes, text, starts, ends, stride, rows))
CK_DISPATCH(ck_int, ck_epochs,
            (int64_t *times, const uint8_t *text, const uint32_t *starts, const uint32_t *ends, ck_int stride, ck_int rows,
             int64_t least, int64_t largest, int64_t scale),
            (times, text, starts, ends, stride, rows, least, largest, scale))

#else

#if CK_LANES == 16
// Where the fields of eight rows begin, and their lengths.
typedef struct {
  __m256i starts;
  __m512i lengths;
} CK(fields);

CK_INLINE CK(fields) CK(fields_at)(const uint32_t *starts, const uint32_t *ends, ck_int stride) {
  const __m256i rows = _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32((int)stride));
  const __m256i first = _mm256_i32gather_epi32((const int *)starts, rows, 4), end = _mm256_i32gather_epi32((const int *)ends, rows, 4);
  return (CK(fields)){first, _mm512_cvtepu32_epi64(_mm256_sub_epi32(end, first))};
}

// The digits of bytes [offset, offset + 8) of each field, 0 behind its end; raises `others` where a byte is no digit.
CK_INLINE __m512i CK(digits_at)(const uint8_t *text, CK(fields) f, int offset, __m512i *keep, __mmask64 *others) {
  const __m512i count = _mm512_max_epi64(_mm512_sub_epi64(f.lengths, _mm512_set1_epi64(offset)), _mm512_setzero_si512());
  const __m512i ones = _mm512_set1_epi64(1);
  *keep = _mm512_sub_epi64(_mm512_sllv_epi64(ones, _mm512_slli_epi64(count, 3)), ones);
  const __m512i x = _mm512_i32gather_epi64(f.starts, text + offset, 1);
  const __m512i d = _mm512_and_si512(_mm512_sub_epi8(x, _mm512_set1_epi8('0')), *keep);
  *others |= _mm512_cmpgt_epu8_mask(d, _mm512_set1_epi8(9));
  return d;
}

// Eight digits as eight nibbles of digit + 1, the first in the highest; the result lies in the upper or the lower half.
CK_INLINE __m512i CK(nibbles_of)(__m512i digits, __m512i keep, int upper) {
  const __m512i y = _mm512_and_si512(_mm512_add_epi8(digits, _mm512_set1_epi8(1)), keep);
  const __m512i pairs = _mm512_maddubs_epi16(y, _mm512_set1_epi16(0x0110));
  // The low byte of each pair, the first highest; 0x80 is an empty byte.
  const __m128i order = upper ? _mm_set_epi64x(0x080a0c0e80808080, 0x0002040680808080)
                              : _mm_set_epi64x((int64_t)0x80808080080a0c0e, (int64_t)0x8080808000020406);
  return _mm512_shuffle_epi8(pairs, _mm512_broadcast_i32x4(order));
}

CK_INLINE int CK(codes_of)(uint64_t *codes, const uint8_t *text, CK(fields) f) {
  const __m512i one = _mm512_set1_epi64(1);
  if (_mm512_cmpgt_epu64_mask(_mm512_sub_epi64(f.lengths, one), _mm512_set1_epi64(15))) return 0;
  __mmask64 others = 0;
  __m512i keep;
  __m512i digits = CK(digits_at)(text, f, 0, &keep, &others);
  __m512i result = CK(nibbles_of)(digits, keep, 1);
  if (_mm512_cmpgt_epu64_mask(f.lengths, _mm512_set1_epi64(8))) {
    digits = CK(digits_at)(text, f, 8, &keep, &others);
    result = _mm512_or_si512(result, CK(nibbles_of)(digits, keep, 0));
  }
  if (others) return 0;
  _mm512_storeu_si512(codes, result);
  return 1;
}

// The value of eight digits a lane.
CK_INLINE __m512i CK(value_of)(__m512i digits) {
  const __m512i twos = _mm512_maddubs_epi16(digits, _mm512_set1_epi16(0x010a));
  const __m512i fours = _mm512_madd_epi16(twos, _mm512_set1_epi32(0x00010064));
  return _mm512_add_epi64(_mm512_mul_epu32(fours, _mm512_set1_epi64(10000)), _mm512_srli_epi64(fours, 32));
}

CK_INLINE int CK(epochs_of)(int64_t *times, const uint8_t *text, CK(fields) f, int64_t least, int64_t largest, int64_t scale) {
  if (_mm512_cmpgt_epu64_mask(_mm512_sub_epi64(f.lengths, _mm512_set1_epi64(9)), _mm512_set1_epi64(5))) return 0;
  __mmask64 others = 0;
  __m512i keep;
  const __m512i head = CK(digits_at)(text, f, 0, &keep, &others), tail = CK(digits_at)(text, f, 8, &keep, &others);
  const __m512i count = _mm512_sub_epi64(f.lengths, _mm512_set1_epi64(8));
  const __m512i tens = _mm512_permutexvar_epi64(count, _mm512_setr_epi64(1, 10, 100, 1000, 10000, 100000, 1000000, 0));
  const __m512i behind = _mm512_slli_epi64(_mm512_sub_epi64(_mm512_set1_epi64(8), count), 3);
  const __m512i value = _mm512_add_epi64(_mm512_mul_epu32(CK(value_of)(head), tens), CK(value_of)(_mm512_sllv_epi64(tail, behind)));
  const __mmask8 good =
      _mm512_cmpge_epi64_mask(value, _mm512_set1_epi64(least)) & _mm512_cmple_epi64_mask(value, _mm512_set1_epi64(largest));
  if (others || good != 0xff) return 0;
  _mm512_storeu_si512(times, _mm512_mullo_epi64(value, _mm512_set1_epi64(scale)));
  return 1;
}
#endif

static ck_int CK(ck_digit_codes)(uint64_t *codes, const uint8_t *text, const uint32_t *starts, const uint32_t *ends, ck_int stride,
                                 ck_int rows) {
  ck_int others = 0;
  for (ck_int first = 0; first < rows; first += 8) {
    const ck_int end = first + 8 < rows ? first + 8 : rows;
#if CK_LANES == 16
    if (first + 8 <= rows &&
        CK(codes_of)(codes + first, text, CK(fields_at)(starts + first * stride, ends + first * stride, stride))) continue;
#endif
    for (ck_int r = first; r < end; r++) {
      codes[r] = digit_code(text + starts[r * stride], ends[r * stride] - starts[r * stride]);
      others += codes[r] == 0;
    }
  }
  return others;
}

static ck_int CK(ck_epochs)(int64_t *times, const uint8_t *text, const uint32_t *starts, const uint32_t *ends, ck_int stride, ck_int rows,
                            int64_t least, int64_t largest, int64_t scale) {
  ck_int others = 0;
  for (ck_int first = 0; first < rows; first += 8) {
    const ck_int end = first + 8 < rows ? first + 8 : rows;
#if CK_LANES == 16
    if (first + 8 <= rows &&
        CK(epochs_of)(times + first, text, CK(fields_at)(starts + first * stride, ends + first * stride, stride), least, largest, scale)) {
      continue;
    }
#endif
    for (ck_int r = first; r < end; r++) {
      times[r] = epoch(text + starts[r * stride], ends[r * stride] - starts[r * stride], least, largest, scale);
      others += times[r] < 0;
    }
  }
  return others;
}
#endif
