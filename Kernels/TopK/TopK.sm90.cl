// Which items can be among the best, on tensor cores, after SoftmaxLoss/catalogue.h: products of rounded factors bound every score from
// above, TopK.cl makes the exact scores of the few that remain. Factors in bfloat16 are off by at most 2^-8 of themselves, so that a
// score is off by at most margin |h| |E[v]|, margin a little above 2^-7 (Cauchy, Schwarz; sums in float32 included).

// candidates[B,capacity]: the items v0 + i of this table[n,D] whose score may reach the k-th best so far, the last of values[B,k], in no
// order; counts[b] += how many there are, which may be more than have a place. norms[n] of the items, own_norms[B] of h, both a little too
// large. What is no number is a candidate.
TILE_KERNEL void top_k_candidates(__global int *counts, __global int *candidates, __global const ushort *h,
                                  __global const ushort *table, __global const float *own_norms, __global const float *norms,
                                  __global const float *values, int B, int n, int D, int k, int v0, int chunk, int capacity,
                                  float margin) {
  uint own[STEPS][4];
  float slack[2], threshold[2];
  load_own(own, h, B, D);
  UNROLL for (int r = 0; r < 2; r++) {
    const int b = min(OWN_ROW + 8 * r, B - 1);
    slack[r] = margin * own_norms[b];
    threshold[r] = values[(size_t)b * k + k - 1];
  }
  FOR_TILES(table, n) {
    uint found = 0;
    UNROLL for (int u = 0; u < KEY_TILES; u++)
      UNROLL for (int i = 0; i < 4; i++) {
        const float norm = norms[min(first + LANE_COLUMN(u, i), end - 1)];
        found |= (uint) !(scores[u][i] + slack[i / 2] * norm < threshold[i / 2]) << (4 * u + i);
      }
    while (found) {
      const int bit = 31 - clz(found), b = OWN_ROW + 8 * (bit % 4 / 2), item = first + LANE_COLUMN(bit / 4, bit);
      found ^= 1u << bit;
      if (b >= B || item >= end) continue;
      const int place = atomic_inc(&counts[b]);
      if (place < capacity) candidates[(size_t)b * capacity + place] = v0 + item;
    }
  }
}
