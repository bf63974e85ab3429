// Squared error, element by element: a work-item computes VECTOR neighbours. No local memory.

// loss = (x - y)^2, dx = weight * 2 (x - y)
ELEMENT_KERNEL void mse(__global float *loss, __global float *dx, __global const float *x, __global const float *y,
                        int n, float weight) {
  const int i = get_global_id(0) * VECTOR;
  const vec difference = vload_part(x + i, n - i) - vload_part(y + i, n - i);
  vstore_part(difference * difference, loss + i, n - i);
  vstore_part(weight * 2.0f * difference, dx + i, n - i);
}
