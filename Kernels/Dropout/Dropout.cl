// Inverted dropout with counter-based bits (Common/random.h), element by element: a work-item computes VECTOR
// neighbours. No local memory. Srivastava et al. 2014.

// y = (r) + x * keep / (1 - rate); r may be null
ELEMENT_KERNEL void dropout(__global float *y, __global const float *x, __global const float *r, int n, ulong seed,
                            float rate) {
  const int i = get_global_id(0) * VECTOR;
  vec kept = vec_dropout(vload_part(x + i, n - i), i, seed, rate);
  if (r) kept += vload_part(r + i, n - i);
  vstore_part(kept, y + i, n - i);
}
