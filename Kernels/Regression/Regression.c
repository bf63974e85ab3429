// Squared error with its gradient.
#ifndef CK_BODY
#define CK_FILE "../Regression/Regression.c"
#include "../Common/isa.h"

CK_DISPATCH(void, ck_mse, (float *loss, float *dx, const float *x, const float *y, ck_int begin, ck_int end, float weight),
            (loss, dx, x, y, begin, end, weight))

const char *ck_opencl_regression(void) {
  static const char text[] = {
#embed "Regression.cl"
      , 0};
  return text;
}

#else

static void CK(ck_mse)(float *restrict loss, float *restrict dx, const float *restrict x, const float *restrict y, ck_int begin,
                       ck_int end, float weight) {
  for (ck_int i = begin; i < end; i++) {
    float e = x[i] - y[i];
    loss[i] = e * e;
    dx[i] = weight * 2.0f * e;
  }
}
#endif
