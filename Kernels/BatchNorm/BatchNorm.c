// Batch norm (Ioffe and Szegedy 2015): columns normalised over the rows of a batch. Column sums come from ranges of rows, which the caller
// adds up in order.
#ifndef CK_BODY
#define CK_FILE "../BatchNorm/BatchNorm.c"
#include "../Common/isa.h"

CK_DISPATCH(void, ck_column_squares, (float *sums, const float *x, const float *mean, ck_int begin, ck_int end, ck_int D),
            (sums, x, mean, begin, end, D))
CK_DISPATCH(void, ck_batch_norm_forward,
            (float *y, const float *x, const float *g, const float *b, const float *mean, const float *rstd, ck_int begin, ck_int end, ck_int D),
            (y, x, g, b, mean, rstd, begin, end, D))
CK_DISPATCH(void, ck_batch_norm_sums,
            (float *dg, float *db, const float *dy, const float *x, const float *mean, const float *rstd, ck_int begin, ck_int end, ck_int D),
            (dg, db, dy, x, mean, rstd, begin, end, D))
CK_DISPATCH(void, ck_batch_norm_backward,
            (float *dx, const float *dy, const float *x, const float *g, const float *mean, const float *rstd, const float *dg,
             const float *db, ck_int begin, ck_int end, ck_int D, float share),
            (dx, dy, x, g, mean, rstd, dg, db, begin, end, D, share))

const char *ck_opencl_batch_norm(void) {
  static const char text[] = {
#embed "BatchNorm.cl"
      , 0};
  return text;
}

#else
#include "../Common/scalar.h"

static void CK(ck_column_squares)(float *sums, const float *x, const float *mean, ck_int begin, ck_int end, ck_int D) {
#pragma clang fp contract(fast)
  memset(sums, 0, (size_t)D * sizeof(float));
  for (ck_int t = begin; t < end; t++) {
    const float *row = x + t * D;
    CK_ROW for (ck_int d = 0; d < D; d++) sums[d] += (row[d] - mean[d]) * (row[d] - mean[d]);
  }
}

static void CK(ck_batch_norm_forward)(float *y, const float *x, const float *g, const float *b, const float *mean, const float *rstd,
                                      ck_int begin, ck_int end, ck_int D) {
#pragma clang fp contract(fast)
  for (ck_int t = begin; t < end; t++) {
    const float *row = x + t * D;
    float *out = y + t * D;
    CK_ROW for (ck_int d = 0; d < D; d++) out[d] = (row[d] - mean[d]) * rstd[d] * g[d] + b[d];
  }
}

// With n = (x - mean) rstd: dg = sum dy n, db = sum dy, of this range alone.
static void CK(ck_batch_norm_sums)(float *dg, float *db, const float *dy, const float *x, const float *mean, const float *rstd,
                                   ck_int begin, ck_int end, ck_int D) {
#pragma clang fp contract(fast)
  memset(dg, 0, (size_t)D * sizeof(float));
  memset(db, 0, (size_t)D * sizeof(float));
  for (ck_int t = begin; t < end; t++) {
    const float *row = x + t * D, *drow = dy + t * D;
    CK_ROW for (ck_int d = 0; d < D; d++) {
      dg[d] += drow[d] * ((row[d] - mean[d]) * rstd[d]);
      db[d] += drow[d];
    }
  }
}

// dx = g rstd (dy - share (db + n dg)), share = 1 / rows.
static void CK(ck_batch_norm_backward)(float *dx, const float *dy, const float *x, const float *g, const float *mean, const float *rstd,
                                       const float *dg, const float *db, ck_int begin, ck_int end, ck_int D, float share) {
#pragma clang fp contract(fast)
  for (ck_int t = begin; t < end; t++) {
    const float *row = x + t * D, *drow = dy + t * D;
    float *out = dx + t * D;
    CK_ROW for (ck_int d = 0; d < D; d++)
      out[d] = g[d] * rstd[d] * (drow[d] - share * (db[d] + (row[d] - mean[d]) * rstd[d] * dg[d]));
  }
}
#endif
