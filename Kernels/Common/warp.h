// What a warp of 32 work-items does together: products of 16 x 8 x 16 bfloat16 with sums in float32, loads of their
// factors from local memory, copies to local memory that go on behind the back, fast exponentials. With NV_SM (set by
// the host on NVIDIA devices only: other compilers abort on foreign assembly) they are PTX of sm_80 and later; with
// WARP_EMULATION the same by the fragment maps of the PTX ISA in plain OpenCL C, over local memory and barriers, so
// that any device can run the text of a kernel.
//
// Launch: local size (32, warps, 1); every work-item of a group calls every function, in uniform control flow.
// Fragments of lane l, g = l / 4, q = l % 4, each register two bfloat16, the lower column (of b: row) in its low half:
//   a[i]: row g + 8 (i % 2), columns 2q + 8 (i / 2), + 1     b[i]: rows 2q + 8i, + 1, column g
//   c[i]: row g + 8 (i / 2), column 2q + i % 2
// Tiles in local memory are arrays of 32-bit words, aligned to 128 bytes; a place is a word.
#define WARP ((int)get_local_id(1))
#define WARP_LANE ((int)get_local_id(0))
#define INLINE __attribute__((always_inline))
#define LOG2E 1.4426950408889634f
#define WORD(low, high) ((uint)(low) | (uint)(high) << 16)
float low_half(uint word) { return as_float(word << 16); }
float high_half(uint word) { return as_float(word & 0xffff0000u); }
// Where 16 bytes of a tile of rows of `width` bfloat16 (16, 32, or a multiple of 64) begin: chunks of a row change
// places, so that the same chunk of 8 rows lies in different banks.
INLINE int tile_place(int row, int chunk, int width) {
  const int shift = width >= 64 ? 0 : width == 32 ? 1 : 2, mask = width >= 64 ? 7 : width / 8 - 1;
  return row * (width / 2) + ((chunk ^ (row >> shift & mask)) << 2);
}

#ifdef NV_SM
#define UNROLL _Pragma("unroll")
typedef int warp_scratch;
#define WARP_SCRATCH(warps) const warp_scratch scratch = 0;
// Of 32 bits, which a pointer is not
#define LOCAL_ADDRESS(tile, place) ((uint)(size_t)(tile) + 4u * (uint)(place))

// c += a b
INLINE void mma_bf16(float *c, const uint *a, const uint *b, warp_scratch scratch) {
  __asm__ volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Four matrices of 8 x 8 bfloat16: lane 8j + i gives the place of row i of matrix j (4 words); r[j] of lane l becomes
// the elements 2q and 2q + 1 of row g of matrix j, transposed: of its column g.
#define LDMATRIX(name, kind) \
  INLINE void name(uint *r, __local const uint *tile, int place, warp_scratch scratch) { \
    __asm__ volatile("ldmatrix.sync.aligned.m8n8.x4" kind ".shared.b16 {%0, %1, %2, %3}, [%4];" \
                     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) \
                     : "r"(LOCAL_ADDRESS(tile, place)) \
                     : "memory"); \
  }
LDMATRIX(ldmatrix, "")
LDMATRIX(ldmatrix_transposed, ".trans")

// 16 bytes to local memory, the last 16 - bytes of them 0; all places are multiples of 16 bytes. They are there after
// copies_wait(n), which leaves at most the n youngest groups of copies on their way, and a barrier.
INLINE void copy_async(__local uint *tile, int place, __global const void *from, int bytes) {
  __asm__ volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(LOCAL_ADDRESS(tile, place)), "l"(from), "r"(bytes)
                   : "memory");
}
#define copies_commit() __asm__ volatile("cp.async.commit_group;" ::: "memory")
#define copies_wait(n) __asm__ volatile("cp.async.wait_group %0;" ::"n"(n) : "memory")

