// Inverted dropout with a counter-based mask, fused with the residual addition (Srivastava et al. 2014).
#ifndef CK_BODY
#define CK_FILE "../Dropout/Dropout.c"
#include "../Common/isa.h"

CK_DISPATCH(void, ck_dropout,
            (float *y, const float *x, const float *r, ck_int first, ck_int begin, ck_int end, uint64_t seed, float rate),
            (y, x, r, first, begin, end, seed, rate))

const char *ck_opencl_dropout(void) {
  static const char text[] = {
#embed "Dropout.cl"
      , 0};
  return text;
}

#else
#include "../Common/random.h"
#include "../Common/scalar.h"

// The high word of the counter is constant over a stretch of 2^32 elements.
static void CK(ck_dropout)(float *y, const float *x, const float *r, ck_int first, ck_int begin, ck_int end, uint64_t seed,
                           float rate) {
  const uint32_t threshold = ck_threshold(rate);
  const float scale = 1.0f / (1.0f - rate);
  for (ck_int start = begin, stop; start < end; start = stop) {
    const ck_int counter = first + start, next = ((counter >> 32) + 1) << 32;
    const uint32_t key = ck_key(seed, (uint32_t)(counter >> 32)), low = (uint32_t)first;
    stop = end < next - first ? end : next - first;
    if (r) {
      CK_PARALLEL for (ck_int i = start; i < stop; i++)
        y[i] = r[i] + x[i] * (ck_mix32((low + (uint32_t)i) ^ key) >= threshold ? scale : 0.0f);
    } else {
      CK_PARALLEL for (ck_int i = start; i < stop; i++)
        y[i] = x[i] * (ck_mix32((low + (uint32_t)i) ^ key) >= threshold ? scale : 0.0f);
    }
  }
}
#endif
