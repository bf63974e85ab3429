// The best items of a catalogue, and the rank of one item, streaming over tiles of items: scores are never stored.
// A score is bias + one chain of fused multiply-adds in the order of D, whatever the blocking: the same bits in both
// kernels and for any batch. A tile of the table is transposed so that the chains of many items share a vector.
#ifndef CK_BODY
#define CK_FILE "../TopK/TopK.c"

#include "CKernels.h"

#include <math.h>
#include <string.h>

// Users of a block, items of a tile, columns transposed at a time: 48 KB on the stack. Up to ck_top_sorted results are
// kept sorted, inserted without a branch; more are kept as a heap, sorted in the end.
enum { ck_top_users = 128, ck_top_items = 64, ck_top_columns = 64, ck_top_sorted = 128 };

// One streaming position in a user's sorted list of seen items.
struct ck_cursor {
  const int32_t *at, *end;
};

// Whether item v is in the list; items are asked for in ascending order.
static inline int ck_seen(struct ck_cursor *c, int32_t v) {
  while (c->at < c->end && *c->at < v) c->at++;
  return c->at < c->end && *c->at == v;
}

static inline struct ck_cursor ck_seen_from(const int32_t *seen, const int32_t *offsets, ck_int b) {
  return (struct ck_cursor){seen + offsets[b], seen + offsets[b + 1]};
}

// Orders results in one integer: score descending, NaN last, then lower index; greater is better.
static inline uint64_t ck_order(float s, int32_t i) {
  float positive_zero = s + 0.0f;
  uint32_t bits;
  memcpy(&bits, &positive_zero, sizeof bits);
  bits ^= (uint32_t)((int32_t)bits >> 31) | 0x80000000u;
  return (uint64_t)(s != s ? 0 : bits) << 32 | ~(uint32_t)i;
}

// Puts (s, i) into the root of a heap of n whose root is the worst.
static void ck_sift(float *scores, int32_t *items, ck_int n, float s, int32_t i) {
  const uint64_t order = ck_order(s, i);
  ck_int hole = 0;
  for (ck_int child; (child = 2 * hole + 1) < n; hole = child) {
    const ck_int other = child + 1 < n ? child + 1 : child;
    const uint64_t left = ck_order(scores[child], items[child]), right = ck_order(scores[other], items[other]);
    child = right < left ? other : child;
    if (order <= (right < left ? right : left)) break;
    scores[hole] = scores[child];
    items[hole] = items[child];
  }
  scores[hole] = s;
  items[hole] = i;
}

// Adds a candidate, once there are k a better one than the worst, to the `count` best so far; returns the new count.
static ck_int ck_push(float *scores, int32_t *items, ck_int count, ck_int k, float s, int32_t i) {
  if (count == k) {
    ck_sift(scores, items, k, s, i);
    return k;
  }
  const uint64_t order = ck_order(s, i);
  ck_int hole = count;
  for (ck_int up; hole > 0; hole = up) {
    up = (hole - 1) / 2;
    if (ck_order(scores[up], items[up]) <= order) break;
    scores[hole] = scores[up];
    items[hole] = items[up];
  }
  scores[hole] = s;
  items[hole] = i;
  return count + 1;
}

// A heap becomes a list, best first.
static void ck_sort_best(float *scores, int32_t *items, ck_int count) {
  for (ck_int n = count - 1; n > 0; n--) {
    float s = scores[n];
    int32_t i = items[n];
    scores[n] = scores[0];
    items[n] = items[0];
    ck_sift(scores, items, n, s, i);
  }
}

#include "../Common/isa.h"

CK_DISPATCH(void, ck_top_k,
            (float *scores, int32_t *items, const float *h, const float *table, const float *bias, const int32_t *seen,
             const int32_t *seen_offsets, ck_int begin, ck_int end, ck_int V, ck_int D, ck_int k),
            (scores, items, h, table, bias, seen, seen_offsets, begin, end, V, D, k))

CK_DISPATCH(void, ck_compact,
            (int8_t *codes, float *scale, float *norm, const float *table, ck_int begin, ck_int end, ck_int V, ck_int D),
            (codes, scale, norm, table, begin, end, V, D))

CK_DISPATCH(void, ck_top_k_compact,
            (float *scores, int32_t *items, const float *h, const float *table, const int8_t *codes, const float *scale,
             const float *norm, const int32_t *seen, ck_int seen_count, ck_int begin, ck_int end, ck_int D, ck_int k),
            (scores, items, h, table, codes, scale, norm, seen, seen_count, begin, end, D, k))

