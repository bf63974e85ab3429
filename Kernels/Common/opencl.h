// Prelude of every device kernel (OpenCL C 1.2): how kernels are launched, vectors, reductions, random bits.
//
// Rows:     local (LANES, ROWS), global (LANES, rows of the batch, 1 or more): LANES work-items share a row, VECTOR elements each
//           at a time. A GPU has LANES = 32, VECTOR = 1 (neighbours read neighbours); a CPU has LANES = 1, VECTOR = 16,
//           so that no barrier is left in the text.
// Elements: local ELEMENTS, work-item i owns elements i * VECTOR ..< (i + 1) * VECTOR.
// Columns:  local (LANES, 1), global (columns / VECTOR, chunks): a work-item walks down the rows of its chunk.
// Reductions have a fixed order; nothing uses float atomics. A tensor has fewer than 2^31 elements unless it is a table.
#ifndef LANES
#define LANES 32
#endif
#ifndef ROWS
#define ROWS 4
#endif
#ifndef VECTOR
#define VECTOR 1
#endif
#ifndef ELEMENTS
#define ELEMENTS 256
#endif

#define ROW_KERNEL __kernel __attribute__((reqd_work_group_size(LANES, ROWS, 1)))
#define ELEMENT_KERNEL __kernel __attribute__((reqd_work_group_size(ELEMENTS, 1, 1)))
#define COLUMN_KERNEL __kernel __attribute__((reqd_work_group_size(LANES, 1, 1)))

// More groups of rows than a GPU's second axis has go on along the third.
#if LANES == 1
#define ROW_AT get_global_id(1)
#else
#define ROW_AT ((get_group_id(2) * get_num_groups(1) + get_group_id(1)) * ROWS + get_local_id(1))
#endif
// t is the row, or the last one with live = 0: such work-items take part in barriers and touch nothing.
#define ROW(t, live, T) \
  const int live = ROW_AT < (size_t)(T); \
  const int t = live ? (int)ROW_AT : (T)-1
#define LANE ((int)get_local_id(0))
#define FOR_LANE(d, D) for (int d = LANE * VECTOR; d < (D); d += LANES * VECTOR)

// Halves are written out because oclgrind 21.10 crashes on x.lo when it looks for uninitialised values.
#define LOW4(x) ((float4)((x).s0, (x).s1, (x).s2, (x).s3))
#define HIGH4(x) ((float4)((x).s4, (x).s5, (x).s6, (x).s7))
#define LOW8(x) ((float8)((x).s0, (x).s1, (x).s2, (x).s3, (x).s4, (x).s5, (x).s6, (x).s7))
#define HIGH8(x) ((float8)((x).s8, (x).s9, (x).sa, (x).sb, (x).sc, (x).sd, (x).se, (x).sf))
float total4(float4 x) { return (x.s0 + x.s2) + (x.s1 + x.s3); }
float total8(float8 x) { return total4(LOW4(x) + HIGH4(x)); }
float total16(float16 x) { return total8(LOW8(x) + HIGH8(x)); }
float largest4(float4 x) { return fmax(fmax(x.s0, x.s2), fmax(x.s1, x.s3)); }
float largest8(float8 x) { return largest4(fmax(LOW4(x), HIGH4(x))); }
float largest16(float16 x) { return largest8(fmax(LOW8(x), HIGH8(x))); }

// Several tensors of one launch: tensor k has the groups that are not below end(k-1) and below end(k). A tensor that is not there has no groups.
#define SIXTEEN(X) \
  X(0), X(1), X(2), X(3), X(4), X(5), X(6), X(7), X(8), X(9), X(10), X(11), X(12), X(13), X(14), X(15)
#define PICKED(X) \
  X(1, 0) X(2, 1) X(3, 2) X(4, 3) X(5, 4) X(6, 5) X(7, 6) X(8, 7) X(9, 8) X(10, 9) X(11, 10) X(12, 11) X(13, 12) \
  X(14, 13) X(15, 14)

