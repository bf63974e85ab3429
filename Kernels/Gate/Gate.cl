// Gated units. SwiGLU (Shazeer 2020): a row of the batch per LANES work-items; the residual gate of LiGR (LinkedIn
// 2025): element by element. No local memory.

// y[t,F] = silu(a) * b, ab[t] = a[F], b[F]
ROW_KERNEL void swiglu_forward(__global float *y, __global const float *ab, int T, int F) {
  ROW(t, live, T);
  if (!live) return;
  __global const float *a = ab + (size_t)t * 2 * F, *b = a + F;
  y += (size_t)t * F;
  FOR_LANE(f, F) {
    const vec x = vload_part(a + f, F - f);
    vstore_part(x * SIGMOID(x) * vload_part(b + f, F - f), y + f, F - f);
  }
}

ROW_KERNEL void swiglu_backward(__global float *dab, __global const float *dy, __global const float *ab, int T, int F) {
  ROW(t, live, T);
  if (!live) return;
  __global const float *a = ab + (size_t)t * 2 * F, *b = a + F;
  __global float *da = dab + (size_t)t * 2 * F, *db = da + F;
  dy += (size_t)t * F;
  FOR_LANE(f, F) {
    const vec x = vload_part(a + f, F - f), s = SIGMOID(x), g = vload_part(dy + f, F - f);
    const vec gate = vload_part(b + f, F - f);
    vstore_part(g * gate * (s * (1.0f + x * (1.0f - s))), da + f, F - f);
    vstore_part(g * (x * s), db + f, F - f);
  }
}

// y = x + sigmoid(g) * drop(z)
ELEMENT_KERNEL void gated_residual_forward(__global float *y, __global const float *x, __global const float *g,
                                           __global const float *z, int n, ulong seed, float rate) {
  const int i = get_global_id(0) * VECTOR;
  const vec kept = vec_dropout(vload_part(z + i, n - i), i, seed, rate), s = SIGMOID(vload_part(g + i, n - i));
  vstore_part(vload_part(x + i, n - i) + s * kept, y + i, n - i);
}

// dg = dy * drop(z) * s (1 - s), dz = drop(dy * s)
ELEMENT_KERNEL void gated_residual_backward(__global float *dg, __global float *dz, __global const float *dy,
                                            __global const float *g, __global const float *z, int n, ulong seed,
                                            float rate) {
  const int i = get_global_id(0) * VECTOR;
  const vec s = SIGMOID(vload_part(g + i, n - i)), d = vload_part(dy + i, n - i);
  const vec kept = vec_dropout(vload_part(z + i, n - i), i, seed, rate);
  vstore_part(d * kept * (s * (1.0f - s)), dg + i, n - i);
  vstore_part(vec_dropout(d * s, i, seed, rate), dz + i, n - i);
}
