// The tables that turn codes of digit strings into indices, and decimal numbers.
#include "CKernels.h"

#include <string.h>

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