CK_DISPATCH(void, ck_rank,
            (int32_t *greater, int32_t *equal, const float *h, const float *table, const float *bias,
             const int32_t *targets, const int32_t *seen, const int32_t *seen_offsets, ck_int begin, ck_int end,
             ck_int V, ck_int D),
            (greater, equal, h, table, bias, targets, seen, seen_offsets, begin, end, V, D))

const char *ck_opencl_top_k(void) {
  static const char text[] = {
#embed "TopK.cl"
      , 0};
  return text;
}

const char *ck_opencl_top_k_sm90(void) {
  static const char text[] = {
#embed "../Attention/tiles.h"
      , '\n',
#embed "../SoftmaxLoss/catalogue.h"
      , '\n',
#embed "TopK.sm90.cl"
      , 0};
  return text;
}

#else

#include "../Common/tile.h"
// Short names of this variant's functions.
#define tile_scores CK(top_tile_scores)
#define insert CK(top_insert)
#define passing CK(top_passing)

// s[users, PANEL] += h[users, 0:D] panel[D, PANEL], in the order of D.
CK_INLINE void CK(top_block)(float *s, const float *h, ck_int ldh, const float *panel, ck_int D, const int users) {
  block(s, ck_top_items, s, ck_top_items, h, ldh, 1, panel, PANEL, D, users, 2);
}

// s[users, ck_top_items] of the n items from v0; bias starts the sum.
static void tile_scores(float *s, const float *h, ck_int users, const float *table, const float *bias, ck_int v0,
                        ck_int n, ck_int D) {
  alignas(64) float panels[ck_top_items * ck_top_columns], start[ck_top_items] = {0};
  if (bias != NULL) memcpy(start, bias + v0, (size_t)n * sizeof(float));
  for (ck_int u = 0; u < users; u++) memcpy(s + u * ck_top_items, start, sizeof start);
  for (ck_int d = 0; d < D; d += ck_top_columns) {
    const ck_int columns = least(D - d, ck_top_columns);
    pack_transposed(panels, table + v0 * D + d, D, n, columns, ck_top_items);
    for (ck_int i = 0; i < n; i += PANEL) {
      const float *panel = panels + i * columns;
      ck_int u = 0;
      for (; u + GROUP <= users; u += GROUP) CK(top_block)(s + u * ck_top_items + i, h + u * D + d, D, panel, columns, GROUP);
      for (; u + 2 <= users; u += 2) CK(top_block)(s + u * ck_top_items + i, h + u * D + d, D, panel, columns, 2);
      if (u < users) CK(top_block)(s + u * ck_top_items + i, h + u * D + d, D, panel, columns, 1);
    }
  }
}

// Inserts a candidate that is better than the last of k into a sorted list of `count`; returns the new count. It goes
// after its equals, as candidates come in the order of their index. Every place looks at itself and at the one before:
// no branch depends on where the candidate lands.
static ck_int insert(float *scores, int32_t *items, ck_int count, ck_int k, float s, int32_t i) {
  const ck_int last = count < k ? count : k - 1;
  scores[last] = s != s ? s : NAN;
  items[last] = i;
  if (s != s) return last + 1;
  ck_int n = last - (CK_LANES - 1);
  for (; n > 0; n -= CK_LANES) {
    const floats here = *(floats *)(scores + n), above = *(floats *)(scores + n - 1);
    const words item = *(words *)(items + n), item_above = *(words *)(items + n - 1);
    const words stays = (words)(here >= s), lands = (words)(above >= s);
    *(words *)(scores + n) = choose(stays, (words)here, choose(lands, (words)(s - (floats){}), (words)above));
    *(words *)(items + n) = choose(stays, item, choose(lands, (words){} + (uint32_t)i, item_above));
  }
  for (n += CK_LANES - 1; n > 0; n--) {
    const int stays = scores[n] >= s, lands = scores[n - 1] >= s;
    scores[n] = stays ? scores[n] : lands ? s : scores[n - 1];
    items[n] = stays ? items[n] : lands ? i : items[n - 1];
  }
  items[0] = scores[0] >= s ? items[0] : i;
  scores[0] = scores[0] >= s ? scores[0] : s;
  return last + 1;
}

// Bit l: s[l] may enter a list whose worst score is `worst`; NaN on either side passes, the list decides.
CK_INLINE uint32_t passing(const float *s, float worst) {
  typedef _Bool flags __attribute__((ext_vector_type(CK_LANES)));
  flags below = __builtin_convertvector(*(const floats *)s <= worst, flags);
  uint32_t bits = 0;
  memcpy(&bits, &below, sizeof below);
  return ~bits & ((1u << CK_LANES) - 1);
}

// The best of one user so far.
struct CK(best) {
  float *scores;
  int32_t *items;
  ck_int count, k;
  struct ck_cursor seen;
};

