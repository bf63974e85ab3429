// The door to BLAS for kernels that need a product inside: c[M,N] = beta c + a b on the calling thread, with a [M,K] ([K,M]
// when ta), b [K,N] ([N,K] when tb), all packed. M may change the bits of a row of c: call it with a cut that no thread
// count changes.
#ifndef CK_GEMM_H
#define CK_GEMM_H
#include "CKernels.h"
void ck_gemm(float *c, const float *a, const float *b, ck_int M, ck_int N, ck_int K, int ta, int tb, float beta);
#endif
