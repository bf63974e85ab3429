// Adam (Kingma, Ba 2015) with decoupled decay (Loshchilov, Hutter 2019), its lazy form on the rows touched, SGD, Adagrad (Duchi et al. 2011).
#ifndef CK_BODY
#define CK_FILE "../Optimizer/Optimizer.c"
#include "../Common/isa.h"

CK_DISPATCH(double, ck_sum_squares, (const float *x, ck_int begin, ck_int end), (x, begin, end))
CK_DISPATCH(void, ck_adam,
            (float *w, float *g, float *m, float *v, ck_int begin, ck_int end, float clip, float rate, float b1, float b2,
             float eps, float decay, float c1, float c2),
            (w, g, m, v, begin, end, clip, rate, b1, b2, eps, decay, c1, c2))
CK_DISPATCH(void, ck_adam_rows,
            (float *w, float *g, float *m, float *v, int32_t *last, const int32_t *rows, ck_int begin, ck_int end, ck_int D,
             int32_t step, float clip, float rate, float b1, float b2, float eps, float decay, float c1, float c2),
            (w, g, m, v, last, rows, begin, end, D, step, clip, rate, b1, b2, eps, decay, c1, c2))
CK_DISPATCH(void, ck_sgd,
            (float *w, float *g, float *m, ck_int begin, ck_int end, float clip, float rate, float momentum, float decay,
             int nesterov),
            (w, g, m, begin, end, clip, rate, momentum, decay, nesterov))
CK_DISPATCH(void, ck_sgd_rows,
            (float *w, float *g, const int32_t *rows, ck_int begin, ck_int end, ck_int D, float clip, float rate, float decay),
            (w, g, rows, begin, end, D, clip, rate, decay))
CK_DISPATCH(void, ck_adagrad_rows,
            (float *w, float *g, float *s, const int32_t *rows, ck_int begin, ck_int end, ck_int D, ck_int S, float clip,
             float rate, float eps, float decay),
            (w, g, s, rows, begin, end, D, S, clip, rate, eps, decay))

const char *ck_opencl_optimizer(void) {
  static const char text[] = {
#embed "Optimizer.cl"
      , 0};
  return text;
}

#else
#include "../Common/scalar.h"

static double CK(ck_sum_squares)(const float *x, ck_int begin, ck_int end) {
#pragma clang fp reassociate(on) contract(fast)
  double sum = 0;
  for (ck_int i = begin; i < end; i++) sum += (double)x[i] * (double)x[i];
  return sum;
}

// One stretch of parameters; the old moments are multiplied by d1 and d2 (b1 and b2 unless steps were skipped). The two
// corrections are folded into scalars: rate (m / c1) / (sqrt(v / c2) + eps) = (rate / c1) m / (sqrt(v) / sqrt(c2) + eps).
CK_INLINE void CK(adam)(float *w, float *g, float *m, float *v, ck_int begin, ck_int end, float clip, float keep, float d1,
                        float b1, float d2, float b2, float rate, float root, float eps) {
#pragma clang fp contract(off)  // an element has the same bits in the vector loop and in its tail
  const float a1 = 1.0f - b1, a2 = 1.0f - b2;
  CK_PARALLEL for (ck_int i = begin; i < end; i++) {
    const float gi = clip * g[i];
    const float mi = d1 * m[i] + a1 * gi;
    const float vi = d2 * v[i] + a2 * (gi * gi);
    w[i] = keep * w[i] - rate * mi / (ck_sqrt(vi) * root + eps);
    m[i] = mi;
    v[i] = vi;
    g[i] = 0;
  }
}

static void CK(ck_adam)(float *w, float *g, float *m, float *v, ck_int begin, ck_int end, float clip, float rate, float b1,
                        float b2, float eps, float decay, float c1, float c2) {
  CK(adam)(w, g, m, v, begin, end, clip, 1.0f - rate * decay, b1, b1, b2, b2, rate / c1, 1.0f / ck_sqrt(c2), eps);
}

