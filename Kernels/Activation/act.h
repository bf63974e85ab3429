// The activations, one value at a time: shared by Activation.c and by the epilogue of Matmul.c.
#ifndef CK_ACT_H
#define CK_ACT_H
#include "../Common/scalar.h"
#include "CKernels.h"

// gelu, tanh form (Hendrycks, Gimpel 2016): 0.5 x (1 + tanh(u)) = x sigmoid(2 u), 2 u = 2 sqrt(2/pi) (x + 0.044715 x^3).
CK_INLINE float ck_gelu_argument(float x) { return x * (1.59576912f + 0.0713548163f * (x * x)); }

CK_INLINE float ck_act(float x, int kind) {
  switch (kind) {
    case CK_RELU: return x < 0.0f ? 0.0f : x;
    case CK_GELU: return x * ck_sigmoid(ck_gelu_argument(x));
    case CK_SILU: return x * ck_sigmoid(x);
    case CK_SIGMOID: return ck_sigmoid(x);
    default: return x;
  }
}

CK_INLINE float ck_act_derivative(float x, int kind) {
  float s;
  switch (kind) {
    case CK_RELU: return x > 0.0f ? 1.0f : x == x ? 0.0f : x;
    case CK_GELU:
      s = ck_sigmoid(ck_gelu_argument(x));
      return s + x * s * (1.0f - s) * (1.59576912f + 0.214064449f * (x * x));
    case CK_SILU:
      s = ck_sigmoid(x);
      return s + x * s * (1.0f - s);
    case CK_SIGMOID:
      s = ck_sigmoid(x);
      return s * (1.0f - s);
    default: return 1.0f;
  }
}
#endif
