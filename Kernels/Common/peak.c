// What the machine can do at best, for benchmarks to compare with: multiply-adds in registers, and reading memory.
#ifndef CK_BODY
#define CK_FILE "../Common/peak.c"
#define CK_WITH_BF16
#include "isa.h"

CK_DISPATCH(double, ck_peak_operations, (ck_int rounds, int bf16, float *out), (rounds, bf16, out))
CK_DISPATCH(void, ck_peak_read, (const float *x, ck_int begin, ck_int end, float *out), (x, begin, end, out))

#else
#include "tile.h"
#include "pairs.h"

enum { CK(peak_chains) = 12 };  // enough to hide the latency of one

static double CK(ck_peak_operations)(ck_int rounds, int bf16, float *out) {
#pragma clang fp contract(fast)
  floats sum[CK(peak_chains)], a = (floats){} + 0.99999f, b = (floats){} + 1e-5f;
  for (int i = 0; i < CK(peak_chains); i++) sum[i] = (floats){} + (float)i;
#ifdef CK_BF16
  if (bf16) {
    for (ck_int r = 0; r < rounds; r++) {
      CK_UNROLLED for (int i = 0; i < CK(peak_chains); i++) sum[i] = dot_pair(sum[i], (words)a, (words)b);
    }
  } else
#endif
    for (ck_int r = 0; r < rounds; r++) {
      CK_UNROLLED for (int i = 0; i < CK(peak_chains); i++) sum[i] = sum[i] * a + b;
    }
  for (int i = 1; i < CK(peak_chains); i++) sum[0] += sum[i];
  *out = sum[0][0];
#ifdef CK_BF16
  const double pairs = bf16 ? 2 : 1;
#else
  const double pairs = 1;
  (void)bf16;
#endif
  return 2.0 * pairs * CK_LANES * CK(peak_chains) * (double)rounds;
}

static void CK(ck_peak_read)(const float *x, ck_int begin, ck_int end, float *out) {
  enum { streams = 8 };
  floats sum[streams] = {};
  for (ck_int i = begin; i + streams * CK_LANES <= end; i += streams * CK_LANES) {
    CK_UNROLLED for (int s = 0; s < streams; s++) sum[s] += *(const floats *)(x + i + s * CK_LANES);
  }
  for (int s = 1; s < streams; s++) sum[0] += sum[s];
  *out = sum[0][0];
}
#endif
