// SwiGLU and the gated residual.
#ifndef CK_BODY
#define CK_FILE "../Gate/Gate.c"
#include "../Common/random.h"
#include "../Common/scalar.h"
#include "../Common/isa.h"

CK_DISPATCH(void, ck_swiglu_forward, (float *y, const float *ab, ck_int begin, ck_int end, ck_int F), (y, ab, begin, end, F))
CK_DISPATCH(void, ck_swiglu_backward, (float *dab, const float *dy, const float *ab, ck_int begin, ck_int end, ck_int F),
            (dab, dy, ab, begin, end, F))
CK_DISPATCH(void, ck_gated_residual_forward,
            (float *y, const float *x, const float *g, const float *z, ck_int begin, ck_int end, uint64_t seed, float rate),
            (y, x, g, z, begin, end, seed, rate))
CK_DISPATCH(void, ck_gated_residual_backward,
            (float *dg, float *dz, const float *dy, const float *g, const float *z, ck_int begin, ck_int end, uint64_t seed, float rate),
            (dg, dz, dy, g, z, begin, end, seed, rate))

const char *ck_opencl_gate(void) {
  static const char text[] = {
#embed "Gate.cl"
      , 0};
  return text;
}

#else

static void CK(ck_swiglu_forward)(float *y, const float *ab, ck_int begin, ck_int end, ck_int F) {
  for (ck_int t = begin; t < end; t++) {
    const float *restrict a = ab + t * 2 * F, *restrict b = a + F;
    float *restrict out = y + t * F;
    for (ck_int i = 0; i < F; i++) out[i] = a[i] * ck_sigmoid(a[i]) * b[i];
  }
}

// d silu(a) = sigmoid(a) (1 + a (1 - sigmoid(a)))
static void CK(ck_swiglu_backward)(float *dab, const float *dy, const float *ab, ck_int begin, ck_int end, ck_int F) {
  for (ck_int t = begin; t < end; t++) {
    const float *restrict a = ab + t * 2 * F, *restrict b = a + F, *restrict d = dy + t * F;
    float *restrict da = dab + t * 2 * F, *restrict db = da + F;
    for (ck_int i = 0; i < F; i++) {
      float s = ck_sigmoid(a[i]);
      da[i] = d[i] * b[i] * (s * (1.0f + a[i] * (1.0f - s)));
      db[i] = d[i] * a[i] * s;
    }
  }
}

// The factor of element i: 1 / (1 - rate) where it is kept, else 0. Tensors here have fewer than 2^32 elements in a run of one key.
CK_INLINE float CK(kept)(ck_int i, uint32_t key, uint32_t threshold, float scale) {
  return ck_mix32((uint32_t)i ^ key) >= threshold ? scale : 0.0f;
}

static void CK(ck_gated_residual_forward)(float *restrict y, const float *restrict x, const float *restrict g,
                                          const float *restrict z, ck_int begin, ck_int end, uint64_t seed, float rate) {
  const float scale = 1.0f / (1.0f - rate);
  const uint32_t threshold = ck_threshold(rate);
  while (begin < end) {
    uint32_t high = (uint32_t)((uint64_t)begin >> 32), key = ck_key(seed, high);
    ck_int stop = (ck_int)(((uint64_t)high + 1) << 32);
    if (stop > end) stop = end;
    for (ck_int i = begin; i < stop; i++) y[i] = x[i] + ck_sigmoid(g[i]) * (z[i] * CK(kept)(i, key, threshold, scale));
    begin = stop;
  }
}

static void CK(ck_gated_residual_backward)(float *restrict dg, float *restrict dz, const float *restrict dy,
                                           const float *restrict g, const float *restrict z, ck_int begin, ck_int end,
                                           uint64_t seed, float rate) {
  const float scale = 1.0f / (1.0f - rate);
  const uint32_t threshold = ck_threshold(rate);
  while (begin < end) {
    uint32_t high = (uint32_t)((uint64_t)begin >> 32), key = ck_key(seed, high);
    ck_int stop = (ck_int)(((uint64_t)high + 1) << 32);
    if (stop > end) stop = end;
    for (ck_int i = begin; i < stop; i++) {
      float s = ck_sigmoid(g[i]), k = CK(kept)(i, key, threshold, scale);
      dg[i] = dy[i] * (z[i] * k) * s * (1.0f - s);
      dz[i] = dy[i] * s * k;
    }
    begin = stop;
  }
}
#endif
