// Cross-entropy over the whole catalogue on tensor cores, after catalogue.h: no logit is ever in memory (Wijmans et al. 2024, Cut Your
// Losses; Dao 2023 for the loop).

// weight * sums to this warp's rows, += where `accumulate`
INLINE void write_own(__global float *to, float (*sums)[4], int rows, int D, float weight, int accumulate) {
  to += (size_t)get_group_id(0) * OWN_COUNT * D;
  FOR_RESULTS(sums, WIDTH_TILES, c, i) {
    const int row = OWN_ROW + 8 * (i / 2), column = LANE_COLUMN(c, i);
    __global float *place = to + ((row - (int)get_group_id(0) * OWN_COUNT) * D + column);
    if (row < rows && column < D) *place = accumulate ? *place + weight * sums[c][i] : weight * sums[c][i];
  }
}

// m[s,T] = the largest score of each row with the items of chunk s, z[s,T] = the sum of exp(score - m)
TILE_KERNEL void softmax_loss_rows(__global float *m, __global float *z, __global const ushort *h, __global const ushort *table, int T,
                                   int V, int D, int chunk) {
  uint own[STEPS][4];
  float top[2] = {-INFINITY, -INFINITY}, total[2] = {0, 0};
  load_own(own, h, T, D);
  FOR_TILES(table, V) {
    UNROLL for (int r = 0; r < 2; r++) {
      float largest = top[r];
      UNROLL for (int u = 0; u < KEY_TILES; u++)
        UNROLL for (int i = 2 * r; i < 2 * r + 2; i++) {
          scores[u][i] = first + LANE_COLUMN(u, i) < end ? LOG2E * scores[u][i] : -INFINITY;
          largest = fmax(largest, scores[u][i]);
        }
      largest = quad_max(largest, scratch);
      total[r] *= exp2_fast(top[r] - safe(largest));
      top[r] = largest;
      UNROLL for (int u = 0; u < KEY_TILES; u++)
        UNROLL for (int i = 2 * r; i < 2 * r + 2; i++) total[r] += exp2_fast(scores[u][i] - safe(largest));
    }
  }
  UNROLL for (int r = 0; r < 2; r++) {
    const int t = OWN_ROW + 8 * r;
    total[r] = quad_sum(total[r], scratch);
    if (WARP_LANE % 4 == 0 && t < T) {
      m[get_group_id(1) * (size_t)T + t] = top[r] / LOG2E;
      z[get_group_id(1) * (size_t)T + t] = total[r];
    }
  }
}

// dh[s,T,D] = weight * sum over the items of chunk s of (exp(score - lse) - [item == target]) E[item]
TILE_KERNEL void softmax_loss_backward_rows(__global float *dh, __global const ushort *h, __global const ushort *table,
                                            __global const float *lse, __global const int *targets, int T, int V, int D, int chunk,
                                            float weight) {
  uint own[STEPS][4];
  float sums[WIDTH_TILES][4], row_lse[2];
  int target[2];
  FOR_RESULTS(sums, WIDTH_TILES, c, i) sums[c][i] = 0;
  load_own(own, h, T, D);
  UNROLL for (int r = 0; r < 2; r++) {
    const int t = min(OWN_ROW + 8 * r, T - 1);
    row_lse[r] = LOG2E * lse[t];
    target[r] = targets[t];
  }
  FOR_TILES(table, V) {
    FOR_RESULTS(scores, KEY_TILES, u, i) {
      const int item = first + LANE_COLUMN(u, i);
      const float p = exp2_fast(LOG2E * scores[u][i] - row_lse[i / 2]) - (item == target[i / 2] ? 1.0f : 0.0f);
      scores[u][i] = item < end ? p : 0;
    }
    add_product(sums, scores, memory + TILE(n), scratch);
  }
  write_own(dh + get_group_id(1) * (size_t)T * D, sums, T, D, weight, 0);
}

// dtable[s,V,D] (+)= weight * sum over the rows t of chunk s of (exp(score - lse[t]) - [item == target[t]]) h[t]
TILE_KERNEL void softmax_loss_backward_items(__global float *dtable, __global const ushort *h, __global const ushort *table,
                                             __global const float *lse, __global const int *targets, int T, int V, int D, int chunk,
                                             float weight, int accumulate) {
  uint own[STEPS][4];
  float sums[WIDTH_TILES][4];
  FOR_RESULTS(sums, WIDTH_TILES, c, i) sums[c][i] = 0;
  load_own(own, table, V, D);
  FOR_TILES(h, T) {
    UNROLL for (int u = 0; u < KEY_TILES; u++)
      UNROLL for (int parity = 0; parity < 2; parity++) {
        const int t = first + LANE_COLUMN(u, parity), last = min(t, end - 1);
        const float row_lse = LOG2E * lse[last];
        const int target = targets[last];
        UNROLL for (int i = parity; i < 4; i += 2) {
          const float p = exp2_fast(LOG2E * scores[u][i] - row_lse) - (OWN_ROW + 8 * (i / 2) == target ? 1.0f : 0.0f);
          scores[u][i] = t < end ? p : 0;
        }
      }
    add_product(sums, scores, memory + TILE(n), scratch);
  }
  write_own(dtable + get_group_id(1) * (size_t)V * D, sums, V, D, weight, accumulate);
}