// --- vectors: vec is VECTOR floats; a part stops after count elements (the rest is 0, or left alone) ---
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)
#if VECTOR == 1
typedef float vec;
typedef int ivec;
typedef uint uvec;
#define IOTA 0
#define AS_UVEC(x) ((uint)(x))
float vload_part(__global const float *p, int count) { return count > 0 ? *p : 0; }
int iload_part(__global const int *p, int count) { return count > 0 ? *p : 0; }
void vstore_part(float x, __global float *p, int count) {
  if (count > 0) *p = x;
}
float vec_sum(float x) { return x; }
float vec_max(float x) { return x; }
#define VLOAD(p) (*(p))
#else
typedef JOIN(float, VECTOR) vec;
typedef JOIN(int, VECTOR) ivec;
typedef JOIN(uint, VECTOR) uvec;
#define VLOAD(p) JOIN(vload, VECTOR)(0, p)
#define AS_UVEC(x) JOIN(as_uint, VECTOR)(x)
#define VSTORE(x, p) JOIN(vstore, VECTOR)(x, 0, p)
#if VECTOR == 4
#define IOTA ((ivec)(0, 1, 2, 3))
#elif VECTOR == 8
#define IOTA ((ivec)(0, 1, 2, 3, 4, 5, 6, 7))
#else
#define IOTA ((ivec)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
#endif
vec vload_part(__global const float *p, int count) {
  if (count >= VECTOR) return VLOAD(p);
  float part[VECTOR];
  for (int i = 0; i < VECTOR; i++) part[i] = i < count ? p[i] : 0;
  return VLOAD(part);
}
ivec iload_part(__global const int *p, int count) {
  if (count >= VECTOR) return VLOAD(p);
  int part[VECTOR];
  for (int i = 0; i < VECTOR; i++) part[i] = i < count ? p[i] : 0;
  return VLOAD(part);
}
void vstore_part(vec x, __global float *p, int count) {
  if (count >= VECTOR) {
    VSTORE(x, p);
    return;
  }
  float part[VECTOR];
  VSTORE(x, part);
  for (int i = 0; i < count; i++) p[i] = part[i];
}
#define vec_sum JOIN(total, VECTOR)
#define vec_max JOIN(largest, VECTOR)
#endif
// Elements from count on become value.
vec vec_fill(vec x, int count, float value) { return select((vec)(value), x, (ivec)(IOTA < (ivec)(count))); }

// --- reductions over the lanes of a row: local memory LANES * ROWS floats ---
#if LANES == 1
#define LANE_SCRATCH
#define LANE_SUM(x) (x)
#define LANE_MAX(x) (x)
#define LANE_BARRIER(fence)
#else
#define LANE_SCRATCH __local float lane_scratch[LANES * ROWS];
#define LANE_BARRIER(fence) barrier(fence)
#define LANE_REDUCTION(name, combine) \
  float name(float x, __local float *scratch) { \
    __local float *row = scratch + get_local_id(1) * LANES; \
    const int lane = get_local_id(0); \
    row[lane] = x; \
    barrier(CLK_LOCAL_MEM_FENCE); \
    for (int half_count = LANES / 2; half_count > 0; half_count /= 2) { \
      if (lane < half_count) row[lane] = combine(row[lane], row[lane + half_count]); \
      barrier(CLK_LOCAL_MEM_FENCE); \
    } \
    x = row[0]; \
    barrier(CLK_LOCAL_MEM_FENCE); \
    return x; \
  }
#define PLUS(a, b) ((a) + (b))
LANE_REDUCTION(lane_sum, PLUS)
LANE_REDUCTION(lane_max, fmax)
#define LANE_SUM(x) lane_sum(x, lane_scratch)
#define LANE_MAX(x) lane_max(x, lane_scratch)
#endif

// This lane's part of a . b in a rows kernel
float lane_dot(__global const float *a, __global const float *b, int D) {
  vec sum = (vec)(0.0f);
  FOR_LANE(d, D) sum = fma(vload_part(a + d, D - d), vload_part(b + d, D - d), sum);
  return vec_sum(sum);
}

// a . b by this work-item alone, in the order of matmul_transposed: the same bits
float item_dot(__global const float *a, __global const float *b, int D) {
  vec sum = (vec)(0.0f);
  for (int d = 0; d < D; d += VECTOR) sum = fma(vload_part(a + d, D - d), vload_part(b + d, D - d), sum);
  return vec_sum(sum);
}

// --- bfloat16: x rounded to nearest even, NaN stays NaN ---
#define ROUND_BF16(type, itype, utype, name, as_float_type, as_unsigned) \
  type name(type x) { \
    const utype bits = as_unsigned(x), up = (bits + 0x7fffu + ((bits >> 16) & 1u)) & 0xffff0000u; \
    return select(as_float_type(up), x, (itype)(isnan(x))); \
  }
ROUND_BF16(float, int, uint, round_bf16, as_float, as_uint)
#if VECTOR == 1
#define vec_round_bf16 round_bf16
#else
ROUND_BF16(vec, ivec, uvec, vec_round_bf16, JOIN(as_float, VECTOR), AS_UVEC)
#endif

