// Multiplicative gates: SwiGLU (Shazeer 2020) without its linears, and the gated residual of LiGR (Borisyuk et al. 2025).
#ifndef CK_BODY
#define CK_FILE "../Gate/Gate.c"
#include "../Common/isa.h"

CK_DISPATCH(void, ck_swiglu_forward, (float *y, const float *ab, ck_int begin, ck_int end, ck_int F), (y, ab, begin, end, F))
CK_DISPATCH(void, ck_swiglu_backward, (float *dab, const float *dy, const float *ab, ck_int begin, ck_int end, ck_int F),
            (dab, dy, ab, begin, end, F))
CK_DISPATCH(void, ck_gated_residual_forward,
            (float *y, const float *x, const float *g, const float *z, ck_int begin, ck_int end, uint64_t seed, float rate),
            (y, x, g, z, begin, end, seed, rate))
CK_DISPATCH(void, ck_gated_residual_backward,
            (float *dg, float *dz, const float *dy, const float *g, const float *z, ck_int begin, ck_int end, uint64_t seed,
             float rate),
            (dg, dz, dy, g, z, begin, end, seed, rate))

const char *ck_opencl_gate(void) {
  static const char text[] = {
#embed "Gate.cl"
      , 0};
  return text;
}

#else
#include "../Common/random.h"
#include "../Common/scalar.h"

static void CK(ck_swiglu_forward)(float *y, const float *ab, ck_int begin, ck_int end, ck_int F) {
  for (ck_int t = begin; t < end; t++) {
    const float *a = ab + t * 2 * F, *b = a + F;
    CK_ROW for (ck_int i = 0; i < F; i++) y[t * F + i] = a[i] * ck_sigmoid(a[i]) * b[i];
  }
}

// With s = sigmoid(a): d silu(a) / da = s (1 + a (1 - s)).
static void CK(ck_swiglu_backward)(float *dab, const float *dy, const float *ab, ck_int begin, ck_int end, ck_int F) {
  for (ck_int t = begin; t < end; t++) {
    const float *a = ab + t * 2 * F, *b = a + F, *d = dy + t * F;
    float *da = dab + t * 2 * F, *db = da + F;
    CK_ROW for (ck_int i = 0; i < F; i++) {
      const float ai = a[i], s = ck_sigmoid(ai), silu = ai * s;
      da[i] = d[i] * b[i] * (s + silu * (1.0f - s));
      db[i] = d[i] * silu;
    }
  }
}

static void CK(ck_gated_residual_forward)(float *y, const float *x, const float *g, const float *z, ck_int begin, ck_int end,
                                          uint64_t seed, float rate) {
  const uint32_t threshold = ck_threshold(rate);
  const float scale = 1.0f / (1.0f - rate);
  for (ck_int start = begin, stop; start < end; start = stop) {
    const ck_int next = ((start >> 32) + 1) << 32;
    const uint32_t key = ck_key(seed, (uint32_t)(start >> 32));
    stop = end < next ? end : next;
    CK_PARALLEL for (ck_int i = start; i < stop; i++) {
      const float kept = ck_mix32((uint32_t)i ^ key) >= threshold ? scale : 0.0f;
      y[i] = x[i] + ck_sigmoid(g[i]) * (z[i] * kept);
    }
  }
}

// With s = sigmoid(g) and z' = drop(z): dg = dy z' s (1 - s), dz = drop(dy s).
static void CK(ck_gated_residual_backward)(float *dg, float *dz, const float *dy, const float *g, const float *z, ck_int begin,
                                           ck_int end, uint64_t seed, float rate) {
  const uint32_t threshold = ck_threshold(rate);
  const float scale = 1.0f / (1.0f - rate);
  for (ck_int start = begin, stop; start < end; start = stop) {
    const ck_int next = ((start >> 32) + 1) << 32;
    const uint32_t key = ck_key(seed, (uint32_t)(start >> 32));
    stop = end < next ? end : next;
    CK_PARALLEL for (ck_int i = start; i < stop; i++) {
      const float kept = ck_mix32((uint32_t)i ^ key) >= threshold ? scale : 0.0f;
      const float s = ck_sigmoid(g[i]), d = dy[i] * s * kept;
      dg[i] = d * z[i] * (1.0f - s);
      dz[i] = d;
    }
  }
}
#endif
