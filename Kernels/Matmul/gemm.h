// The door to products for kernels that need one inside: c[M,N] = (add: +=) a b on the calling thread, with a [M,K] ([K,M] when
// ta), b [K,N] ([N,K] when tb), all packed. The bits of a row of c do not depend on M.
#ifndef CK_GEMM_H
#define CK_GEMM_H
#include "CKernels.h"
void ck_gemm(float *c, const float *a, const float *b, ck_int M, ck_int N, ck_int K, int ta, int tb, int add);
#endif