// --- random bits: Common/random.h in OpenCL C ---
#define MIX32(type, name) \
  type name(type x) { \
    x ^= x >> 16; \
    x *= 0x21f0aaadu; \
    x ^= x >> 15; \
    x *= 0xd35a2d97u; \
    x ^= x >> 15; \
    return x; \
  }
MIX32(uint, mix32)
uint random_key(ulong seed, uint high) {
  return mix32((uint)seed ^ mix32((uint)(seed >> 32) + 0x9e3779b9u * (high + 1u)));
}
uint random_threshold(float rate) { return convert_uint_sat(rate * 4294967296.0f); }
// Dropout of the cells of attention: kept ones 1 / (1 - rate), others 0; cell j of the row whose counters start at base (the low 16 bits of base are 0)
float keep_scale(uint key, ulong base, int j, uint threshold, float rate) {
  return mix32(((uint)base + (uint)j) ^ key) >= threshold ? 1.0f / (1.0f - rate) : 0.0f;
}
#if VECTOR == 1
#define vec_mix32 mix32
#else
MIX32(uvec, vec_mix32)
#endif
// x[i ..< i + VECTOR] after dropout: kept elements are divided by 1 - rate. i < 2^31: the high word of the counter is
// 0.
vec vec_dropout(vec x, int i, ulong seed, float rate) {
  const uvec counter = (uvec)((uint)i) + AS_UVEC(IOTA);
  const uvec bits = vec_mix32(counter ^ (uvec)(random_key(seed, 0)));
  return select((vec)(0.0f), x / (1.0f - rate), (ivec)(bits >= (uvec)(random_threshold(rate))));
}

// The same of element i alone
float dropout1(float x, uint i, ulong seed, float rate) {
  return mix32(i ^ random_key(seed, 0)) >= random_threshold(rate) ? x / (1.0f - rate) : 0.0f;
}

// --- activations: 0 none, 1 relu, 2 gelu (tanh form: x sigmoid(2u)), 3 silu, 4 sigmoid, 5 softplus ---
#define SIGMOID(x) (1.0f / (1.0f + exp(-(x))))
#define GELU_2C 1.5957691216057308f
#define ACTIVATION(type, itype, value, slope) \
  type value(type x, int kind) { \
    if (kind == 1) return select((type)(0.0f), x, (itype)(!(x <= (type)(0.0f)))); \
    if (kind == 2) return x * SIGMOID(GELU_2C * (x + 0.044715f * x * x * x)); \
    if (kind == 3) return x * SIGMOID(x); \
    if (kind == 4) return SIGMOID(x); \
    if (kind == 5) return select((type)(0.0f), x, (itype)(x > (type)(0.0f))) + log1p(exp(-fabs(x))); \
    return x; \
  } \
  type slope(type x, int kind) { \
    if (kind == 1) return select((type)(0.0f), (type)(1.0f), (itype)(x > (type)(0.0f))); \
    if (kind == 2) { \
      type s = SIGMOID(GELU_2C * (x + 0.044715f * x * x * x)); \
      return s + x * s * (1.0f - s) * (GELU_2C * (1.0f + 3.0f * 0.044715f * x * x)); \
    } \
    type s = SIGMOID(x); \
    if (kind == 3) return s * (1.0f + x * (1.0f - s)); \
    if (kind == 4) return s * (1.0f - s); \
    if (kind == 5) return s; \
    return (type)(1.0f); \
  }
ACTIVATION(float, int, activation, activation_slope)
#if VECTOR == 1
#define vec_activation activation
#define vec_activation_slope activation_slope
#else
ACTIVATION(vec, ivec, vec_activation, vec_activation_slope)
#endif

#if LANES > 1
// sums[n] (+)= the sum over `rows` of x[t * N + n], n < columns, by all `items` work-items of a group, `item` this one.
// `scratch` holds a float a work-item; columns <= width, which divides items. Ends with every work-item past its reads of scratch.
void group_column_sums(__global float *sums, __global const float *x, int N, int columns, int rows, int width, int item,
                       int items, int accumulate, __local float *scratch) {
  const int n = item % width;
  float sum = 0;
  if (n < columns)
    for (int t = item / width; t < rows; t += items / width) sum += x[(size_t)t * N + n];
  barrier(CLK_LOCAL_MEM_FENCE);
  scratch[item] = sum;
  barrier(CLK_LOCAL_MEM_FENCE);
  if (item >= columns || item >= width) return;
  for (int i = item + width; i < items; i += width) sum += scratch[i];
  sums[n] = accumulate ? sums[n] + sum : sum;
}
#endif
