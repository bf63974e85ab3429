// The k best items and the rank of a target, one tile of items at a time: the host fills scores[B,n] = h E[v0 ..< v0 +
// n]^T with matmul_transposed. Selection keeps the running best in local memory and prunes by a total order (score,
// then lower index), so that the result depends neither on timing nor on the batch (Johnson et al. 2019, faiss). top_k:
// a work-group of SELECT_ITEMS serves one user, SELECT_ROUND items each between barriers; local memory CANDIDATES * 8
// bytes. Rows kernels: LANES * ROWS floats.
#ifndef SELECT_ITEMS
#define SELECT_ITEMS 128
#endif
#ifndef SELECT_ROUND
#define SELECT_ROUND 4
#endif
#ifndef CANDIDATES
#define CANDIDATES 2048
#endif
#define STEP (SELECT_ITEMS * SELECT_ROUND)

// Order of a score as an integer: missing 0 < NaN 1 < -infinity < ... < +infinity; -0 counts as 0
uint score_order(float score) {
  if (isnan(score)) return 1;
  const uint bits = as_uint(score + 0.0f);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
float score_of(uint order) {
  if (order == 0) return -INFINITY;
  if (order == 1) return NAN;
  return as_float(order & 0x80000000u ? order & 0x7fffffffu : ~order);
}
ulong candidate(float score, int item) { return (ulong)score_order(score) << 32 | (uint)~item; }

// First place in seen[first ..< end], ascending, whose item is >= item
int lower_bound(__global const int *seen, int first, int end, int item) {
  while (first < end) {
    const int middle = (first + end) / 2;
    if (seen[middle] < item)
      first = middle + 1;
    else
      end = middle;
  }
  return first;
}

// Bitonic sort, descending, of best[0 ..< count], filled with 0 up to a power of two. Batcher 1968.
void sort_candidates(__local ulong *best, int count) {
  int size = 1;
  while (size < count) size *= 2;
  for (int i = count + (int)get_local_id(0); i < size; i += SELECT_ITEMS) best[i] = 0;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int block = 2; block <= size; block *= 2)
    for (int step = block / 2; step > 0; step /= 2) {
      for (int pair = get_local_id(0); pair < size / 2; pair += SELECT_ITEMS) {
        const int i = (pair / step) * 2 * step + pair % step;
        const ulong a = best[i], b = best[i + step];
        if ((a < b) == ((i & block) == 0)) {
          best[i] = b;
          best[i + step] = a;
        }
      }
      barrier(CLK_LOCAL_MEM_FENCE);
    }
}

// The best of this user so far, k of them, and what is found meanwhile: `count` in all
#define BEST \
  __local ulong best[CANDIDATES]; \
  __local int count; \
  const int b = get_group_id(0), item = get_local_id(0); \
  const int seen_first = seen ? seen_offsets[b] : 0, seen_end = seen ? seen_offsets[b + 1] : 0; \
  values += (size_t)b * k; \
  items += (size_t)b * k;
#define START_BEST(is_first) \
  for (int i = item; i < k; i += SELECT_ITEMS) best[i] = (is_first) || items[i] < 0 ? 0 : candidate(values[i], items[i]); \
  if (item == 0) count = k; \
  barrier(CLK_LOCAL_MEM_FENCE);
// Of n items, VALUE with score SCORE the i-th, those that are not seen
#define SELECT(n, VALUE, SCORE) \
  ulong threshold = best[k - 1]; \
  const int limit = min(CANDIDATES - STEP, 2 * k + STEP); \
  for (int start = 0; start < (n); start += STEP) { \
    for (int i = start + item; i < min(n, start + STEP); i += SELECT_ITEMS) { \
      const int v = VALUE; \
      const ulong key = candidate(SCORE, v); \
      if (key > threshold) { \
        const int place = lower_bound(seen, seen_first, seen_end, v); \
        if (place == seen_end || seen[place] != v) best[atomic_inc(&count)] = key; \
      } \
    } \
    barrier(CLK_LOCAL_MEM_FENCE); \
    const int filled = count; \
    barrier(CLK_LOCAL_MEM_FENCE); \
    if (filled > limit || (start + STEP >= (n) && filled > k)) { \
      sort_candidates(best, filled); \
      threshold = best[k - 1]; \
      if (item == 0) count = k; \
      barrier(CLK_LOCAL_MEM_FENCE); \
    } \
  }
#define END_BEST \
  for (int i = item; i < k; i += SELECT_ITEMS) { \
    values[i] = score_of((uint)(best[i] >> 32)); \
    items[i] = best[i] >> 32 == 0 ? -1 : (int)~(uint)best[i]; \
  }

