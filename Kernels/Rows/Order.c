// Events sorted by user and time: a pass over all rows that deals them to partitions by the highest bits of their key, then a radix sort of
// each partition, which fits a core's cache.
#include "CKernels.h"

#include <string.h>

static inline uint64_t key_of(const ck_event_key *k, uint64_t code, int64_t time) {
  const uint64_t t = (uint64_t)(time - k->first_time);
  return (code - k->first_code) >> k->code_shift << k->time_bits | (k->whole_seconds ? t / 1000 : t);
}

void ck_event_range(ck_event_span *span, const uint64_t *codes, const int64_t *times, ck_int rows) {
  ck_event_span s = *span;
  uint64_t parts = (uint64_t)s.sub_seconds;
  for (ck_int r = 0; r < rows; r++) {
    s.least_code = codes[r] < s.least_code ? codes[r] : s.least_code;
    s.code_bits |= codes[r];
    s.largest_code = codes[r] > s.largest_code ? codes[r] : s.largest_code;
    s.first_time = times[r] < s.first_time ? times[r] : s.first_time;
    s.last_time = times[r] > s.last_time ? times[r] : s.last_time;
    parts |= (uint64_t)(times[r] % 1000 != 0);
  }
  s.sub_seconds = (int)parts;
  *span = s;
}

void ck_event_count(uint32_t *counts, const uint64_t *codes, const int64_t *times, ck_int rows, const ck_event_key *key) {
  for (ck_int r = 0; r < rows; r++) counts[key_of(key, codes[r], times[r]) >> key->shift]++;
}

void ck_event_deal(uint32_t *places, uint64_t *keys, uint32_t *payload, const uint64_t *codes, const int64_t *times,
                   const uint32_t *const *words, ck_int width, ck_int rows, const ck_event_key *key) {
  for (ck_int r = 0; r < rows; r++) {
    const uint64_t k = key_of(key, codes[r], times[r]);
    const uint32_t place = places[k >> key->shift]++;
    keys[place] = k;
    for (ck_int w = 0; w < width; w++) payload[(ck_int)place * width + w] = words[w][r];
  }
}

enum { digit_bits = 8, digits = 1 << digit_bits };

// Stable by key. `width` words belong to each key; the scratch arrays are as large as the inputs, scratch_index 2 n words.
void ck_event_sort(uint64_t *keys, uint32_t *payload, ck_int width, ck_int n, uint64_t *scratch_keys, uint32_t *scratch_payload,
                   uint32_t *scratch_index) {
  uint64_t all = ~0ull, any = 0;
  int sorted = 1;
  for (ck_int i = 0; i < n; i++) {
    all &= keys[i], any |= keys[i];
    sorted &= i == 0 || keys[i - 1] <= keys[i];
  }
  if (sorted) return;
  const uint64_t differing = all ^ any;
  uint64_t *from = keys, *to = scratch_keys;
  uint32_t *from_index = width == 1 ? payload : scratch_index;
  uint32_t *to_index = width == 1 ? scratch_payload : scratch_index + n;
  if (width != 1)
    for (ck_int i = 0; i < n; i++) from_index[i] = (uint32_t)i;
  // Digits are taken where bits differ, so that constant bits cost no pass.
  for (int shift = 0; shift < 64;) {
    if (!(differing >> shift & 1)) {
      shift++;
      continue;
    }
    uint32_t counts[digits] = {0}, place = 0;
    for (ck_int i = 0; i < n; i++) counts[from[i] >> shift & (digits - 1)]++;
    for (int d = 0; d < digits; d++) {
      const uint32_t c = counts[d];
      counts[d] = place;
      place += c;
    }
    for (ck_int i = 0; i < n; i++) {
      const uint32_t p = counts[from[i] >> shift & (digits - 1)]++;
      to[p] = from[i];
      to_index[p] = from_index[i];
    }
    uint64_t *k = from;
    from = to, to = k;
    uint32_t *x = from_index;
    from_index = to_index, to_index = x;
    shift += digit_bits;
  }
  if (width != 1) {
    for (ck_int i = 0; i < n; i++) memcpy(scratch_payload + i * width, payload + (ck_int)from_index[i] * width, (size_t)width * 4);
    memcpy(payload, scratch_payload, (size_t)(n * width) * 4);
  } else if (from_index != payload) {
    memcpy(payload, from_index, (size_t)n * 4);
  }
  if (from != keys) memcpy(keys, from, (size_t)n * 8);
}

ck_int ck_event_users(uint32_t *starts, const uint64_t *keys, ck_int begin, ck_int end, const ck_event_key *key) {
  ck_int count = 0;
  for (ck_int i = begin; i < end; i++) {
    if (i != 0 && keys[i] >> key->time_bits == keys[i - 1] >> key->time_bits) continue;
    if (starts) starts[count] = (uint32_t)i;
    count++;
  }
  return count;
}

void ck_event_times(int64_t *times, const uint64_t *keys, ck_int begin, ck_int end, const ck_event_key *key) {
  const uint64_t mask = ((uint64_t)1 << key->time_bits) - 1;
  const int64_t unit = key->whole_seconds ? 1000 : 1;
  for (ck_int i = begin; i < end; i++) times[i] = key->first_time + (int64_t)(keys[i] & mask) * unit;
}
