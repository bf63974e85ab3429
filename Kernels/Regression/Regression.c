// Squared error and its gradient.
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
#include "../Common/scalar.h"

static void CK(ck_mse)(float *loss, float *dx, const float *x, const float *y, ck_int begin, ck_int end, float weight) {
  CK_PARALLEL for (ck_int t = begin; t < end; t++) {
    const float e = x[t] - y[t];
    loss[t] = e * e;
    dx[t] = weight * 2.0f * e;
  }
}
#endif
