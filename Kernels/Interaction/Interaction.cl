// Products of features, element by element; sums over all pairs of fields (Rendle 2010), a row of the batch per LANES work-items: local
// memory LANES * ROWS floats.

// y = scale * a * b + c; c may be null
ELEMENT_KERNEL void product_forward(__global float *y, __global const float *a, __global const float *b, __global const float *c,
                                    float scale, int n) {
  const int i = get_global_id(0) * VECTOR;
  vec x = scale * (vload_part(a + i, n - i) * vload_part(b + i, n - i));
  if (c) x += vload_part(c + i, n - i);
  vstore_part(x, y + i, n - i);
}

ELEMENT_KERNEL void product_backward(__global float *da, __global float *db, __global const float *dy, __global const float *a,
                                     __global const float *b, float scale, int n) {
  const int i = get_global_id(0) * VECTOR;
  const vec d = scale * vload_part(dy + i, n - i);
  vstore_part(d * vload_part(b + i, n - i), da + i, n - i);
  vstore_part(d * vload_part(a + i, n - i), db + i, n - i);
}

// y[r] = sum over pairs f < g of e[r,f] . e[r,g]; sums[r,D] = sum over f of e[r,f]
ROW_KERNEL void field_pairs_forward(__global float *y, __global float *sums, __global const float *e, int B, int F, int D) {
  LANE_SCRATCH
  ROW(r, live, B);
  e += (size_t)r * F * D;
  vec pairs = (vec)(0.0f);
  FOR_LANE(d, D) {
    vec sum = (vec)(0.0f);
    for (int f = 0; f < F; f++) {
      const vec x = vload_part(e + f * D + d, D - d);
      pairs = fma(x, sum, pairs);
      sum += x;
    }
    if (live) vstore_part(sum, sums + (size_t)r * D + d, D - d);
  }
  const float total = LANE_SUM(vec_sum(pairs));
  if (live && LANE == 0) y[r] = total;
}

// de[r,f] = dy[r] (sums[r] - e[r,f])
ROW_KERNEL void field_pairs_backward(__global float *de, __global const float *dy, __global const float *sums, __global const float *e,
                                     int B, int F, int D) {
  ROW(r, live, B);
  if (!live) return;
  e += (size_t)r * F * D;
  de += (size_t)r * F * D;
  FOR_LANE(d, D) {
    const vec sum = vload_part(sums + (size_t)r * D + d, D - d);
    for (int f = 0; f < F; f++) vstore_part(dy[r] * (sum - vload_part(e + f * D + d, D - d)), de + f * D + d, D - d);
  }
}

// y[b] = x
ROW_KERNEL void repeated(__global float *y, __global const float *x, int B, int D) {
  ROW(b, live, B);
  if (!live) return;
  FOR_LANE(d, D) vstore_part(vload_part(x + d, D - d), y + (size_t)b * D + d, D - d);
}

// Columns to ..< to + D of y[B,Y] = columns from ..< from + D of x[B,X]
ROW_KERNEL void place_columns(__global float *y, __global const float *x, int B, int D, int Y, int to, int X, int from) {
  ROW(b, live, B);
  if (!live) return;
  FOR_LANE(d, D) vstore_part(vload_part(x + (size_t)b * X + from + d, D - d), y + (size_t)b * Y + to + d, D - d);
}
