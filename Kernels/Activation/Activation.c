// Elementwise activations, forward and backward.
#ifndef CK_BODY
#define CK_FILE "../Activation/Activation.c"
#include "../Common/isa.h"

CK_DISPATCH(void, ck_activation_forward, (float *y, const float *x, ck_int begin, ck_int end, int kind),
            (y, x, begin, end, kind))
CK_DISPATCH(void, ck_activation_backward,
            (float *dx, const float *dy, const float *x, ck_int begin, ck_int end, int kind),
            (dx, dy, x, begin, end, kind))
CK_DISPATCH(void, ck_sum, (float *y, const float *a, const float *b, ck_int begin, ck_int end), (y, a, b, begin, end))
CK_DISPATCH(void, ck_add, (float *y, const float *x, ck_int begin, ck_int end), (y, x, begin, end))
CK_DISPATCH(void, ck_combine, (float *y, float a, const float *x, float b, ck_int begin, ck_int end), (y, a, x, b, begin, end))

const char *ck_opencl_activation(void) {
  static const char text[] = {
#embed "Activation.cl"
      , 0};
  return text;
}

#else
#include "../Common/scalar.h"

// gelu, tanh form (Hendrycks, Gimpel 2016): 0.5 x (1 + tanh(u)) = x sigmoid(2 u), 2 u = 2 sqrt(2/pi) (x + 0.044715 x^3).
CK_INLINE float CK(gelu_argument)(float x) { return x * (1.59576912f + 0.0713548163f * (x * x)); }

CK_INLINE float CK(activation)(float x, int kind) {
  switch (kind) {
    case CK_RELU: return x < 0.0f ? 0.0f : x;
    case CK_GELU: return x * ck_sigmoid(CK(gelu_argument)(x));
    case CK_SILU: return x * ck_sigmoid(x);
    case CK_SIGMOID: return ck_sigmoid(x);
    case CK_SOFTPLUS: {
      float slope;
      return ck_softplus(x, &slope);
    }
    default: return x;
  }
}

CK_INLINE float CK(derivative)(float x, int kind) {
  float s;
  switch (kind) {
    case CK_RELU: return x > 0.0f ? 1.0f : x == x ? 0.0f : x;
    case CK_GELU:
      s = ck_sigmoid(CK(gelu_argument)(x));
      return s + x * s * (1.0f - s) * (1.59576912f + 0.214064449f * (x * x));
    case CK_SILU:
      s = ck_sigmoid(x);
      return s + x * s * (1.0f - s);
    case CK_SIGMOID:
      s = ck_sigmoid(x);
      return s * (1.0f - s);
    case CK_SOFTPLUS: return ck_sigmoid(x);
    default: return 1.0f;
  }
}

CK_INLINE void CK(forward_of)(float *y, const float *x, ck_int begin, ck_int end, int kind) {
  CK_PARALLEL for (ck_int i = begin; i < end; i++) y[i] = CK(activation)(x[i], kind);
}

CK_INLINE void CK(backward_of)(float *dx, const float *dy, const float *x, ck_int begin, ck_int end, int kind) {
  CK_PARALLEL for (ck_int i = begin; i < end; i++) dx[i] = dy[i] * CK(derivative)(x[i], kind);
}

static void CK(ck_activation_forward)(float *y, const float *x, ck_int begin, ck_int end, int kind) {
  switch (kind) {
    case CK_RELU: return CK(forward_of)(y, x, begin, end, CK_RELU);
    case CK_GELU: return CK(forward_of)(y, x, begin, end, CK_GELU);
    case CK_SILU: return CK(forward_of)(y, x, begin, end, CK_SILU);
    case CK_SIGMOID: return CK(forward_of)(y, x, begin, end, CK_SIGMOID);
    case CK_SOFTPLUS: return CK(forward_of)(y, x, begin, end, CK_SOFTPLUS);
    default: return CK(forward_of)(y, x, begin, end, CK_NONE);
  }
}

static void CK(ck_activation_backward)(float *dx, const float *dy, const float *x, ck_int begin, ck_int end, int kind) {
  switch (kind) {
    case CK_RELU: return CK(backward_of)(dx, dy, x, begin, end, CK_RELU);
    case CK_GELU: return CK(backward_of)(dx, dy, x, begin, end, CK_GELU);
    case CK_SILU: return CK(backward_of)(dx, dy, x, begin, end, CK_SILU);
    case CK_SIGMOID: return CK(backward_of)(dx, dy, x, begin, end, CK_SIGMOID);
    case CK_SOFTPLUS: return CK(backward_of)(dx, dy, x, begin, end, CK_SOFTPLUS);
    default: return CK(backward_of)(dx, dy, x, begin, end, CK_NONE);
  }
}

static void CK(ck_sum)(float *y, const float *a, const float *b, ck_int begin, ck_int end) {
  CK_PARALLEL for (ck_int i = begin; i < end; i++) y[i] = a[i] + b[i];
}

static void CK(ck_add)(float *y, const float *x, ck_int begin, ck_int end) {
  CK_PARALLEL for (ck_int i = begin; i < end; i++) y[i] += x[i];
}

static void CK(ck_combine)(float *y, float a, const float *x, float b, ck_int begin, ck_int end) {
#pragma clang fp contract(off)
  CK_PARALLEL for (ck_int i = begin; i < end; i++) y[i] = a * y[i] + b * x[i];
}
#endif
