// Sums of table rows over jagged bags of ids: a work-group serves ROWS bags (or lookups), a work-item every LANES-th
// element of one. The gradient of the table is segment_sum of Embedding.cl with place = bag. Local memory: LANES * ROWS
// floats in the gradient of the weights, else none.

// y[b] = s * sum over the lookups i of bag b, in order, of c[i] * table[ids[i]]; c may be null (1); s = 1, or 1 /
// (lookups of b) if mean
ROW_KERNEL void embedding_bag_forward(__global float *y, __global const float *table, __global const int *ids,
                                      __global const int *offsets, __global const float *c, int B, int D, int mean) {
  ROW(b, live, B);
  if (!live) return;
  const int first = offsets[b], end = offsets[b + 1];
  const float scale = mean && end > first ? 1.0f / (float)(end - first) : 1.0f;
  y += (size_t)b * D;
  FOR_LANE(d, D) {
    vec sum = (vec)(0.0f);
    for (int i = first; i < end; i++)
      sum = fma((vec)(c ? c[i] : 1.0f), vload_part(table + (size_t)ids[i] * D + d, D - d), sum);
    vstore_part(scale * sum, y + d, D - d);
  }
}

// bag[i] = b for the lookups i of bag b
ROW_KERNEL void bag_places(__global int *bag, __global const int *offsets, int B) {
  ROW(b, live, B);
  if (!live) return;
  for (int i = offsets[b] + LANE; i < offsets[b + 1]; i += LANES) bag[i] = b;
}

// dx[b] = dy[b] / (lookups of b), 0 for an empty bag
ROW_KERNEL void bag_mean_backward(__global float *dx, __global const float *dy, __global const int *offsets, int B,
                                  int D) {
  ROW(b, live, B);
  if (!live) return;
  const int count = offsets[b + 1] - offsets[b];
  const float scale = count > 0 ? 1.0f / (float)count : 0.0f;
  const size_t at = (size_t)b * D;
  FOR_LANE(d, D) vstore_part(scale * vload_part(dy + at + d, D - d), dx + at + d, D - d);
}

// dc[i] = dy[bag[i]] . table[ids[i]]
ROW_KERNEL void bag_weights_backward(__global float *dc, __global const float *dy, __global const float *table,
                                     __global const int *ids, __global const int *bag, int n, int D) {
  LANE_SCRATCH
  ROW(i, live, n);
  const float part = lane_dot(dy + (size_t)bag[i] * D, table + (size_t)ids[i] * D, D);
  const float sum = LANE_SUM(part);
  if (live && LANE == 0) dc[i] = sum;
}
