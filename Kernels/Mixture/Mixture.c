// Softly gated mixtures (Jacobs et al. 1991): what a task takes of each expert.
#ifndef CK_BODY
#define CK_FILE "../Mixture/Mixture.c"
#include "../Common/isa.h"

CK_DISPATCH(void, ck_mixture_shares, (float *p, const float *g, ck_int begin, ck_int end, ck_int E), (p, g, begin, end, E))
CK_DISPATCH(void, ck_mixture_forward,
            (float *y, const float *x, const float *p, int first, ck_int begin, ck_int end, ck_int E, ck_int D),
            (y, x, p, first, begin, end, E, D))
CK_DISPATCH(void, ck_mixture_backward,
            (float *dx, float *dp, const float *dy, const float *x, const float *p, ck_int begin, ck_int end, ck_int E, ck_int D),
            (dx, dp, dy, x, p, begin, end, E, D))
CK_DISPATCH(void, ck_mixture_gates, (float *dg, const float *dp, const float *p, ck_int begin, ck_int end, ck_int E),
            (dg, dp, p, begin, end, E))

const char *ck_opencl_mixture(void) {
  static const char text[] = {
#embed "Mixture.cl"
      , 0};
  return text;
}

#else
#include "../Common/scalar.h"

static void CK(ck_mixture_shares)(float *p, const float *g, ck_int begin, ck_int end, ck_int E) {
  for (ck_int r = begin; r < end; r++) {
    const float *row = g + r * E;
    float largest = row[0], sum = 0;
    for (ck_int e = 1; e < E; e++) largest = row[e] > largest ? row[e] : largest;
    for (ck_int e = 0; e < E; e++) sum += p[r * E + e] = ck_exp(row[e] - largest);
    for (ck_int e = 0; e < E; e++) p[r * E + e] /= sum;
  }
}

// x and p are of one expert: p of row r is p[r E]. first: y is set, not added to.
static void CK(ck_mixture_forward)(float *y, const float *x, const float *p, int first, ck_int begin, ck_int end, ck_int E, ck_int D) {
#pragma clang fp contract(fast)
  for (ck_int r = begin; r < end; r++) {
    const float share = p[r * E], *row = x + r * D;
    float *out = y + r * D;
    if (first) {
      CK_ROW for (ck_int d = 0; d < D; d++) out[d] = share * row[d];
    } else {
      CK_ROW for (ck_int d = 0; d < D; d++) out[d] = share * row[d] + out[d];
    }
  }
}

static void CK(ck_mixture_backward)(float *dx, float *dp, const float *dy, const float *x, const float *p, ck_int begin, ck_int end,
                                    ck_int E, ck_int D) {
#pragma clang fp reassociate(on) contract(fast)
  for (ck_int r = begin; r < end; r++) {
    const float share = p[r * E], *row = x + r * D, *d = dy + r * D;
    float sum = 0;
    CK_ROW for (ck_int i = 0; i < D; i++) {
      sum += d[i] * row[i];
      dx[r * D + i] = share * d[i];
    }
    dp[r * E] = sum;
  }
}

// dg = p (dp - sum p dp)
static void CK(ck_mixture_gates)(float *dg, const float *dp, const float *p, ck_int begin, ck_int end, ck_int E) {
  for (ck_int r = begin; r < end; r++) {
    float sum = 0;
    for (ck_int e = r * E; e < (r + 1) * E; e++) sum += p[e] * dp[e];
    for (ck_int e = r * E; e < (r + 1) * E; e++) dg[e] = p[e] * (dp[e] - sum);
  }
}
#endif
