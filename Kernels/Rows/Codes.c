// Digit strings as order-preserving 64-bit codes, epochs, and the hash tables that turn codes into indices.
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

ck_int ck_digit_codes(uint64_t *codes, const uint8_t *text, const uint32_t *starts, const uint32_t *ends, ck_int stride, ck_int rows) {
  ck_int others = 0;
  for (ck_int r = 0; r < rows; r++) {
    const uint8_t *p = text + starts[r * stride];
    const uint64_t n = ends[r * stride] - starts[r * stride], keep = first_bytes(n);
    const uint64_t x = load8(p);
    uint64_t code = nibbles(x, keep) << 32;
    int good = n - 1 < 16 && are_digits(x, keep);
    if (n > 8) {
      const uint64_t y = load8(p + 8), rest = first_bytes(n - 8);
      code |= nibbles(y, rest);
      good = good && are_digits(y, rest);
    }
    codes[r] = good ? code : 0;
    others += !good;
  }
  return others;
}

// The value of n <= 8 digits.
static inline uint64_t digits_value(uint64_t x, uint64_t n) {
  uint64_t y = (x & 0x0f0f0f0f0f0f0f0full) << (8 * (8 - n));
  y = y * 2561 >> 8 & 0x00ff00ff00ff00ffull;
  y = y * 6553601 >> 16 & 0x0000ffff0000ffffull;
  return y * 42949672960001ull >> 32;
}

ck_int ck_epochs(int64_t *times, const uint8_t *text, const uint32_t *starts, const uint32_t *ends, ck_int stride, ck_int rows,
                 int64_t latest_second) {
  ck_int others = 0;
  for (ck_int r = 0; r < rows; r++) {
    const uint8_t *p = text + starts[r * stride];
    const uint64_t n = ends[r * stride] - starts[r * stride];
    int64_t time = -1;
    if (n - 9 < 6) {  // 9 to 14 digits
      const uint64_t x = load8(p), y = load8(p + 8), m = n - 8, keep = first_bytes(m);
      static const uint64_t tens[] = {1, 10, 100, 1000, 10000, 100000, 1000000};
      if (are_digits(x, ~0ull) && are_digits(y, keep)) {
        const int64_t value = (int64_t)(digits_value(x, 8) * tens[m] + digits_value(y, m));
        if (value <= latest_second) time = value * 1000;
        else if (value >= 100000000000 && value <= latest_second * 1000) time = value;
      }
    }
    times[r] = time;
    others += time < 0;
  }
  return others;
}

// Both halves of the product: codes of short ids end in zeros, and so does its low half.
static inline ck_int slot_of(uint64_t code, ck_int mask) {
  const unsigned __int128 product = (unsigned __int128)code * 0x9e3779b97f4a7c15ull;
  return (ck_int)((uint64_t)product ^ (uint64_t)(product >> 64)) & mask;
}

ck_int ck_code_place(uint64_t code) {
  if (code == 0) return CK_NO_PLACE;
  const int shift = __builtin_ctzll(code) & ~3;  // below the last digit
  const uint64_t ones = 0x1111111111111111ull;
  uint64_t x = (code >> shift) - (ones >> shift);
  if (shift < 32 || (code >> 60 == 1 && shift < 60)) return CK_NO_PLACE;
  x = (x & 0x0f0f0f0f) + 10 * (x >> 4 & 0x0f0f0f0f);
  x = (x & 0x00ff00ff) + 100 * (x >> 8 & 0x00ff00ff);
  return (ck_int)((x & 0xffff) + 10000 * (x >> 16));
}

static inline int32_t probe(uint64_t code, ck_int slot, const uint64_t *keys, const int32_t *values, ck_int mask) {
  while (keys[slot] != code && keys[slot] != 0) slot = (slot + 1) & mask;
  return code != 0 && keys[slot] == code ? values[slot] : -1;
}

ck_int ck_code_indices(int32_t *indices, const uint64_t *codes, ck_int rows, const uint64_t *keys, const int32_t *values, ck_int mask,
                       const int32_t *dense, ck_int places) {
  enum { batch = 64 };
  ck_int missing = 0, others[batch], slots[batch];
  for (ck_int first = 0; first < rows; first += batch) {
    const ck_int end = first + batch < rows ? first + batch : rows;
    ck_int waiting = 0;
    for (ck_int r = first; r < end; r++) {
      const ck_int place = ck_code_place(codes[r]);
      if (place < places) {
        indices[r] = dense[place];
        missing += indices[r] < 0;
      } else {
        // The lines of all that are hashed are on their way before the first is looked at.
        const ck_int slot = slot_of(codes[r], mask);
        __builtin_prefetch(keys + slot);
        __builtin_prefetch(values + slot);
        others[waiting] = r, slots[waiting++] = slot;
      }
    }
    for (ck_int i = 0; i < waiting; i++) {
      indices[others[i]] = probe(codes[others[i]], slots[i], keys, values, mask);
      missing += indices[others[i]] < 0;
    }
  }
  return missing;
}

void ck_code_insert(uint64_t *keys, int32_t *values, ck_int mask, uint64_t code, int32_t value) {
  ck_int slot = slot_of(code, mask);
  while (keys[slot] != 0) slot = (slot + 1) & mask;
  keys[slot] = code;
  values[slot] = value;
}

ck_int ck_decimals(float *values, const uint8_t *text, const uint32_t *starts, const uint32_t *ends, ck_int stride, ck_int rows) {
  static const double tenths[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};
  const uint32_t missing = 0x7fc00000, wrong = CK_NOT_DECIMAL;
  ck_int others = 0;
  for (ck_int r = 0; r < rows; r++) {
    const uint8_t *p = text + starts[r * stride], *end = text + ends[r * stride];
    if (p == end) {
      memcpy(values + r, &missing, sizeof missing);
      continue;
    }
    const int negative = *p == '-';
    p += negative;
    uint64_t digits = 0;
    ck_int count = 0, behind = -1;
    for (; p < end; p++) {
      const uint8_t digit = (uint8_t)(*p - '0');
      if (digit < 10) {
        digits = digits * 10 + digit;
        count++;
      } else if (*p == '.' && behind < 0) {
        behind = count;
      } else {
        break;
      }
    }
    if (p == end && count > 0 && count <= 18) {
      const double value = (double)digits / tenths[behind < 0 ? 0 : count - behind];
      values[r] = (float)(negative ? -value : value);
    } else {
      memcpy(values + r, &wrong, sizeof wrong);
      others++;
    }
  }
  return others;
}
