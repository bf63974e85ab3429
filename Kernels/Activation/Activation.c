// Elementwise activations, forward and backward.
#ifndef CK_BODY
#define CK_FILE "../Activation/Activation.c"
#include "../Common/isa.h"

CK_DISPATCH(void, ck_activation_forward, (float *y, const float *x, ck_int begin, ck_int end, int kind), (y, x, begin, end, kind))
CK_DISPATCH(void, ck_activation_backward, (float *dx, const float *dy, const float *x, ck_int begin, ck_int end, int kind),
            (dx, dy, x, begin, end, kind))
CK_DISPATCH(void, ck_add, (float *y, const float *x, ck_int begin, ck_int end), (y, x, begin, end))

const char *ck_opencl_activation(void) {
  static const char text[] = {
#embed "Activation.cl"
      , 0};
  return text;
}

#else
#include "act.h"

CK_INLINE void CK(forward_of)(float *y, const float *x, ck_int begin, ck_int end, int kind) {
  CK_PARALLEL for (ck_int i = begin; i < end; i++) y[i] = ck_act(x[i], kind);
}

CK_INLINE void CK(backward_of)(float *dx, const float *dy, const float *x, ck_int begin, ck_int end, int kind) {
  CK_PARALLEL for (ck_int i = begin; i < end; i++) dx[i] = dy[i] * ck_act_derivative(x[i], kind);
}

static void CK(ck_activation_forward)(float *y, const float *x, ck_int begin, ck_int end, int kind) {
  switch (kind) {
    case CK_RELU: return CK(forward_of)(y, x, begin, end, CK_RELU);
    case CK_GELU: return CK(forward_of)(y, x, begin, end, CK_GELU);
    case CK_SILU: return CK(forward_of)(y, x, begin, end, CK_SILU);
    case CK_SIGMOID: return CK(forward_of)(y, x, begin, end, CK_SIGMOID);
    default: return CK(forward_of)(y, x, begin, end, CK_NONE);
  }
}

static void CK(ck_activation_backward)(float *dx, const float *dy, const float *x, ck_int begin, ck_int end, int kind) {
  switch (kind) {
    case CK_RELU: return CK(backward_of)(dx, dy, x, begin, end, CK_RELU);
    case CK_GELU: return CK(backward_of)(dx, dy, x, begin, end, CK_GELU);
    case CK_SILU: return CK(backward_of)(dx, dy, x, begin, end, CK_SILU);
    case CK_SIGMOID: return CK(backward_of)(dx, dy, x, begin, end, CK_SIGMOID);
    default: return CK(backward_of)(dx, dy, x, begin, end, CK_NONE);
  }
}

static void CK(ck_add)(float *y, const float *x, ck_int begin, ck_int end) {
  CK_PARALLEL for (ck_int i = begin; i < end; i++) y[i] += x[i];
}
#endif