// Two floats as bfloat16, rounded to nearest even
INLINE uint pack_bf16(float low, float high) {
  uint word;
  __asm__ volatile("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(high), "f"(low));
  return word;
}
// 2^x, about 2 ulp; 0 at -infinity
INLINE float exp2_fast(float x) {
  float y;
  __asm__ volatile("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
// The inverse, at x > 0; and 1 / (1 + e^-x), about 4 ulp
INLINE float log2_fast(float x) {
  float y;
  __asm__ volatile("lg2.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
INLINE float sigmoid_fast(float x) {
  float y;
  __asm__ volatile("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(1.0f + exp2_fast(-LOG2E * x)));
  return y;
}
INLINE float shuffle_xor(float x, int mask, warp_scratch scratch) {
  float y;
  __asm__ volatile("shfl.sync.bfly.b32 %0, %1, %2, 31, 0xffffffff;" : "=f"(y) : "f"(x), "r"(mask));
  return y;
}

#elif defined(WARP_EMULATION)
#define UNROLL _Pragma("nounroll")
#define WARP_WORDS (32 * 6)
typedef __local uint *warp_scratch;
#define WARP_SCRATCH(warps) \
  __local uint warp_words[(warps)*WARP_WORDS]; \
  const warp_scratch scratch = warp_words + WARP * WARP_WORDS;
#define WARP_BARRIER barrier(CLK_LOCAL_MEM_FENCE);
float bf16_at(uint word, int high) { return high ? high_half(word) : low_half(word); }

INLINE void mma_bf16(float *c, const uint *a, const uint *b, warp_scratch scratch) {
  const int g = WARP_LANE / 4, q = WARP_LANE % 4;
  for (int i = 0; i < 6; i++) scratch[WARP_LANE * 6 + i] = i < 4 ? a[i] : b[i - 4];
  WARP_BARRIER
  for (int i = 0; i < 4; i++) {
    const int row = g + 8 * (i / 2), column = 2 * q + i % 2;
    float sum = c[i];
    for (int k = 0; k < 16; k++) {
      const uint a_word = scratch[(row % 8 * 4 + k % 8 / 2) * 6 + row / 8 + 2 * (k / 8)];
      const uint b_word = scratch[(column * 4 + k % 8 / 2) * 6 + 4 + k / 8];
      sum = fma(bf16_at(a_word, k % 2), bf16_at(b_word, k % 2), sum);
    }
    c[i] = sum;
  }
  WARP_BARRIER
}

INLINE void ldmatrix(uint *r, __local const uint *tile, int place, warp_scratch scratch) {
  scratch[WARP_LANE] = place;
  WARP_BARRIER
  for (int j = 0; j < 4; j++) r[j] = tile[scratch[8 * j + WARP_LANE / 4] + WARP_LANE % 4];
  WARP_BARRIER
}
INLINE void ldmatrix_transposed(uint *r, __local const uint *tile, int place, warp_scratch scratch) {
  const int g = WARP_LANE / 4, q = WARP_LANE % 4;
  scratch[WARP_LANE] = place;
  WARP_BARRIER
  for (int j = 0; j < 4; j++) {
    const uint low = tile[scratch[8 * j + 2 * q] + g / 2], high = tile[scratch[8 * j + 2 * q + 1] + g / 2];
    r[j] = g % 2 ? low >> 16 | (high & 0xffff0000u) : (low & 0xffffu) | high << 16;
  }
  WARP_BARRIER
}

INLINE void copy_async(__local uint *tile, int place, __global const void *from, int bytes) {
  for (int i = 0; i < 4; i++) {
    const int left = bytes - 4 * i;
    __global const ushort *halves = (__global const ushort *)from + 2 * i;
    tile[place + i] = WORD(left > 0 ? halves[0] : 0, left > 2 ? halves[1] : 0);
  }
}
#define copies_commit()
#define copies_wait(n)

uint bf16_bits(float x) { return isnan(x) ? 0x7fffu : as_uint(round_bf16(x)) >> 16; }
INLINE uint pack_bf16(float low, float high) { return WORD(bf16_bits(low), bf16_bits(high)); }
INLINE float exp2_fast(float x) { return exp2(x); }
INLINE float log2_fast(float x) { return log2(x); }
INLINE float sigmoid_fast(float x) { return 1.0f / (1.0f + exp2(-LOG2E * x)); }
INLINE float shuffle_xor(float x, int mask, warp_scratch scratch) {
  scratch[WARP_LANE] = as_uint(x);
  WARP_BARRIER
  const float y = as_float(scratch[WARP_LANE ^ mask]);
  WARP_BARRIER
  return y;
}
#else
#error "set NV_SM or WARP_EMULATION"
#endif

INLINE float4 quad_exp(float4 x) {
  x *= LOG2E;
  return (float4)(exp2_fast(x.s0), exp2_fast(x.s1), exp2_fast(x.s2), exp2_fast(x.s3));
}

// Four elements of a row; those from count on are 0, or left alone. Where is_wide the four begin at a multiple of 16
// bytes.
INLINE float4 load_quad(__global const float *p, int count, int is_wide) {
  if (is_wide && count >= 4) return *(__global const float4 *)p;
  return (float4)(count > 0 ? p[0] : 0, count > 1 ? p[1] : 0, count > 2 ? p[2] : 0, count > 3 ? p[3] : 0);
}
INLINE void store_quad(float4 x, __global float *p, int count, int is_wide) {
  if (is_wide && count >= 4) {
    *(__global float4 *)p = x;
    return;
  }
  if (count > 0) p[0] = x.s0;
  if (count > 1) p[1] = x.s1;
  if (count > 2) p[2] = x.s2;
  if (count > 3) p[3] = x.s3;
}
#define QUAD_HALVES(x) (uint2)(pack_bf16((x).s0, (x).s1), pack_bf16((x).s2, (x).s3))
// Four elements in bfloat16, of a place that is a multiple of 8 bytes where is_wide
INLINE void store_halves(uint2 x, __global ushort *p, int count, int is_wide) {
  if (is_wide && count >= 4) {
    *(__global uint2 *)p = x;
    return;
  }
  for (int i = 0; i < min(count, 4); i++) p[i] = (i < 2 ? x.s0 : x.s1) >> i % 2 * 16;
}
#define IS_WIDE(p, stride) ((((size_t)(p) | (size_t)(stride) * sizeof(*(p))) & 15) == 0)
