// What happens to a product on its way out: y = act(v + b) + r, pre = v + b; r and pre have the rows of y.
#ifndef CK_EPILOGUE_H
#define CK_EPILOGUE_H
#include "CKernels.h"

struct epilogue {
  float *pre;
  const float *b, *r;
  int act;
};

// The same from element `at` on: the first of some column.
static inline struct epilogue epilogue_at(struct epilogue e, ck_int at) {
  return (struct epilogue){e.pre ? e.pre + at : NULL, e.b ? e.b + at : NULL, e.r ? e.r + at : NULL, e.act};
}
#endif
