// Losses of one row at a time, forward and gradient in one visit. The formulas are in formulas.h, which the device reads too.
#ifndef CK_BODY
#define CK_FILE "../Loss/Loss.c"
#include "../Common/isa.h"

CK_DISPATCH(void, ck_row_loss, (const ck_loss *rows, ck_int begin, ck_int end), (rows, begin, end))

const char *ck_opencl_loss(void) {
  static const char text[] = {
#embed "Loss.cl"
      , '\n',
#embed "formulas.h"
      , 0};
  return text;
}

#else
#include "../Common/scalar.h"

#ifndef EXP
#define EXP ck_exp
#define LOG ck_log
#define LOG1P ck_log1p
#define EXPM1 ck_expm1
#define LOGISTIC(x, s, l) ck_logistic(x, &s, &l)
#endif

// A loop for outputs that lie apart, and one for those of a row side by side.
#undef FORMULA
#undef LOSS_ENTRY
#define FORMULA(name) CK_INLINE float CK(name)(const float *x, const float *y, const float *p, float *d)
#define LOSS_ENTRY(name, outputs, labels)                                                                              \
  CK_INLINE void CK(name##_of)(const ck_loss *a, ck_int begin, ck_int end, const ck_int stride) {                      \
    const float p[2] = {a->p[0], a->p[1]}, weight = a->weight;                                                         \
    float *const loss = a->loss, *const dx[3] = {a->dx[0], a->dx[1], a->dx[2]};                                        \
    const float *const from[3] = {a->x[0], a->x[1], a->x[2]}, *const label[2] = {a->y[0], a->y[1]};                    \
    CK_PARALLEL for (ck_int t = begin; t < end; t++) {                                                                 \
      float x[outputs], y[2] = {0, 0}, d[outputs];                                                                     \
      for (int c = 0; c < outputs; c++) x[c] = from[c][t * stride];                                                    \
      for (int c = 0; c < labels; c++) y[c] = label[c][t];                                                             \
      loss[t] = CK(name)(x, y, p, d);                                                                                  \
      for (int c = 0; c < outputs; c++) dx[c][t * stride] = weight * d[c];                                             \
    }                                                                                                                  \
  }                                                                                                                    \
  static void CK(name##_rows)(const ck_loss *a, ck_int begin, ck_int end) {                                            \
    if (a->stride == 1)                                                                                                \
      CK(name##_of)(a, begin, end, 1);                                                                                 \
    else                                                                                                               \
      CK(name##_of)(a, begin, end, outputs);                                                                           \
  }
#include "formulas.h"

static void CK(ck_row_loss)(const ck_loss *rows, ck_int begin, ck_int end) {
#define LOSS_ROWS(name, outputs, labels) {CK(name##_rows), outputs},
  static const struct {
    void (*run)(const ck_loss *, ck_int, ck_int);
    int outputs;
  } table[] = {LOSSES(LOSS_ROWS)};
  table[rows->kind].run(rows, begin, end);
  if (!rows->w) return;
  float *loss = rows->loss;
  const float *w = rows->w;
  CK_PARALLEL for (ck_int t = begin; t < end; t++) loss[t] *= w[t];
  for (int c = 0; c < table[rows->kind].outputs; c++) {
    float *d = rows->dx[c];
    CK_PARALLEL for (ck_int t = begin; t < end; t++) d[t * rows->stride] *= w[t];
  }
}
#endif
