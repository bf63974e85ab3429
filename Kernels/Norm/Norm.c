// Layer norm and RMS norm, a row at a time; gains and biases get the sums of a range, which the caller adds up in order.
#ifndef CK_BODY
#define CK_FILE "../Norm/Norm.c"
#include "../Common/isa.h"

CK_DISPATCH(void, ck_layer_norm_forward,
            (float *y, float *mean, float *rstd, const float *x, const float *g, const float *b, ck_int begin, ck_int end, ck_int D,
             float eps),
            (y, mean, rstd, x, g, b, begin, end, D, eps))
CK_DISPATCH(void, ck_layer_norm_backward,
            (float *dx, float *dg, float *db, const float *dy, const float *x, const float *g, const float *mean, const float *rstd,
             ck_int begin, ck_int end, ck_int D),
            (dx, dg, db, dy, x, g, mean, rstd, begin, end, D))
CK_DISPATCH(void, ck_rms_norm_forward,
            (float *y, float *rstd, const float *x, const float *g, ck_int begin, ck_int end, ck_int D, float eps),
            (y, rstd, x, g, begin, end, D, eps))
CK_DISPATCH(void, ck_rms_norm_backward,
            (float *dx, float *dg, const float *dy, const float *x, const float *g, const float *rstd, ck_int begin, ck_int end,
             ck_int D),
            (dx, dg, dy, x, g, rstd, begin, end, D))

const char *ck_opencl_norm(void) {
  static const char text[] = {
#embed "Norm.cl"
      , 0};
  return text;
}

#else

CK_INLINE float CK(sum)(const float *x, ck_int D) {
#pragma clang fp reassociate(on) contract(fast)
  float sum = 0.0f;
  for (ck_int i = 0; i < D; i++) sum += x[i];
  return sum;
}

CK_INLINE float CK(sum_of_squares)(const float *x, float center, ck_int D) {
#pragma clang fp reassociate(on) contract(fast)
  float sum = 0.0f;
  for (ck_int i = 0; i < D; i++) sum += (x[i] - center) * (x[i] - center);
  return sum;
}

static void CK(ck_layer_norm_forward)(float *y, float *mean, float *rstd, const float *x, const float *g, const float *b,
                                      ck_int begin, ck_int end, ck_int D, float eps) {
  for (ck_int t = begin; t < end; t++) {
    const float *restrict row = x + t * D;
    float *restrict out = y + t * D;
    float m = CK(sum)(row, D) / (float)D;
    float s = 1.0f / sqrtf(CK(sum_of_squares)(row, m, D) / (float)D + eps);
    mean[t] = m;
    rstd[t] = s;
    for (ck_int i = 0; i < D; i++) out[i] = g[i] * ((row[i] - m) * s) + b[i];
  }
}

// With u = g dy and n = (x - mean) rstd: dx = rstd (u - mean(u) - n mean(u n)).
static void CK(ck_layer_norm_backward)(float *dx, float *restrict dg, float *restrict db, const float *dy, const float *x,
                                       const float *restrict g, const float *mean, const float *rstd, ck_int begin, ck_int end,
                                       ck_int D) {
#pragma clang fp reassociate(on) contract(fast)
  memset(dg, 0, (size_t)D * sizeof(float));
  memset(db, 0, (size_t)D * sizeof(float));
  for (ck_int t = begin; t < end; t++) {
    const float *restrict row = x + t * D, *restrict d = dy + t * D;
    float *restrict out = dx + t * D;
    float m = mean[t], s = rstd[t], su = 0.0f, sun = 0.0f;
    for (ck_int i = 0; i < D; i++) {
      float n = (row[i] - m) * s, u = g[i] * d[i];
      su += u;
      sun += u * n;
      dg[i] += d[i] * n;
      db[i] += d[i];
    }
    su /= (float)D;
    sun /= (float)D;
    for (ck_int i = 0; i < D; i++) out[i] = s * (g[i] * d[i] - su - (row[i] - m) * s * sun);
  }
}

static void CK(ck_rms_norm_forward)(float *y, float *rstd, const float *x, const float *g, ck_int begin, ck_int end, ck_int D,
                                    float eps) {
  for (ck_int t = begin; t < end; t++) {
    const float *restrict row = x + t * D;
    float *restrict out = y + t * D;
    float s = 1.0f / sqrtf(CK(sum_of_squares)(row, 0.0f, D) / (float)D + eps);
    rstd[t] = s;
    for (ck_int i = 0; i < D; i++) out[i] = g[i] * (row[i] * s);
  }
}

// With u = g dy and n = x rstd: dx = rstd (u - n mean(u n)).
static void CK(ck_rms_norm_backward)(float *dx, float *restrict dg, const float *dy, const float *x, const float *restrict g,
                                     const float *rstd, ck_int begin, ck_int end, ck_int D) {
#pragma clang fp reassociate(on) contract(fast)
  memset(dg, 0, (size_t)D * sizeof(float));
  for (ck_int t = begin; t < end; t++) {
    const float *restrict row = x + t * D, *restrict d = dy + t * D;
    float *restrict out = dx + t * D;
    float s = rstd[t], sun = 0.0f;
    for (ck_int i = 0; i < D; i++) {
      float n = row[i] * s;
      sun += g[i] * d[i] * n;
      dg[i] += d[i] * n;
    }
    sun /= (float)D;
    for (ck_int i = 0; i < D; i++) out[i] = s * (g[i] * d[i] - row[i] * s * sun);
  }
}
#endif