// The score that a candidate must reach; NaN, which lets everything pass, while there are fewer than k.
CK_INLINE float CK(worst)(const struct CK(best) *b) {
  return b->count < b->k ? NAN : b->scores[b->k <= ck_top_sorted ? b->k - 1 : 0];
}

CK_INLINE void CK(offer)(struct CK(best) *b, float score, int32_t item) {
  const int sorted = b->k <= ck_top_sorted;
  const ck_int worst = sorted ? b->k - 1 : 0;
  if (b->count == b->k && ck_order(score, item) <= ck_order(b->scores[worst], b->items[worst])) return;
  if (ck_seen(&b->seen, item)) return;
  b->count = (sorted ? insert : ck_push)(b->scores, b->items, b->count, b->k, score, item);
}

// Places that no item took come last.
CK_INLINE void CK(finish)(const struct CK(best) *b) {
  if (b->k > ck_top_sorted) ck_sort_best(b->scores, b->items, b->count);
  for (ck_int n = b->count; n < b->k; n++) {
    b->scores[n] = -INFINITY;
    b->items[n] = -1;
  }
}

static void CK(ck_top_k)(float *scores, int32_t *items, const float *h, const float *table, const float *bias,
                         const int32_t *seen, const int32_t *seen_offsets, ck_int begin, ck_int end, ck_int V, ck_int D,
                         ck_int k) {
  alignas(64) float s[ck_top_users * ck_top_items];
  struct CK(best) best[ck_top_users];
  for (ck_int b = begin; b < end; b += ck_top_users) {
    const ck_int users = least(end - b, ck_top_users);
    for (ck_int u = 0; u < users; u++)
      best[u] = (struct CK(best)){scores + (b + u) * k, items + (b + u) * k, 0, k, ck_seen_from(seen, seen_offsets, b + u)};
    for (ck_int v0 = 0; v0 < V; v0 += ck_top_items) {
      const ck_int n = least(V - v0, ck_top_items);
      tile_scores(s, h + b * D, users, table, bias, v0, n, D);
      for (ck_int u = 0; u < users; u++)
        for (ck_int i = 0; i < n; i += CK_LANES) {
          uint32_t bits = passing(s + u * ck_top_items + i, CK(worst)(&best[u]));
          for (; bits != 0; bits &= bits - 1) {
            const ck_int l = i + __builtin_ctz(bits);
            if (l >= n) break;
            CK(offer)(&best[u], s[u * ck_top_items + l], (int32_t)(v0 + l));
          }
        }
    }
    for (ck_int u = 0; u < users; u++) CK(finish)(&best[u]);
  }
}

// --- the same over a compact copy of the table: 8 bits an element bound every score, and few items are scored exactly

typedef float CK(sixteen) __attribute__((vector_size(64), aligned(4), may_alias));
typedef int8_t CK(codes) __attribute__((vector_size(16), aligned(1), may_alias));

// A row that is not finite gets a scale of NaN: its bound is NaN and lets it pass.
static void CK(ck_compact)(int8_t *codes, float *scale, float *norm, const float *table, ck_int begin, ck_int end,
                           ck_int V, ck_int D) {
  for (ck_int v = begin; v < end; v++) {
    const float *row = table + v * D;
    int8_t *to = codes + v / 64 * 64 * D + v % 64;
    float top = 0, sum = 0;
    for (ck_int d = 0; v < V && d < D; d++) {
      const float x = fabsf(row[d]);
      top = x > top ? x : top;
      sum += x;
    }
    const int finite = sum < INFINITY;
    scale[v] = v >= V ? 0 : finite ? top / 127 : NAN;
    norm[v] = v >= V ? -INFINITY : sum;  // items past the end never pass
    const float inverse = finite && scale[v] > 0 ? 1 / scale[v] : 0;
    for (ck_int d = 0; d < D; d++) to[d * 64] = v < V && finite ? (int8_t)lrintf(fminf(fmaxf(row[d] * inverse, -127), 127)) : 0;
  }
}

