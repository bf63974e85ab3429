// Dropout whose mask is a hash of the element's index.
#ifndef CK_BODY
#define CK_FILE "../Dropout/Dropout.c"
#include "../Common/random.h"
#include "../Common/isa.h"

CK_DISPATCH(void, ck_dropout, (float *y, const float *x, const float *r, ck_int begin, ck_int end, uint64_t seed, float rate),
            (y, x, r, begin, end, seed, rate))

const char *ck_opencl_dropout(void) {
  static const char text[] = {
#embed "Dropout.cl"
      , 0};
  return text;
}

#else

// Runs that share the high half of the counter share a key.
static void CK(ck_dropout)(float *restrict y, const float *restrict x, const float *restrict r, ck_int begin, ck_int end,
                           uint64_t seed, float rate) {
  const float scale = 1.0f / (1.0f - rate);
  const uint32_t threshold = ck_threshold(rate);
  while (begin < end) {
    uint32_t high = (uint32_t)((uint64_t)begin >> 32), key = ck_key(seed, high);
    ck_int stop = (ck_int)(((uint64_t)high + 1) << 32);
    if (stop > end) stop = end;
    if (r) {
      for (ck_int i = begin; i < stop; i++) y[i] = r[i] + (ck_mix32((uint32_t)i ^ key) >= threshold ? x[i] * scale : 0.0f);
    } else {
      for (ck_int i = begin; i < stop; i++) y[i] = ck_mix32((uint32_t)i ^ key) >= threshold ? x[i] * scale : 0.0f;
    }
    begin = stop;
  }
}
#endif
