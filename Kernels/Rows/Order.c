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

// Keys with an index each, and where they go to and come from.
typedef struct {
  uint64_t *keys, *spare_keys;
  uint32_t *index, *spare_index;
} pairs;

enum { widest_digit = 9 };

// Stable by the bits of `differing`, digit by digit from the lowest; digits begin where bits differ, so that constant bits cost no pass.
// The result lies in keys and index.
static void sort_by_bits(const pairs *p, ck_int n, uint64_t differing) {
  uint64_t *from = p->keys, *to = p->spare_keys;
  uint32_t *from_index = p->index, *to_index = p->spare_index;
  while (differing) {
    const int shift = __builtin_ctzll(differing), span = 64 - __builtin_clzll(differing) - shift;
    const int passes = (span + widest_digit - 1) / widest_digit, bits = (span + passes - 1) / passes;
    const uint64_t mask = ((uint64_t)1 << bits) - 1;
    uint32_t counts[1 << widest_digit] = {0}, place = 0;
    for (ck_int i = 0; i < n; i++) counts[from[i] >> shift & mask]++;
    for (uint64_t d = 0; d <= mask; d++) {
      const uint32_t c = counts[d];
      counts[d] = place;
      place += c;
    }
    for (ck_int i = 0; i < n; i++) {
      const uint32_t at = counts[from[i] >> shift & mask]++;
      to[at] = from[i];
      to_index[at] = from_index[i];
    }
    uint64_t *k = from;
    from = to, to = k;
    uint32_t *x = from_index;
    from_index = to_index, to_index = x;
    differing &= ~(mask << shift);
  }
  if (from == p->keys) return;
  memcpy(p->keys, from, (size_t)n * 8);
  memcpy(p->index, from_index, (size_t)n * 4);
}

static void sort_by_insertion(uint64_t *keys, uint32_t *index, ck_int n) {
  for (ck_int i = 1; i < n; i++) {
    const uint64_t key = keys[i];
    const uint32_t x = index[i];
    ck_int j = i;
    for (; j > 0 && keys[j - 1] > key; j--) keys[j] = keys[j - 1], index[j] = index[j - 1];
    keys[j] = key, index[j] = x;
  }
}

// Stable. Passes by the user alone, because most logs hold each user's events in the order of time; users whose do not are sorted by
// themselves. The bits of `low` are those of the time.
static void sort_pairs(const pairs *p, ck_int n, uint64_t differing, uint64_t low) {
  sort_by_bits(p, n, differing & ~low);
  for (ck_int begin = 0, end; begin < n; begin = end) {
    uint64_t bits = 0;
    int sorted = 1;
    const uint64_t first = p->keys[begin];
    for (end = begin + 1; end < n && ((p->keys[end] ^ first) & ~low) == 0; end++) {
      sorted &= p->keys[end - 1] <= p->keys[end];
      bits |= p->keys[end] ^ first;
    }
    if (sorted) continue;
    const pairs run = {p->keys + begin, p->spare_keys + begin, p->index + begin, p->spare_index + begin};
    if (end - begin <= 64) sort_by_insertion(run.keys, run.index, end - begin);
    else sort_by_bits(&run, end - begin, bits);
  }
}

// Stable by key. `width` words belong to each key; the scratch arrays are as large as the inputs, scratch_index 2 n words.
void ck_event_sort(uint64_t *keys, uint32_t *payload, ck_int width, ck_int n, uint64_t *scratch_keys, uint32_t *scratch_payload,
                   uint32_t *scratch_index, int time_bits) {
  uint64_t all = ~0ull, any = 0;
  int sorted = 1;
  for (ck_int i = 0; i < n; i++) {
    all &= keys[i], any |= keys[i];
    sorted &= i == 0 || keys[i - 1] <= keys[i];
  }
  if (sorted) return;
  const uint64_t low = time_bits >= 64 ? ~0ull : ((uint64_t)1 << time_bits) - 1;
  if (width == 1) {
    sort_pairs(&(pairs){keys, scratch_keys, payload, scratch_payload}, n, all ^ any, low);
    return;
  }
  for (ck_int i = 0; i < n; i++) scratch_index[i] = (uint32_t)i;
  sort_pairs(&(pairs){keys, scratch_keys, scratch_index, scratch_index + n}, n, all ^ any, low);
  for (ck_int i = 0; i < n; i++) memcpy(scratch_payload + i * width, payload + (ck_int)scratch_index[i] * width, (size_t)width * 4);
  memcpy(payload, scratch_payload, (size_t)(n * width) * 4);
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