// values[B,k], items[B,k]: the best of the tiles so far; the tile with v0 == 0 starts them. bias and seen may be null;
// k <= CANDIDATES - STEP.
__kernel __attribute__((reqd_work_group_size(SELECT_ITEMS, 1, 1))) void top_k(
    __global float *values, __global int *items, __global const float *scores, __global const float *bias,
    __global const int *seen, __global const int *seen_offsets, int v0, int n, int k) {
  BEST
  scores += (size_t)b * n;
  START_BEST(v0 == 0)
  SELECT(n, v0 + i, scores[i] + (bias ? bias[v] : 0.0f))
  END_BEST
}

// The same of the items that top_k_candidates found among v0 ..< v0 + n, whose exact scores h[b] . E[v] are made here, in the order of
// matmul_transposed: the same bits. Where more were found than have a place, of all n. Sets counts back to 0.
__kernel __attribute__((reqd_work_group_size(SELECT_ITEMS, 1, 1))) void top_k_of_candidates(
    __global float *values, __global int *items, __global int *counts, __global const int *candidates, __global const float *h,
    __global const float *table, __global const int *seen, __global const int *seen_offsets, int v0, int n, int D, int k,
    int capacity) {
  BEST
  const int found = counts[b];
  candidates += (size_t)b * capacity;
  h += (size_t)b * D;
  START_BEST(0)
  if (item == 0) counts[b] = 0;
  SELECT(found > capacity ? n : found, found > capacity ? v0 + i : candidates[i], item_dot(h, table + (size_t)v * D, D))
  END_BEST
}

// Rows first ..< first + n of x[.,D] in bfloat16, and their lengths, a little too large: nothing below 1e-15 is lost
ROW_KERNEL void top_k_round(__global ushort *y, __global float *norms, __global const float *x, int first, int n, int D) {
  LANE_SCRATCH
  ROW(t, live, n);
  x += (size_t)(first + t) * D;
  y += (size_t)t * D;
  float sum = 0;
  for (int d = LANE; d < D; d += LANES) {
    sum = fma(x[d], x[d], sum);
    if (live) y[d] = (ushort)(as_uint(round_bf16(x[d])) >> 16);
  }
  sum = LANE_SUM(sum);
  if (LANE == 0 && live) norms[t] = sqrt(sum) + 1e-15f;
}

// target_scores[b] = h[b] . E[targets[b]] + bias, in the order of matmul_transposed: the same bits. A work-item per
// user.
ELEMENT_KERNEL void rank_targets(__global float *target_scores, __global const float *h, __global const float *table,
                                 __global const float *bias, __global const int *targets, int B, int D) {
  const int b = get_global_id(0);
  if (b >= B) return;
  const float score = item_dot(h + (size_t)b * D, table + (size_t)targets[b] * D, D);
  target_scores[b] = score + (bias ? bias[targets[b]] : 0.0f);
}

// greater[b], equal[b] += items of the tile that are not seen and not the target; the tile with v0 == 0 starts them.
// All items are counted, then the seen ones and the target are taken back.
ROW_KERNEL void rank(__global int *greater, __global int *equal, __global const float *scores,
                     __global const float *target_scores, __global const float *bias, __global const int *targets,
                     __global const int *seen, __global const int *seen_offsets, int B, int v0, int n) {
  LANE_SCRATCH
  ROW(b, live, B);
  scores += (size_t)b * n;
  const uint own = score_order(target_scores[b]);
  const int target = targets[b];
  int above = 0, level = 0;
  for (int i = LANE; i < n; i += LANES) {
    const uint order = score_order(scores[i] + (bias ? bias[v0 + i] : 0.0f));
    above += order > own;
    level += order == own;
  }
  const int first = seen ? seen_offsets[b] : 0, end = seen ? seen_offsets[b + 1] : 0;
  for (int s = lower_bound(seen, first, end, v0) + LANE; s < end; s += LANES) {
    const int item = seen[s];
    if (item >= v0 + n) break;
    if (item == target || (s > first && seen[s - 1] == item)) continue;
    const uint order = score_order(scores[item - v0] + (bias ? bias[item] : 0.0f));
    above -= order > own;
    level -= order == own;
  }
  if (LANE == 0 && target >= v0 && target < v0 + n) level -= 1;
  above = (int)LANE_SUM((float)above);
  level = (int)LANE_SUM((float)level);
  if (LANE == 0 && live) {
    greater[b] = above + (v0 == 0 ? 0 : greater[b]);
    equal[b] = level + (v0 == 0 ? 0 : equal[b]);
  }
}
