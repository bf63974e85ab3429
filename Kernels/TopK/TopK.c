// Scores of the catalogue streamed tile by tile: the k best of each user, or the rank of one item.
#ifndef CK_BODY
#define CK_FILE "../TopK/TopK.c"
#include "../Common/isa.h"

CK_DISPATCH(void, ck_top_k,
            (float *scores, int32_t *items, const float *h, const float *table, const float *bias, const int32_t *seen,
             const int32_t *seen_offsets, ck_int begin, ck_int end, ck_int V, ck_int D, ck_int k),
            (scores, items, h, table, bias, seen, seen_offsets, begin, end, V, D, k))
CK_DISPATCH(void, ck_rank,
            (int32_t *greater, int32_t *equal, const float *h, const float *table, const float *bias, const int32_t *targets,
             const int32_t *seen, const int32_t *seen_offsets, ck_int begin, ck_int end, ck_int V, ck_int D),
            (greater, equal, h, table, bias, targets, seen, seen_offsets, begin, end, V, D))

const char *ck_opencl_top_k(void) {
  static const char text[] = {
#embed "TopK.cl"
      , 0};
  return text;
}

#else

enum { CK(tile) = 256 };  // items scored at a time

typedef float CK(lanes) __attribute__((vector_size(4 * CK_LANES), aligned(4)));

// The one order in which a score is summed: CK_LANES partial sums along D, halved until one is left, then the tail.
CK_INLINE float CK(reduced)(CK(lanes) sum) {
  float part[CK_LANES];
  memcpy(part, &sum, sizeof part);
  for (int half = CK_LANES / 2; half > 0; half /= 2)
    for (int i = 0; i < half; i++) part[i] += part[i + half];
  return part[0];
}

CK_INLINE float CK(tail)(float score, const float *a, const float *b, ck_int from, ck_int D) {
#pragma clang fp contract(off)
  for (ck_int i = from; i < D; i++) score += a[i] * b[i];
  return score;
}

// Four items against one user: four chains of sums hide the latency, each in the order of a single one.
static void CK(score_tile)(float *s, const float *h, const float *table, const float *bias, ck_int v0, ck_int n, ck_int D) {
#pragma clang fp contract(fast)
  const ck_int whole = D / CK_LANES * CK_LANES;
  ck_int v = 0;
  for (; v + 4 <= n; v += 4) {
    const float *row = table + (v0 + v) * D;
    CK(lanes) a = {0}, b = {0}, c = {0}, d = {0};
    for (ck_int i = 0; i < whole; i += CK_LANES) {
      CK(lanes) x = *(const CK(lanes) *)(h + i);
      a += x * *(const CK(lanes) *)(row + i);
      b += x * *(const CK(lanes) *)(row + D + i);
      c += x * *(const CK(lanes) *)(row + 2 * D + i);
      d += x * *(const CK(lanes) *)(row + 3 * D + i);
    }
    s[v] = CK(tail)(CK(reduced)(a), h, row, whole, D);
    s[v + 1] = CK(tail)(CK(reduced)(b), h, row + D, whole, D);
    s[v + 2] = CK(tail)(CK(reduced)(c), h, row + 2 * D, whole, D);
    s[v + 3] = CK(tail)(CK(reduced)(d), h, row + 3 * D, whole, D);
  }
  for (; v < n; v++) {
    const float *row = table + (v0 + v) * D;
    CK(lanes) a = {0};
    for (ck_int i = 0; i < whole; i += CK_LANES) a += *(const CK(lanes) *)(h + i) * *(const CK(lanes) *)(row + i);
    s[v] = CK(tail)(CK(reduced)(a), h, row, whole, D);
  }
  if (bias)
    for (v = 0; v < n; v++) s[v] += bias[v0 + v];
}

// Seen items of the tile become NaN, which no comparison prefers.
CK_INLINE ck_int CK(leave_out)(float *s, const int32_t *seen, ck_int at, ck_int stop, ck_int v0, ck_int n) {
  while (at < stop && seen[at] < v0) at++;
  while (at < stop && seen[at] < v0 + n) s[seen[at++] - v0] = NAN;
  return at;
}

// A list of the k best so far, best first; a new one is moved up to its place. NaN never enters.
static void CK(ck_top_k)(float *scores, int32_t *items, const float *h, const float *table, const float *bias,
                         const int32_t *seen, const int32_t *seen_offsets, ck_int begin, ck_int end, ck_int V, ck_int D, ck_int k) {
  float s[CK(tile)];
  for (ck_int b = begin; b < end; b++) {
    float *best = scores + b * k;
    int32_t *who = items + b * k;
    for (ck_int i = 0; i < k; i++) best[i] = -INFINITY, who[i] = -1;
    ck_int at = seen_offsets[b], count = 0;
    for (ck_int v0 = 0; v0 < V; v0 += CK(tile)) {
      ck_int n = V - v0 < CK(tile) ? V - v0 : CK(tile);
      CK(score_tile)(s, h + b * D, table, bias, v0, n, D);
      at = CK(leave_out)(s, seen, at, seen_offsets[b + 1], v0, n);
      for (ck_int i = 0; i < n; i++) {
        if (!(s[i] == s[i]) || (count == k && !(s[i] > best[k - 1]))) continue;
        ck_int place = count < k ? count++ : k - 1;
        for (; place > 0 && s[i] > best[place - 1]; place--) best[place] = best[place - 1], who[place] = who[place - 1];
        best[place] = s[i];
        who[place] = (int32_t)(v0 + i);
      }
    }
  }
}

static void CK(ck_rank)(int32_t *greater, int32_t *equal, const float *h, const float *table, const float *bias,
                        const int32_t *targets, const int32_t *seen, const int32_t *seen_offsets, ck_int begin, ck_int end,
                        ck_int V, ck_int D) {
  float s[CK(tile)], own;
  for (ck_int b = begin; b < end; b++) {
    CK(score_tile)(&own, h + b * D, table, bias, targets[b], 1, D);
    int32_t above = 0, same = 0;
    ck_int at = seen_offsets[b];
    for (ck_int v0 = 0; v0 < V; v0 += CK(tile)) {
      ck_int n = V - v0 < CK(tile) ? V - v0 : CK(tile);
      CK(score_tile)(s, h + b * D, table, bias, v0, n, D);
      at = CK(leave_out)(s, seen, at, seen_offsets[b + 1], v0, n);
      ck_int mine = targets[b] - v0;
      if (mine >= 0 && mine < n) s[mine] = NAN;
      // A target that is no number stands behind everything that is one.
      for (ck_int i = 0; i < n; i++) {
        above += own == own ? s[i] > own : s[i] == s[i];
        same += s[i] == own;
      }
    }
    greater[b] = above;
    equal[b] = same;
  }
}
#endif
