// Layer norm (Ba, Kiros, Hinton 2016) and RMS norm (Zhang, Sennrich 2019), forward and backward, row by row.
#ifndef CK_BODY
#define CK_FILE "../Norm/Norm.c"
#include "../Common/isa.h"

CK_DISPATCH(void, ck_layer_norm_forward,
            (float *y, float *mean, float *rstd, const float *x, const float *g, const float *b, ck_int begin, ck_int end,
             ck_int D, float eps),
            (y, mean, rstd, x, g, b, begin, end, D, eps))
CK_DISPATCH(void, ck_layer_norm_backward,
            (float *dx, float *dg, float *db, const float *dy, const float *x, const float *g, const float *mean,
             const float *rstd, ck_int begin, ck_int end, ck_int D),
            (dx, dg, db, dy, x, g, mean, rstd, begin, end, D))
CK_DISPATCH(void, ck_rms_norm_forward,
            (float *y, float *rstd, const float *x, const float *g, ck_int begin, ck_int end, ck_int D, float eps),
            (y, rstd, x, g, begin, end, D, eps))
CK_DISPATCH(void, ck_rms_norm_backward,
            (float *dx, float *dg, const float *dy, const float *x, const float *g, const float *rstd, ck_int begin,
             ck_int end, ck_int D),
            (dx, dg, dy, x, g, rstd, begin, end, D))

const char *ck_opencl_norm(void) {
  static const char text[] = {
#embed "Norm.cl"
      , 0};
  return text;
}

#else
#include "../Common/scalar.h"

CK_INLINE void CK(layer_norm)(const int affine, float *y, float *mean, float *rstd, const float *x, const float *g, const float *b,
                              ck_int begin, ck_int end, ck_int D, float eps) {
#pragma clang fp reassociate(on) contract(fast)
  for (ck_int t = begin; t < end; t++) {
    const float *row = x + t * D;
    float sum = 0, square = 0;
    CK_ROW for (ck_int d = 0; d < D; d++) sum += row[d];
    const float mu = sum / (float)D;
    CK_ROW for (ck_int d = 0; d < D; d++) square += (row[d] - mu) * (row[d] - mu);
    const float rs = 1.0f / ck_sqrt(square / (float)D + eps);
    CK_ROW for (ck_int d = 0; d < D; d++) y[t * D + d] = affine ? (row[d] - mu) * rs * g[d] + b[d] : (row[d] - mu) * rs;
    if (mean) mean[t] = mu;
    if (rstd) rstd[t] = rs;
  }
}

static void CK(ck_layer_norm_forward)(float *y, float *mean, float *rstd, const float *x, const float *g, const float *b,
                                      ck_int begin, ck_int end, ck_int D, float eps) {
  g ? CK(layer_norm)(1, y, mean, rstd, x, g, b, begin, end, D, eps) : CK(layer_norm)(0, y, mean, rstd, x, g, b, begin, end, D, eps);
}

// With n = (x - mean) rstd and e = dy g: dx = rstd (e - mean(e) - n mean(e n)), dg = sum dy n, db = sum dy.
CK_INLINE void CK(layer_norm_back)(const int affine, float *dx, float *dg, float *db, const float *dy, const float *x, const float *g,
                                   const float *mean, const float *rstd, ck_int begin, ck_int end, ck_int D) {
#pragma clang fp reassociate(on) contract(fast)
  for (ck_int t = begin; t < end; t++) {
    const float *row = x + t * D, *drow = dy + t * D;
    const float mu = mean[t], rs = rstd[t];
    float sum = 0, dot = 0;
    CK_ROW for (ck_int d = 0; d < D; d++) {
      const float n = (row[d] - mu) * rs, e = affine ? drow[d] * g[d] : drow[d];
      if (affine) {
        dg[d] += drow[d] * n;
        db[d] += drow[d];
      }
      sum += e;
      dot += e * n;
    }
    sum /= (float)D;
    dot /= (float)D;
    CK_ROW for (ck_int d = 0; d < D; d++)
      dx[t * D + d] = rs * ((affine ? drow[d] * g[d] : drow[d]) - sum - (row[d] - mu) * rs * dot);
  }
}

static void CK(ck_layer_norm_backward)(float *dx, float *dg, float *db, const float *dy, const float *x, const float *g,
                                       const float *mean, const float *rstd, ck_int begin, ck_int end, ck_int D) {
  if (!g) return CK(layer_norm_back)(0, dx, dg, db, dy, x, g, mean, rstd, begin, end, D);
  memset(dg, 0, (size_t)D * sizeof(float));
  memset(db, 0, (size_t)D * sizeof(float));
  CK(layer_norm_back)(1, dx, dg, db, dy, x, g, mean, rstd, begin, end, D);
}

static void CK(ck_rms_norm_forward)(float *y, float *rstd, const float *x, const float *g, ck_int begin, ck_int end,
                                    ck_int D, float eps) {
#pragma clang fp reassociate(on) contract(fast)
  for (ck_int t = begin; t < end; t++) {
    const float *row = x + t * D;
    float square = 0;
    CK_ROW for (ck_int d = 0; d < D; d++) square += row[d] * row[d];
    const float rs = 1.0f / ck_sqrt(square / (float)D + eps);
    CK_ROW for (ck_int d = 0; d < D; d++) y[t * D + d] = row[d] * rs * g[d];
    if (rstd) rstd[t] = rs;
  }
}

// With n = x rstd and e = dy g: dx = rstd (e - n mean(e n)), dg = sum dy n.
static void CK(ck_rms_norm_backward)(float *dx, float *dg, const float *dy, const float *x, const float *g,
                                     const float *rstd, ck_int begin, ck_int end, ck_int D) {
#pragma clang fp reassociate(on) contract(fast)
  memset(dg, 0, (size_t)D * sizeof(float));
  for (ck_int t = begin; t < end; t++) {
    const float *row = x + t * D, *drow = dy + t * D;
    const float rs = rstd[t];
    float dot = 0;
    CK_ROW for (ck_int d = 0; d < D; d++) {
      const float n = row[d] * rs;
      dg[d] += drow[d] * n;
      dot += drow[d] * g[d] * n;
    }
    dot /= (float)D;
    CK_ROW for (ck_int d = 0; d < D; d++) dx[t * D + d] = rs * (drow[d] * g[d] - row[d] * rs * dot);
  }
}
#endif
