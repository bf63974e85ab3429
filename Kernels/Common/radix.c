// Passes of a stable radix sort of row ids, and the groups of equal ids that it brings together. A pair is one 64-bit store.
#include "CKernels.h"

#include <string.h>

static inline uint64_t pair_at(const int32_t *ids, const uint64_t *pairs, ck_int i) {
  return ids ? (uint64_t)(uint32_t)ids[i] << 32 | (uint64_t)i : pairs[i];
}

uint32_t ck_radix_count(int32_t *counts, const int32_t *ids, const uint64_t *pairs, ck_int begin, ck_int end, ck_int shift,
                        ck_int digits) {
  const uint64_t mask = (uint64_t)digits - 1;
  memset(counts, 0, (size_t)digits * sizeof *counts);
  uint32_t largest = 0;
  if (ids) {
    for (ck_int i = begin; i < end; i++) {
      const uint32_t id = (uint32_t)ids[i];
      largest = id > largest ? id : largest;
      counts[id >> shift & mask]++;
    }
  } else {
    for (ck_int i = begin; i < end; i++) counts[pairs[i] >> (32 + shift) & mask]++;
  }
  return largest;
}

void ck_radix_places(int32_t *counts, ck_int chunks, ck_int digits) {
  int32_t place = 0;
  for (ck_int digit = 0; digit < digits; digit++)
    for (ck_int chunk = 0; chunk < chunks; chunk++) {
      const int32_t count = counts[chunk * digits + digit];
      counts[chunk * digits + digit] = place;
      place += count;
    }
}

void ck_radix_scatter(uint64_t *out, int32_t *places, const int32_t *ids, const uint64_t *pairs, ck_int begin, ck_int end,
                      ck_int shift, ck_int digits) {
  const uint64_t mask = (uint64_t)digits - 1;
  for (ck_int i = begin; i < end; i++) {
    const uint64_t pair = pair_at(ids, pairs, i);
    out[places[pair >> (32 + shift) & mask]++] = pair;
  }
}

static inline int starts_group(const uint64_t *pairs, ck_int i) { return i == 0 || pairs[i] >> 32 != pairs[i - 1] >> 32; }

ck_int ck_group_count(const uint64_t *pairs, ck_int begin, ck_int end) {
  ck_int count = 0;
  for (ck_int i = begin; i < end; i++) count += starts_group(pairs, i);
  return count;
}

void ck_group_write(int32_t *order, int32_t *segments, int32_t *rows, const uint64_t *pairs, ck_int begin, ck_int end,
                    ck_int first) {
  ck_int u = first;
  for (ck_int i = begin; i < end; i++) {
    order[i] = (int32_t)pairs[i];
    if (starts_group(pairs, i)) {
      segments[u] = (int32_t)i;
      rows[u++] = (int32_t)(pairs[i] >> 32);
    }
  }
}
