// Compiles one body three times, or four: baseline, AVX2+FMA, AVX-512, AVX-512 with bfloat16. A file X.c starts with
//   #ifndef CK_BODY
//   #define CK_FILE "../X/X.c"
//   #include "../Common/isa.h"
//   ... CK_DISPATCH lines ...
//   #else
//   ... functions named CK(name) ...
//   #endif
// CK_LANES is the number of floats of the widest register of the variant.
#include "CKernels.h"
#include <math.h>
#include <string.h>

#define CK_JOIN_(a, b) a##_##b
#define CK_JOIN(a, b) CK_JOIN_(a, b)
#define CK(name) CK_JOIN(name, CK_SUFFIX)
#define CK_INLINE static inline __attribute__((always_inline))

#define CK_BODY 1
#define CK_SUFFIX baseline
#define CK_LANES 4
#include CK_FILE
#undef CK_SUFFIX
#undef CK_LANES

#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#define CK_SUFFIX avx2
#define CK_LANES 8
#include CK_FILE
#undef CK_SUFFIX
#undef CK_LANES
#pragma clang attribute pop

#pragma clang attribute push(__attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma"))), apply_to = function)
#define CK_SUFFIX avx512
#define CK_LANES 16
#include CK_FILE
#undef CK_SUFFIX
#undef CK_LANES
#pragma clang attribute pop

// A file that defines CK_WITH_BF16 before it includes this one gets a fourth body, with CK_BF16 defined.
#ifdef CK_WITH_BF16
#include <immintrin.h>
#pragma clang attribute push(__attribute__((target("avx512bf16,avx512f,avx512vl,avx512bw,avx512dq,avx2,fma"))), apply_to = function)
#define CK_SUFFIX avx512bf16
#define CK_LANES 16
#define CK_BF16 1
#include CK_FILE
#undef CK_SUFFIX
#undef CK_LANES
#undef CK_BF16
#pragma clang attribute pop
#define CK_VARIANTS(name) name##_baseline, name##_avx2, name##_avx512, name##_avx512bf16
#else
#define CK_VARIANTS(name) name##_baseline, name##_avx2, name##_avx512, name##_avx512
#endif
#else
#define CK_VARIANTS(name) name##_baseline, name##_baseline, name##_baseline, name##_baseline
#endif
#undef CK_BODY

// CK_DISPATCH(void, ck_add, (float *y, const float *x), (y, x)) defines the public function over its variants.
#define CK_DISPATCH(result, name, parameters, arguments)          \
  result name parameters {                                        \
    static result(*const variants[]) parameters = {CK_VARIANTS(name)}; \
    return variants[ck_isa()] arguments;                           \
  }
