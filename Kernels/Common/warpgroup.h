// What a warpgroup of 4 warps does together on sm_90a, behind warp.h: products of 64 x 128 x 16 and 64 x 256 x 16 bfloat16
// (wgmma) with sums in float32 registers. Both factors lie in local memory by rows (k is contiguous) and are named by descriptors
// of 64 bits. With NV_SM it is PTX; with WARP_EMULATION plain OpenCL C, which decodes every field of a descriptor as the PTX ISA
// defines it.
//
// A product goes on behind the back: the sums are there, and its tiles free, after wgmma_wait(n), which leaves at most the n
// youngest committed groups on their way. The emulation does as late as that what the hardware may do at any time before. wgmma
// reads local memory by another way than work-items write it: each that wrote passes tiles_written before the barrier. Of
// work-item t of the warpgroup, sums[i]: row 16 (t / 32) + t % 32 / 4 + 8 (i / 2 % 2), column 8 (i / 4) + 2 (t % 4) + i % 2.

#ifdef NV_SM
typedef int wgmma_queue;
#define WGMMA_QUEUE(memory) const wgmma_queue queue = 0;
#define tiles_written() __asm__ volatile("fence.proxy.async.shared::cta;" ::: "memory")
#define wgmma_begin(queue) __asm__ volatile("wgmma.fence.sync.aligned;" ::: "memory")
#define wgmma_commit(queue) __asm__ volatile("wgmma.commit_group.sync.aligned;" ::: "memory")
#define wgmma_wait(sums, queue, n) __asm__ volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(n) : "memory")
#define REGISTERS_64 \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, " \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define REGISTERS_128 \
  REGISTERS_64 ", " \
  "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, " \
  "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, " \
  "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, " \
  "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
#define SUMS_4(i) "+f"(sums[i]), "+f"(sums[i + 1]), "+f"(sums[i + 2]), "+f"(sums[i + 3])
#define SUMS_16(i) SUMS_4(i), SUMS_4(i + 4), SUMS_4(i + 8), SUMS_4(i + 12)
#define SUMS_64(i) SUMS_16(i), SUMS_16(i + 16), SUMS_16(i + 32), SUMS_16(i + 48)
#define WGMMA(name, shape, registers, a_register, b_register, ...) \
  INLINE void name(float *sums, ulong a, ulong b, wgmma_queue queue) { \
    __asm__ volatile("{ .reg .pred adds; setp.eq.b32 adds, 0, 0; wgmma.mma_async.sync.aligned." shape ".f32.bf16.bf16 {" registers "}, " \
                     a_register ", " b_register ", adds, 1, 1, 0, 0; }" \
                     : __VA_ARGS__ \
                     : "l"(a), "l"(b) \
                     : "memory"); \
  }
WGMMA(wgmma_128, "m64n128k16", REGISTERS_64, "%64", "%65", SUMS_64(0))
WGMMA(wgmma_256, "m64n256k16", REGISTERS_128, "%128", "%129", SUMS_64(0), SUMS_64(64))

#else
// Local memory of a group begins here, behind what the system keeps for itself.
#define LOCAL_WINDOW 1024u
#define LOCAL_ADDRESS(tile, place) (LOCAL_WINDOW + 4u * (uint)(place))
#define MOST_PRODUCTS 16
typedef struct {
  __local const uint *memory;
  ulong a[MOST_PRODUCTS], b[MOST_PRODUCTS];
  int columns, group[MOST_PRODUCTS], count, groups;
} wgmma_waiting;
typedef wgmma_waiting *wgmma_queue;
#define WGMMA_QUEUE(from) \
  wgmma_waiting waiting; \
  const wgmma_queue queue = &waiting; \
  queue->memory = (from), queue->count = queue->groups = 0;
#define tiles_written()
#define wgmma_begin(queue)
#define wgmma_commit(queue) queue->groups++
// The word with elements k and k + 1 of a row of a matrix. Bits of a descriptor: 0-13 start, 16-29 the way from one column of
// chunks to the next, 32-45 from 8 rows to the next 8, all in units of 16 bytes; 49-51 offset of the pattern (0 here); 62-63
// swizzle. Rows of 8 lie 16, 128, 64 or 32 bytes apart, and bits 4 ... of an address change by its bits 7 ...: by 3, 2 or 1 of
// them.
INLINE uint described_word(__local const uint *memory, ulong descriptor, int row, int k) {
  const uint start = (uint)(descriptor & 0x3fff) << 4, leading = (uint)(descriptor >> 16 & 0x3fff) << 4;
  const uint stride = (uint)(descriptor >> 32 & 0x3fff) << 4, mode = descriptor >> 62, pitch = mode ? 256 >> mode : 16;
  const uint plain = start + row / 8 * stride + row % 8 * pitch + 2 * k / pitch * leading + 2 * k % pitch;
  const uint address = plain ^ (plain >> 3 & (pitch - 16));
  return descriptor >> 49 & 7 ? 0x7fff7fffu : memory[(address - LOCAL_WINDOW) / 4];
}
INLINE void wgmma(float *sums, __local const uint *memory, ulong a, ulong b, int columns) {
  const int row = WARP % 4 * 16 + WARP_LANE / 4, column = WARP_LANE % 4 * 2;
  for (int k = 0; k < 16; k += 2) {
    const uint x[2] = {described_word(memory, a, row, k), described_word(memory, a, row + 8, k)};
    for (int j = 0; j < columns / 4; j++) {
      const uint y = described_word(memory, b, j / 2 * 8 + column + j % 2, k);
      for (int half_row = 0; half_row < 2; half_row++) {
        __private float *sum = sums + j / 2 * 4 + half_row * 2 + j % 2;
        *sum = fma(high_half(x[half_row]), high_half(y), fma(low_half(x[half_row]), low_half(y), *sum));
      }
    }
  }
}
INLINE void wgmma_put(ulong a, ulong b, int columns, wgmma_queue queue) {
  const int i = queue->count++ % MOST_PRODUCTS;
  queue->a[i] = a, queue->b[i] = b, queue->columns = columns, queue->group[i] = queue->groups;
}
#define wgmma_128(sums, a, b, queue) wgmma_put(a, b, 128, queue)
#define wgmma_256(sums, a, b, queue) wgmma_put(a, b, 256, queue)
INLINE void wgmma_wait(float *sums, wgmma_queue queue, int n) {
  int kept = 0;
  for (int i = 0; i < queue->count; i++) {
    if (queue->group[i] < queue->groups - n)
      wgmma(sums, queue->memory, queue->a[i], queue->b[i], queue->columns);
    else
      queue->a[kept] = queue->a[i], queue->b[kept] = queue->b[i], queue->group[kept++] = queue->group[i];
  }
  queue->count = kept;
}
#endif

// Of a tile of rows of 64 bfloat16 that tile_place laid out from `place` on, a multiple of 1,024 bytes: swizzle of 128 bytes,
// 1,024 bytes from 8 rows to the next 8. The columns from k on: + k / 8.
INLINE ulong tile_descriptor(__local const uint *memory, int place) {
  return (ulong)((LOCAL_ADDRESS(memory, place) & 0x3ffffu) >> 4) | 1ul << 16 | 64ul << 32 | 1ul << 62;
}
