// What the device kernels of attention share: rows of one head as vectors, rounded where BFLOAT16 asks for it, staged in local memory.
// WIDTH >= K is a multiple of HEAD_VECTOR, set by the host; columns K ..< WIDTH are 0. SLICES work-items share a row, so that what each
// keeps of it fits its registers: item s has the parts s, s + SLICES, ... and adds its share to every product.
#ifndef WIDTH
#define WIDTH 64
#endif
#ifndef QUERIES
#define QUERIES 32
#endif
#ifndef KEYS
#define KEYS 32
#endif
#if VECTOR == 16
#define HEAD_VECTOR 16
#else
#define HEAD_VECTOR 4
#endif
typedef JOIN(float, HEAD_VECTOR) hvec;
#define HEAD_LOAD(p) JOIN(vload, HEAD_VECTOR)(0, p)
#define HEAD_STORE(x, p) JOIN(vstore, HEAD_VECTOR)(x, 0, p)
#define head_sum JOIN(total, HEAD_VECTOR)
#if VECTOR == 16
#define SLICES 1
#elif WIDTH == 256
#define SLICES 8
#else
#define SLICES (WIDTH / 16)
#endif
#define PARTS (WIDTH / HEAD_VECTOR)
#define OWN_PARTS (PARTS / SLICES)
#define FOR_PARTS(c) _Pragma("unroll") for (int c = 0; c < OWN_PARTS; c++)
#if SLICES == 1
#define SLICE 0
#define GROUP_ROW ((int)get_local_id(0))
#define ATTENTION_KERNEL __kernel __attribute__((reqd_work_group_size(QUERIES, 1, 1)))
#else
#define SLICE ((int)get_local_id(0))
#define GROUP_ROW ((int)get_local_id(1))
#define ATTENTION_KERNEL __kernel __attribute__((reqd_work_group_size(SLICES, QUERIES, 1)))
#endif
#define PART(c) ((c) * SLICES + SLICE)

// Products of a row with STEP rows of a tile at a time: each item's share goes to local memory, and what a row needs is the sum.
#if SLICES == 1
#define STEP KEYS
#define LOCAL_PRODUCTS(name)
#define STEP_BARRIER
#define EXCHANGE(name, j, from, to, product)
#define PRODUCT(name, j, product) (product)
#define row_total(sums, x) (x)
#else
#define STEP (32 / SLICES)
#define LOCAL_PRODUCTS(name) __local float name[QUERIES * 32];
#define STEP_BARRIER barrier(CLK_LOCAL_MEM_FENCE);
#define PLACE(j) ((GROUP_ROW * STEP + (j) - step) * SLICES)
#define EXCHANGE(name, j, from, to, product) \
  for (int j = from; j < to; j++) name[PLACE(j) + SLICE] = product;
#define PRODUCT(name, j, product) slices_sum(name + PLACE(j))
float slices_sum(__local const float *shares) {
  float sum = 0;
  _Pragma("unroll") for (int s = 0; s < SLICES; s++) sum += shares[s];
  return sum;
}
// The sum of x over the items of a row; every item of the group calls it.
#define row_total(sums, x) row_total_by(sums, x)
float row_total_by(__local float *sums, float x) {
  sums[GROUP_ROW * SLICES + SLICE] = x;
  barrier(CLK_LOCAL_MEM_FENCE);
  return slices_sum(sums + GROUP_ROW * SLICES);
}
#endif

hvec head_load(__global const float *p, int count) {
  if (count >= HEAD_VECTOR) return HEAD_LOAD(p);
  float part[HEAD_VECTOR];
  for (int i = 0; i < HEAD_VECTOR; i++) part[i] = i < count ? p[i] : 0;
  return HEAD_LOAD(part);
}

// With BFLOAT16 the factors of every product are rounded to bfloat16; sums and the softmax stay float32.
#ifdef BFLOAT16
ROUND_BF16(hvec, JOIN(int, HEAD_VECTOR), JOIN(uint, HEAD_VECTOR), head_round, JOIN(as_float, HEAD_VECTOR),
           JOIN(as_uint, HEAD_VECTOR))
#define FACTOR(x) round_bf16(x)
#else
#define head_round(x) (x)
#define FACTOR(x) (x)
#endif
hvec head_factor(__global const float *p, int count) { return head_round(head_load(p, count)); }

void head_store(hvec x, __global float *p, int count) {
  if (count >= HEAD_VECTOR) {
    HEAD_STORE(x, p);
    return;
  }
  float part[HEAD_VECTOR];
  HEAD_STORE(x, part);
  for (int i = 0; i < count; i++) p[i] = part[i];
}

// The sequence of row t: the last b with offsets[b] <= t
int sequence_of(__global const int *offsets, int B, int t) {
  int low = 0, high = B;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (offsets[middle] <= t)
      low = middle;
    else
      high = middle;
  }
  return low;
}

// The item's parts of one row of a head: read as factors of products, written times scale.
void head_read(hvec *x, __global const float *row, int K) {
  FOR_PARTS(c) x[c] = head_factor(row + PART(c) * HEAD_VECTOR, K - PART(c) * HEAD_VECTOR);
}
void head_write(const hvec *x, float scale, __global float *row, int K) {
  FOR_PARTS(c) head_store(scale * x[c], row + PART(c) * HEAD_VECTOR, K - PART(c) * HEAD_VECTOR);
}
void head_clear(hvec *x) {
  FOR_PARTS(c) x[c] = (hvec)(0.0f);
}
// The item's share of x . row, and sum += factor * row, of a row in local memory
float head_dot(const hvec *x, __local const hvec *row) {
  hvec product = (hvec)(0.0f);
  FOR_PARTS(c) product = fma(x[c], row[PART(c)], product);
  return head_sum(product);
}
void head_add(hvec *sum, float factor, __local const hvec *row) {
  FOR_PARTS(c) sum[c] = fma((hvec)(FACTOR(factor)), row[PART(c)], sum[c]);
}

// Where an item stands: row t of the batch (the last one where it is not live), which is of the sequence start ..< end; its
// work-group has the rows row0 ... last of head h, of sequences that span first ..< behind.
typedef struct {
  int h, t, live, start, end, row0, last, first, behind;
} head_place;

head_place head_place_of(__global const int *offsets, int T, int B) {
  head_place at;
  at.h = get_group_id(1);
  at.row0 = get_group_id(0) * QUERIES;
  at.live = at.row0 + GROUP_ROW < T;
  at.t = at.live ? at.row0 + GROUP_ROW : T - 1;
  at.last = min(T, at.row0 + QUERIES) - 1;
  const int sequence = sequence_of(offsets, B, at.t);
  at.start = offsets[sequence];
  at.end = offsets[sequence + 1];
  at.first = offsets[sequence_of(offsets, B, at.row0)];
  at.behind = offsets[sequence_of(offsets, B, at.last) + 1];
  return at;
}

// Rows first ..< end of one head of source into tile[row][part]
void stage(__local hvec *tile, __global const float *source, int first, int end, int ld, int K) {
  for (int e = GROUP_ROW * SLICES + SLICE; e < (end - first) * PARTS; e += QUERIES * SLICES) {
    const int row = e / PARTS, c = e % PARTS;
    tile[e] = head_factor(source + (size_t)(first + row) * ld + c * HEAD_VECTOR, K - c * HEAD_VECTOR);
  }
}
