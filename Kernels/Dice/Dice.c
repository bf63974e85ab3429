// Dice (Zhou et al. 2018, equation 3): a leaky slope whose bend lies at the mean of each column and is as wide as its deviation.
#ifndef CK_BODY
#define CK_FILE "../Dice/Dice.c"
#include "../Common/isa.h"

CK_DISPATCH(void, ck_dice_forward,
            (float *y, const float *x, const float *alpha, const float *mean, const float *rstd, ck_int begin, ck_int end, ck_int D),
            (y, x, alpha, mean, rstd, begin, end, D))
CK_DISPATCH(void, ck_dice_sums,
            (float *dalpha, float *dg, float *db, const float *dy, const float *x, const float *alpha, const float *mean,
             const float *rstd, ck_int begin, ck_int end, ck_int D),
            (dalpha, dg, db, dy, x, alpha, mean, rstd, begin, end, D))
CK_DISPATCH(void, ck_dice_backward,
            (float *dx, const float *dy, const float *x, const float *alpha, const float *mean, const float *rstd, const float *dg,
             const float *db, ck_int begin, ck_int end, ck_int D, float share),
            (dx, dy, x, alpha, mean, rstd, dg, db, begin, end, D, share))

const char *ck_opencl_dice(void) {
  static const char text[] = {
#embed "Dice.cl"
      , 0};
  return text;
}

#else
#include "../Common/scalar.h"

static void CK(ck_dice_forward)(float *y, const float *x, const float *alpha, const float *mean, const float *rstd, ck_int begin,
                                ck_int end, ck_int D) {
#pragma clang fp contract(fast)
  for (ck_int t = begin; t < end; t++) {
    const float *row = x + t * D;
    float *out = y + t * D;
    CK_ROW for (ck_int d = 0; d < D; d++) {
      const float p = ck_sigmoid((row[d] - mean[d]) * rstd[d]);
      out[d] = row[d] * (alpha[d] + (1.0f - alpha[d]) * p);
    }
  }
}

// With n = (x - mean) rstd, p = sigmoid(n) and u = dL/dn = dy x (1 - alpha) p (1 - p), of this range alone.
static void CK(ck_dice_sums)(float *dalpha, float *dg, float *db, const float *dy, const float *x, const float *alpha, const float *mean,
                             const float *rstd, ck_int begin, ck_int end, ck_int D) {
#pragma clang fp contract(fast)
  memset(dalpha, 0, (size_t)D * sizeof(float));
  memset(dg, 0, (size_t)D * sizeof(float));
  memset(db, 0, (size_t)D * sizeof(float));
  for (ck_int t = begin; t < end; t++) {
    const float *row = x + t * D, *drow = dy + t * D;
    CK_ROW for (ck_int d = 0; d < D; d++) {
      const float n = (row[d] - mean[d]) * rstd[d], p = ck_sigmoid(n), rest = drow[d] * row[d] * (1.0f - p);
      const float u = rest * (1.0f - alpha[d]) * p;
      dalpha[d] += rest;
      dg[d] += u * n;
      db[d] += u;
    }
  }
}

// dx = dy (alpha + (1 - alpha) p) + rstd (u - share (db + n dg)), share = 1 / rows.
static void CK(ck_dice_backward)(float *dx, const float *dy, const float *x, const float *alpha, const float *mean, const float *rstd,
                                 const float *dg, const float *db, ck_int begin, ck_int end, ck_int D, float share) {
#pragma clang fp contract(fast)
  for (ck_int t = begin; t < end; t++) {
    const float *row = x + t * D, *drow = dy + t * D;
    float *out = dx + t * D;
    CK_ROW for (ck_int d = 0; d < D; d++) {
      const float n = (row[d] - mean[d]) * rstd[d], p = ck_sigmoid(n), slope = (1.0f - alpha[d]) * p;
      const float u = drow[d] * row[d] * slope * (1.0f - p);
      out[d] = drow[d] * (alpha[d] + slope) + rstd[d] * (u - share * (db[d] + n * dg[d]));
    }
  }
}
#endif