// b^n by squaring.
CK_INLINE double CK(power)(double b, int32_t n) {
  double p = 1;
  for (; n > 0; n >>= 1, b *= b)
    if (n & 1) p *= b;
  return p;
}

static void CK(ck_adam_rows)(float *w, float *g, float *m, float *v, int32_t *last, const int32_t *rows, ck_int begin,
                             ck_int end, ck_int D, int32_t step, float clip, float rate, float b1, float b2, float eps,
                             float decay, float c1, float c2) {
  enum { ahead = 3 };
  const float keep = 1.0f - rate * decay, root = 1.0f / ck_sqrt(c2);
  for (ck_int u = begin; u < end; u++) {
    if (u + ahead < end) {
      const ck_int next = rows[u + ahead] * D;
      ck_fetch(w + next, D);
      ck_fetch(g + next, D);
      ck_fetch(m + next, D);
      ck_fetch(v + next, D);
    }
    const ck_int row = rows[u];
    const int32_t gap = step - last[row];
    const float d1 = (float)CK(power)(b1, gap), d2 = (float)CK(power)(b2, gap);
    CK(adam)(w, g, m, v, row * D, (row + 1) * D, clip, keep, d1, b1, d2, b2, rate / c1, root, eps);
    last[row] = step;
  }
}

static void CK(ck_sgd)(float *w, float *g, float *m, ck_int begin, ck_int end, float clip, float rate, float momentum,
                       float decay, int nesterov) {
#pragma clang fp contract(off)
  if (m) {
    CK_PARALLEL for (ck_int i = begin; i < end; i++) {
      const float gi = clip * g[i] + decay * w[i];
      const float mi = momentum * m[i] + gi;
      w[i] -= rate * (nesterov ? gi + momentum * mi : mi);
      m[i] = mi;
      g[i] = 0;
    }
  } else {
    CK_PARALLEL for (ck_int i = begin; i < end; i++) {
      w[i] -= rate * (clip * g[i] + decay * w[i]);
      g[i] = 0;
    }
  }
}

static void CK(ck_sgd_rows)(float *w, float *g, const int32_t *rows, ck_int begin, ck_int end, ck_int D, float clip,
                            float rate, float decay) {
  enum { ahead = 6 };
  for (ck_int u = begin; u < end; u++) {
    if (u + ahead < end) {
      ck_fetch(w + rows[u + ahead] * D, D);
      ck_fetch(g + rows[u + ahead] * D, D);
    }
    CK(ck_sgd)(w, g, NULL, rows[u] * D, (rows[u] + 1) * D, clip, rate, 0, decay, 0);
  }
}

static void CK(ck_adagrad_rows)(float *w, float *g, float *s, const int32_t *rows, ck_int begin, ck_int end, ck_int D,
                                ck_int S, float clip, float rate, float eps, float decay) {
  const float keep = 1.0f - rate * decay;
  for (ck_int u = begin; u < end; u++) {
    const ck_int row = rows ? rows[u] : u;
    float *wr = w + row * D, *gr = g + row * D;
    if (S == 1) {
      double sum = 0;
      for (ck_int d = 0; d < D; d++) sum += (double)(clip * gr[d]) * (double)(clip * gr[d]);
      s[row] += (float)(sum / (double)D);
      const float step = rate / (ck_sqrt(s[row]) + eps);
      CK_PARALLEL for (ck_int d = 0; d < D; d++) {
        wr[d] = keep * wr[d] - step * (clip * gr[d]);
        gr[d] = 0;
      }
    } else {
      float *sr = s + row * D;
      CK_PARALLEL for (ck_int d = 0; d < D; d++) {
        const float gd = clip * gr[d];
        sr[d] += gd * gd;
        wr[d] = keep * wr[d] - rate * gd / (ck_sqrt(sr[d]) + eps);
        gr[d] = 0;
      }
    }
  }
}
#endif
