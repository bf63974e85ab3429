// Losses of one row at a time: a work-item computes VECTOR neighbouring rows. No local memory. The formulas follow this text; each
// becomes a kernel of its own, loss_<name>. Output c of row t is at t * stride + c * step: side by side, or apart with step 0.
#define EXP exp
#define LOG log
#define LOG1P log1p
#define EXPM1 expm1
#define LOGISTIC(x, s, l) \
  { \
    const float logistic_e = exp(-fabs(x)); \
    s = ((x) > 0.0f ? 1.0f : logistic_e) / (1.0f + logistic_e); \
    l = log1p(logistic_e); \
  }
#define FORMULA(name) float name##_loss(const float *x, const float *y, const float *p, float *d)

// A pointer and no array index, so that outputs that are not there are not asked for.
#define LOSS_ENTRY(name, outputs, labels) \
  ELEMENT_KERNEL void loss_##name(__global float *loss, __global float *dx0, __global float *dx1, __global float *dx2, \
                                  __global const float *x0, __global const float *x1, __global const float *x2, \
                                  __global const float *y0, __global const float *y1, __global const float *w, int n, \
                                  int stride, int step, float p0, float p1, float weight) { \
    const int first = get_global_id(0) * VECTOR; \
    for (int t = first; t < min(n, first + VECTOR); t++) { \
      float x[3] = {x0[t * stride], 0, 0}, y[2] = {0, 0}, d[3] = {0, 0, 0}, p[2] = {p0, p1}; \
      const float own = w ? w[t] : 1.0f; \
      if (outputs > 1) x[1] = x1[t * stride + step]; \
      if (outputs > 2) x[2] = x2[t * stride + 2 * step]; \
      if (labels > 0) y[0] = y0[t]; \
      if (labels > 1) y[1] = y1[t]; \
      loss[t] = own * name##_loss(x, y, p, d); \
      dx0[t * stride] = own * weight * d[0]; \
      if (outputs > 1) dx1[t * stride + step] = own * weight * d[1]; \
      if (outputs > 2) dx2[t * stride + 2 * step] = own * weight * d[2]; \
    } \
  }
