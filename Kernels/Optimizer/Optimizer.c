// Updates of parameters in place. Each reads a gradient once and leaves it zero: memory-bound, so nothing is read twice.
#ifndef CK_BODY
#define CK_FILE "../Optimizer/Optimizer.c"
#include "../Common/isa.h"

CK_DISPATCH(double, ck_sum_squares, (const float *x, ck_int begin, ck_int end), (x, begin, end))
CK_DISPATCH(void, ck_adam,
            (float *w, float *g, float *m, float *v, ck_int begin, ck_int end, float clip, float rate, float b1, float b2, float eps,
             float decay, float c1, float c2),
            (w, g, m, v, begin, end, clip, rate, b1, b2, eps, decay, c1, c2))
CK_DISPATCH(void, ck_adam_rows,
            (float *w, float *g, float *m, float *v, int32_t *last, const int32_t *rows, ck_int begin, ck_int end, ck_int D,
             int32_t step, float clip, float rate, float b1, float b2, float eps, float decay, float c1, float c2),
            (w, g, m, v, last, rows, begin, end, D, step, clip, rate, b1, b2, eps, decay, c1, c2))
CK_DISPATCH(void, ck_sgd,
            (float *w, float *g, float *m, ck_int begin, ck_int end, float clip, float rate, float momentum, float decay),
            (w, g, m, begin, end, clip, rate, momentum, decay))
CK_DISPATCH(void, ck_sgd_rows,
            (float *w, float *g, const int32_t *rows, ck_int begin, ck_int end, ck_int D, float clip, float rate, float decay),
            (w, g, rows, begin, end, D, clip, rate, decay))

const char *ck_opencl_optimizer(void) {
  static const char text[] = {
#embed "Optimizer.cl"
      , 0};
  return text;
}

#else

static double CK(ck_sum_squares)(const float *x, ck_int begin, ck_int end) {
#pragma clang fp reassociate(on) contract(fast)
  double sum = 0.0;
  for (ck_int i = begin; i < end; i++) sum += (double)x[i] * (double)x[i];
  return sum;
}

// keep1, keep2: how much of the old moments stays (b1, b2, or their powers for a row that missed steps).
CK_INLINE void CK(adam_range)(float *restrict w, float *restrict g, float *restrict m, float *restrict v, ck_int n, float clip,
                              float rate, float keep1, float keep2, float b1, float b2, float eps, float decay, float c1,
                              float c2) {
  const float step = rate / c1, root = 1.0f / c2, left = 1.0f - rate * decay;
  for (ck_int i = 0; i < n; i++) {
    float d = clip * g[i];
    float first = keep1 * m[i] + (1.0f - b1) * d;
    float second = keep2 * v[i] + (1.0f - b2) * (d * d);
    m[i] = first;
    v[i] = second;
    w[i] = left * w[i] - step * first / (sqrtf(second * root) + eps);
    g[i] = 0.0f;
  }
}

static void CK(ck_adam)(float *w, float *g, float *m, float *v, ck_int begin, ck_int end, float clip, float rate, float b1,
                        float b2, float eps, float decay, float c1, float c2) {
  CK(adam_range)(w + begin, g + begin, m + begin, v + begin, end - begin, clip, rate, b1, b2, b1, b2, eps, decay, c1, c2);
}

CK_INLINE float CK(power)(float base, int32_t exponent) {
  float result = 1.0f;
  for (; exponent > 0; exponent >>= 1, base *= base)
    if (exponent & 1) result *= base;
  return result;
}

static void CK(ck_adam_rows)(float *w, float *g, float *m, float *v, int32_t *last, const int32_t *rows, ck_int begin,
                             ck_int end, ck_int D, int32_t step, float clip, float rate, float b1, float b2, float eps,
                             float decay, float c1, float c2) {
  for (ck_int u = begin; u < end; u++) {
    ck_int row = rows[u], at = row * D;
    int32_t steps = step - last[row];
    last[row] = step;
    CK(adam_range)(w + at, g + at, m + at, v + at, D, clip, rate, CK(power)(b1, steps), CK(power)(b2, steps), b1, b2, eps, decay,
                   c1, c2);
  }
}

static void CK(ck_sgd)(float *restrict w, float *restrict g, float *restrict m, ck_int begin, ck_int end, float clip, float rate,
                       float momentum, float decay) {
  const float left = 1.0f - rate * decay;
  for (ck_int i = begin; i < end; i++) {
    float d = clip * g[i];
    if (m) d = m[i] = momentum * m[i] + d;
    w[i] = left * w[i] - rate * d;
    g[i] = 0.0f;
  }
}

static void CK(ck_sgd_rows)(float *w, float *g, const int32_t *rows, ck_int begin, ck_int end, ck_int D, float clip, float rate,
                            float decay) {
  for (ck_int u = begin; u < end; u++) {
    ck_int at = (ck_int)rows[u] * D;
    CK(ck_sgd)(w + at, g + at, 0, 0, D, clip, rate, 0.0f, decay);
  }
}
#endif
