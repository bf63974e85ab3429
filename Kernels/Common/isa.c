// Chooses the instruction set once, at load; AUGUR_ISA can only lower it.
#if defined(__linux__)
#define _GNU_SOURCE
#include <sched.h>
#endif
#include "CKernels.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const names[] = {"baseline", "avx2", "avx512", "avx512-bf16"};
static int bound;

__attribute__((constructor)) static void bind(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) bound = 1;
  if (bound && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq"))
    bound = 2;
  if (bound == 2 && __builtin_cpu_supports("avx512bf16")) bound = 3;
#endif
  const char *asked = getenv("AUGUR_ISA");
  for (int isa = 0; asked && isa < bound; isa++)
    if (strcmp(asked, names[isa]) == 0) bound = isa;
}

int ck_isa(void) { return bound; }

const char *ck_isa_name(void) {
  return names[bound];
}

void ck_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

int ck_cpu_count(void) {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
  return (int)sysconf(_SC_NPROCESSORS_ONLN);
}
