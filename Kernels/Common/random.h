// Counter-based random bits: 32 bits from (seed, counter), integers only, so the CPU and every device agree to the bit.
// Two rounds of a 32-bit multiply-xorshift mix over the low counter word, keyed by seed and the high word.
#ifndef CK_RANDOM_H
#define CK_RANDOM_H
#include <stdint.h>

static inline uint32_t ck_mix32(uint32_t x) {
  x ^= x >> 16;
  x *= 0x21f0aaadu;
  x ^= x >> 15;
  x *= 0xd35a2d97u;
  x ^= x >> 15;
  return x;
}

// The part of the hash that is constant while counter >> 32 is: hoist it out of loops.
static inline uint32_t ck_key(uint64_t seed, uint32_t high) {
  return ck_mix32((uint32_t)seed ^ ck_mix32((uint32_t)(seed >> 32) + 0x9e3779b9u * (high + 1u)));
}

static inline uint32_t ck_hash(uint64_t seed, uint64_t counter) {
  return ck_mix32((uint32_t)counter ^ ck_key(seed, (uint32_t)(counter >> 32)));
}

static inline uint32_t ck_threshold(float rate) { return (uint32_t)((double)rate * 4294967296.0); }
#endif