// With h = sh q + t and v = sv c + r, |t| <= sh / 2 and |r| <= sv / 2: h.v = sh sv q.c + sh q.r + t.v, so
// h.v <= sh sv q.c + sv (sh |q|1 / 2) + |v|1 (sh / 2). The factors below leave room for every rounding.
static void CK(ck_top_k_compact)(float *scores, int32_t *items, const float *h, const float *table, const int8_t *codes,
                                 const float *scale, const float *norm, const int32_t *seen, ck_int seen_count,
                                 ck_int begin, ck_int end, ck_int D, ck_int k) {
#pragma clang fp contract(fast)
  float q[CK_COMPACT_COLUMNS], top = 0, total = 0;
  for (ck_int d = 0; d < D; d++) top = fabsf(h[d]) > top ? fabsf(h[d]) : top;
  for (ck_int d = 0; d < D; d++) total += fabsf(h[d]);
  const float sh = total < INFINITY ? top / 127 : NAN, inverse = sh > 0 ? 1 / sh : 0;
  float sum_q = 0;
  for (ck_int d = 0; d < D; d++) {
    q[d] = inverse > 0 ? rintf(h[d] * inverse) : 0;
    sum_q += fabsf(q[d]);
  }
  const float by_scale = 1.001f * 0.5f * sh * sum_q, by_norm = 1.001f * 0.5f * sh + (float)(D + 8) * 0x1p-22f * top;
  struct CK(best) best = {scores, items, 0, k, {seen, seen + seen_count}};
  for (ck_int v0 = begin; v0 < end; v0 += 64) {
    CK(sixteen) sum[4] = {};
    const int8_t *c = codes + v0 * D;
    for (ck_int d = 0; d < D; d++, c += 64) {
      __builtin_prefetch(c + 4096);
      for (int p = 0; p < 4; p++) sum[p] += q[d] * __builtin_convertvector(*(const CK(codes) *)(c + p * 16), CK(sixteen));
    }
    for (int p = 0; p < 4; p++) {
      alignas(64) float upper[16];
      const CK(sixteen) s = *(const CK(sixteen) *)(scale + v0 + p * 16), n = *(const CK(sixteen) *)(norm + v0 + p * 16);
      *(CK(sixteen) *)upper = (sh * s) * sum[p] + (s * by_scale + n * by_norm);
      for (ck_int i = 0; i < 16; i += CK_LANES) {
        uint32_t bits = passing(upper + i, CK(worst)(&best));
        for (; bits != 0; bits &= bits - 1) {
          const ck_int v = v0 + p * 16 + i + __builtin_ctz(bits);
          if (v >= end) break;
          float score = 0;  // the same chain as in `block`
          for (ck_int d = 0; d < D; d++) score += h[d] * table[v * D + d];
          CK(offer)(&best, score, (int32_t)v);
        }
      }
    }
  }
  CK(finish)(&best);
}

// Adds the scores s[0:n] that rank above, and level with, the score t; NaN is level with NaN alone, below all others.
CK_INLINE void CK(top_count)(const float *s, ck_int n, float t, int32_t *greater, int32_t *equal) {
  words above = {}, level = {};
  for (ck_int i = 0; i < n; i += CK_LANES) {
    const floats x = *(const floats *)(s + i);
    const words valid = before(n - i);
    above -= valid & (t == t ? (words)(x > t) : (words)(x == x));
    level -= valid & (t == t ? (words)(x == t) : (words)(x != x));
  }
  for (int l = 0; l < CK_LANES; l++) {
    *greater += (int32_t)above[l];
    *equal += (int32_t)level[l];
  }
}

static void CK(ck_rank)(int32_t *greater, int32_t *equal, const float *h, const float *table, const float *bias,
                        const int32_t *targets, const int32_t *seen, const int32_t *seen_offsets, ck_int begin,
                        ck_int end, ck_int V, ck_int D) {
#pragma clang fp contract(fast)
  alignas(64) float s[ck_top_users * ck_top_items];
  struct ck_cursor cursor[ck_top_users];
  float score[ck_top_users];
  for (ck_int b = begin; b < end; b += ck_top_users) {
    const ck_int users = least(end - b, ck_top_users);
    for (ck_int u = 0; u < users; u++) {
      const ck_int target = targets[b + u];
      float sum = bias == NULL ? 0 : bias[target];  // the same chain as in `block`
      for (ck_int d = 0; d < D; d++) sum += h[(b + u) * D + d] * table[target * D + d];
      score[u] = sum;
      cursor[u] = ck_seen_from(seen, seen_offsets, b + u);
      greater[b + u] = 0;
      equal[b + u] = -1;  // the target meets itself
    }
    for (ck_int v0 = 0; v0 < V; v0 += ck_top_items) {
      const ck_int n = least(V - v0, ck_top_items);
      tile_scores(s, h + b * D, users, table, bias, v0, n, D);
      for (ck_int u = 0; u < users; u++) {
        const float *row = s + u * ck_top_items;
        CK(top_count)(row, n, score[u], &greater[b + u], &equal[b + u]);
        struct ck_cursor *c = &cursor[u];
        for (; c->at < c->end && *c->at < v0 + n; c->at++) {
          const int32_t v = *c->at;
          if (v < v0 || v == targets[b + u] || (c->at + 1 < c->end && c->at[1] == v)) continue;
          const float x = row[v - v0];
          greater[b + u] -= x > score[u] || (score[u] != score[u] && x == x);
          equal[b + u] -= x == score[u] || (score[u] != score[u] && x != x);
        }
      }
    }
  }
}

#endif
