// Table look-up and its gradient: a work-group serves ROWS rows, a work-item every LANES-th element of one. No local
// memory.

// y[t] = drop(scale * table[ids[t]] + positions[place[t]]); positions may be null
ROW_KERNEL void embedding_forward(__global float *y, __global const float *table, __global const int *ids,
                                  __global const float *positions, __global const int *place, int T, int D,
                                  float scale, ulong seed, float rate) {
  ROW(t, live, T);
  if (!live) return;
  y += (size_t)t * D;
  table += (size_t)ids[t] * D;
  if (positions) positions += (size_t)place[t] * D;
  FOR_LANE(d, D) {
    vec x = scale * vload_part(table + d, D - d);
    if (positions) x += vload_part(positions + d, D - d);
    vstore_part(rate > 0 ? vec_dropout(x, t * D + d, seed, rate) : x, y + d, D - d);
  }
}

// dtable[rows[u]] += scale * sum over i in segments[u] ..< segments[u+1], in order, of c[o] * drop(x)[place[o]], o =
// order[i]; c may be null (1), place may be null (o / divisor). Distinct u name distinct rows: no two work-groups write
// the same one.
ROW_KERNEL void segment_sum(__global float *dtable, __global const float *x, __global const float *c,
                            __global const int *place, __global const int *order, __global const int *segments,
                            __global const int *rows, int U, int D, int divisor, float scale, ulong seed,
                            float rate) {
  ROW(u, live, U);
  if (!live) return;
  dtable += (size_t)rows[u] * D;
  const int first = segments[u], end = segments[u + 1];
  FOR_LANE(d, D) {
    vec sum = (vec)(0.0f);
    for (int i = first; i < end; i++) {
      const int o = order[i];
      const int t = place ? place[o] : divisor == 1 ? o : o / divisor;
      vec part = vload_part(x + (size_t)t * D + d, D - d);
      if (rate > 0) part = vec_dropout(part, t * D + d, seed, rate);
      sum = fma((vec)(c ? c[o] : 1.0f), part, sum);
    }
    vstore_part(vload_part(dtable + d, D - d) + scale * sum, dtable + d, D - d);
  }
}

// Row moves[u] = (place, leaving, entering) of a cache: outside[leaving] takes inside[place], which then takes
// outside[entering]; -1: none. All places are distinct, and no row both leaves and enters.
ROW_KERNEL void exchange_rows(__global float *inside, __global float *outside, __global const int *moves, int U,
                              int D) {
  ROW(u, live, U);
  if (!live) return;
  const int leaving = moves[3 * u + 1], entering = moves[3 * u + 2];
  inside += (size_t)moves[3 * u] * D;
  FOR_LANE(d, D) {
    // Asked for first: it comes over the bus.
    const vec next = entering >= 0 ? vload_part(outside + (size_t)entering * D + d, D - d) : (vec)(0.0f);
    if (leaving >= 0) vstore_part(vload_part(inside + d, D - d), outside + (size_t)leaving * D + d, D - d);
    if (entering >= 0) vstore_part(next, inside + d, D - d);
  }
}
