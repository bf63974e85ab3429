// Gated recurrent units over jagged sequences. A work-group steps through one sequence, a work-item through every
// SELECT_ITEMS-th unit; the state is in local memory, 2 * WIDTH floats for D <= WIDTH: 32 KiB at the widest. The backward reads what its neighbours wrote
// to du from global memory. shares[T] may be null: then they are 1.
#ifndef SELECT_ITEMS
#define SELECT_ITEMS 64
#endif
#ifndef WIDTH
#define WIDTH 256
#endif
#define GRU_KERNEL __kernel __attribute__((reqd_work_group_size(SELECT_ITEMS, 1, 1)))
#define FOR_UNIT(d) for (int d = get_local_id(0); d < D; d += SELECT_ITEMS)

// h[T,D], gates[T,4D] = z, r, n, a from x[T,3D] = x W + b, u[D,3D], c[3D]
GRU_KERNEL void gru_forward(__global float *h, __global float *gates, __global const float *x, __global const float *u,
                            __global const float *c, __global const float *shares, __global const int *offsets, int D) {
  __local float state[2 * WIDTH];
  const int start = offsets[get_group_id(0)], end = offsets[get_group_id(0) + 1];
  __local float *next = state + WIDTH;
  FOR_UNIT(d) state[d] = 0;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int t = start; t < end; t++) {
    __global const float *in = x + (size_t)t * 3 * D;
    __global float *g = gates + (size_t)t * 4 * D;
    FOR_UNIT(d) {
      float own_z = c[d], own_r = c[D + d], a = c[2 * D + d];
      for (int p = 0; p < D; p++) {
        const float s = state[p];
        own_z = fma(s, u[p * 3 * D + d], own_z);
        own_r = fma(s, u[p * 3 * D + D + d], own_r);
        a = fma(s, u[p * 3 * D + 2 * D + d], a);
      }
      const float z = SIGMOID(in[d] + own_z), reset = SIGMOID(in[D + d] + own_r);
      const float candidate = tanh(in[2 * D + d] + reset * a);
      g[d] = z;
      g[D + d] = reset;
      g[2 * D + d] = candidate;
      g[3 * D + d] = a;
      next[d] = candidate + (shares ? 1.0f - shares[t] * (1.0f - z) : z) * (state[d] - candidate);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    FOR_UNIT(d) {
      state[d] = next[d];
      h[(size_t)t * D + d] = next[d];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
}

// dx[T,3D], du[T,3D] (of h U + c), before[T,D] (the state before each row), dshares[T] from dh[T,D]
GRU_KERNEL void gru_backward(__global float *dx, __global float *du, __global float *before, __global float *dshares,
                             __global const float *dh, __global const float *h, __global const float *gates,
                             __global const float *shares, __global const float *u, __global const int *offsets, int D) {
  __local float state[2 * WIDTH];
  const int start = offsets[get_group_id(0)], end = offsets[get_group_id(0) + 1];
  __local float *direct = state + WIDTH;
  FOR_UNIT(d) state[d] = 0;
  barrier(CLK_LOCAL_MEM_FENCE);
  for (int t = end - 1; t >= start; t--) {
    __global const float *g = gates + (size_t)t * 4 * D;
    __global float *in = dx + (size_t)t * 3 * D, *out = du + (size_t)t * 3 * D;
    FOR_UNIT(d) {
      const float z = g[d], reset = g[D + d], candidate = g[2 * D + d], dy = dh[(size_t)t * D + d] + state[d];
      const float last = t > start ? h[(size_t)(t - 1) * D + d] : 0.0f;
      const float share = shares ? shares[t] : 1.0f, kept = shares ? 1.0f - share * (1.0f - z) : z;
      const float dn = dy * (1.0f - kept) * (1.0f - candidate * candidate), dz = share * (dy * (last - candidate) * z * (1.0f - z));
      const float dr = dn * g[3 * D + d] * reset * (1.0f - reset);
      in[d] = out[d] = dz;
      in[D + d] = out[D + d] = dr;
      in[2 * D + d] = dn;
      out[2 * D + d] = dn * reset;
      before[(size_t)t * D + d] = last;
      direct[d] = dy * kept;
    }
    // Before the state changes, one work-item for all units.
    if (shares && get_local_id(0) == 0) {
      float sum = 0;
      for (int d = 0; d < D; d++) {
        const float last = t > start ? h[(size_t)(t - 1) * D + d] : 0.0f;
        sum += (dh[(size_t)t * D + d] + state[d]) * (last - g[2 * D + d]) * (g[d] - 1.0f);
      }
      dshares[t] = sum;
    }
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE);
    FOR_UNIT(d) {
      float sum = direct[d];
      for (int q = 0; q < 3 * D; q++) sum = fma(out[q], u[d * 3 * D + q], sum);
      state[d] = sum;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
  }
}
