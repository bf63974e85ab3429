// CRC-32C by the processor's instruction, eight bytes at a time.
#include "CKernels.h"

#include <string.h>

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const uint8_t *p, ck_int bytes) {
  uint64_t state = crc;
  for (; bytes >= 8; p += 8, bytes -= 8) {
    uint64_t word;
    memcpy(&word, p, sizeof word);
    state = __builtin_ia32_crc32di(state, word);
  }
  for (; bytes > 0; p++, bytes--) state = __builtin_ia32_crc32qi((uint32_t)state, *p);
  return (uint32_t)state;
}
#endif

int ck_crc32c(uint32_t *crc, const void *bytes, ck_int count) {
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("sse4.2")) return 0;
  *crc = ~crc32c_sse42(~*crc, bytes, count);
  return 1;
#else
  return 0;
#endif
}
