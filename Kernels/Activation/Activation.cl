// Activations and sums, element by element: a work-item computes VECTOR neighbours. No local memory.
// Hendrycks and Gimpel 2016 (GELU), Ramachandran et al. 2017 (SiLU).

ELEMENT_KERNEL void activation_forward(__global float *y, __global const float *x, int n, int kind) {
  const int i = get_global_id(0) * VECTOR;
  vstore_part(vec_activation(vload_part(x + i, n - i), kind), y + i, n - i);
}

// dx = dy * act'(x), x the value before the activation
ELEMENT_KERNEL void activation_backward(__global float *dx, __global const float *dy, __global const float *x, int n,
                                        int kind) {
  const int i = get_global_id(0) * VECTOR;
  vstore_part(vload_part(dy + i, n - i) * vec_activation_slope(vload_part(x + i, n - i), kind), dx + i, n - i);
}

// y = a + b; y may be a
ELEMENT_KERNEL void add(__global float *y, __global const float *a, __global const float *b, int n) {
  const int i = get_global_id(0) * VECTOR;
  vstore_part(vload_part(a + i, n - i) + vload_part(b + i, n - i), y + i, n - i);
}

ELEMENT_KERNEL void fill(__global float *y, int n, float value) {
  const int i = get_global_id(0) * VECTOR;
  vstore_part((vec)(value), y + i, n - i);
}

// y = x rounded to bfloat16, to nearest even. A work-item owns VECTOR elements.
ELEMENT_KERNEL void round_to_bfloat16(__global ushort *y, __global const float *x, int n) {
  const int first = get_global_id(0) * VECTOR;
  for (int i = first; i < min(n, first + VECTOR); i++) y[i] = (ushort)(as_uint(round_bf16(x[i])) >> 16);
}

// y = the bfloat16 x as float32
ELEMENT_KERNEL void widen_bfloat16(__global float *y, __global const ushort *x, int n) {
  const int first = get_global_id(0) * VECTOR;
  for (int i = first; i < min(n, first + VECTOR); i++) y[i] = as_float((uint)x[i] << 16);
}

// y = a y + b x
ELEMENT_KERNEL void combine(__global float *y, float a, __global const float *x, float b, int n) {
  const int i = get_global_id(0) * VECTOR;
  vstore_part(a * vload_part(y + i, n - i) + b * vload_part(x + i, n - i), y + i, n - i);
}

// Puts 32 stretches of `from`, which lie behind each other, in their places: words end(k-1) ..< end(k) are those of to(k). One that is not
// there is empty.
#define STRETCH(k) __global uint *to##k, int end##k
#define STRETCH_AT(k, before) \
  if (i >= end##before) { \
    to = to##k; \
    start = end##before; \
  }
ELEMENT_KERNEL void unpack(__global const uint *from, SIXTEEN(STRETCH), STRETCH(16), STRETCH(17), STRETCH(18), STRETCH(19), STRETCH(20),
                           STRETCH(21), STRETCH(22), STRETCH(23), STRETCH(24), STRETCH(25), STRETCH(26), STRETCH(27), STRETCH(28),
                           STRETCH(29), STRETCH(30), STRETCH(31)) {
  const int first = get_global_id(0) * VECTOR;
  for (int i = first; i < min(end31, first + VECTOR); i++) {
    __global uint *to = to0;
    int start = 0;
    PICKED(STRETCH_AT)
    STRETCH_AT(16, 15) STRETCH_AT(17, 16) STRETCH_AT(18, 17) STRETCH_AT(19, 18) STRETCH_AT(20, 19) STRETCH_AT(21, 20)
    STRETCH_AT(22, 21) STRETCH_AT(23, 22) STRETCH_AT(24, 23) STRETCH_AT(25, 24) STRETCH_AT(26, 25) STRETCH_AT(27, 26)
    STRETCH_AT(28, 27) STRETCH_AT(29, 28) STRETCH_AT(30, 29) STRETCH_AT(31, 30)
    to[i - start] = from[i];
  }
}
