// Sums of table rows over jagged bags of ids. The gradient of the table is ck_segment_sum, which reads each lookup's dy through
// its bag: the rows of dy stay in cache and are never expanded.
#ifndef CK_BODY
#define CK_FILE "../EmbeddingBag/EmbeddingBag.c"
#include "../Common/isa.h"

CK_DISPATCH(void, ck_embedding_bag_forward,
            (float *y, const float *table, const int32_t *ids, const int32_t *offsets, const float *c, ck_int begin,
             ck_int end, ck_int D, int mean),
            (y, table, ids, offsets, c, begin, end, D, mean))
CK_DISPATCH(void, ck_bag_mean_backward,
            (float *dx, const float *dy, const int32_t *offsets, ck_int begin, ck_int end, ck_int D),
            (dx, dy, offsets, begin, end, D))
CK_DISPATCH(void, ck_bag_weights_backward,
            (float *dc, const float *dy, const float *table, const int32_t *ids, const int32_t *bag, ck_int begin,
             ck_int end, ck_int D),
            (dc, dy, table, ids, bag, begin, end, D))

void ck_bag_places(int32_t *bag, const int32_t *offsets, ck_int begin, ck_int end) {
  for (ck_int b = begin; b < end; b++)
    for (ck_int i = offsets[b]; i < offsets[b + 1]; i++) bag[i] = (int32_t)b;
}

const char *ck_opencl_embedding_bag(void) {
  static const char text[] = {
#embed "EmbeddingBag.cl"
      , 0};
  return text;
}

#else
#include "../Common/scalar.h"

#include "../Common/rows.h"

// One strip of columns of one bag: the sum stays in registers. Rows of the bags that follow, up to last, are fetched ahead.
CK_INLINE void CK(bag_strip)(float *out, const float *table, const int32_t *ids, const float *c, ck_int from, ck_int to,
                             ck_int last, ck_int ahead, ck_int D, ck_int width, float scale) {
#pragma clang fp contract(fast)
  float sum[4 * CK_LANES];
  for (ck_int d = 0; d < width; d++) sum[d] = 0;
  for (ck_int i = from; i < to; i++) {
    if (i + ahead < last) ck_fetch(table + ids[i + ahead] * D, width);
    const float *row = table + ids[i] * D;
    const float factor = c ? c[i] : 1.0f;
    CK_ROW for (ck_int d = 0; d < width; d++) sum[d] += factor * row[d];
  }
  CK_ROW for (ck_int d = 0; d < width; d++) out[d] = scale * sum[d];
}

static void CK(ck_embedding_bag_forward)(float *y, const float *table, const int32_t *ids, const int32_t *offsets,
                                         const float *c, ck_int begin, ck_int end, ck_int D, int mean) {
  enum { strip = 4 * CK_LANES };
  const ck_int last = offsets[end], ahead = ck_ahead(D < strip ? D : strip);
  for (ck_int b = begin; b < end; b++) {
    const ck_int from = offsets[b], to = offsets[b + 1];
    const float scale = mean && to > from ? 1.0f / (float)(to - from) : 1.0f;
    ck_int d = 0;
    for (; d + strip <= D; d += strip)
      CK(bag_strip)(y + b * D + d, table + d, ids, c, from, to, last, ahead, D, strip, scale);
    if (d < D) CK(bag_strip)(y + b * D + d, table + d, ids, c, from, to, last, ahead, D, D - d, scale);
  }
}

static void CK(ck_bag_mean_backward)(float *dx, const float *dy, const int32_t *offsets, ck_int begin, ck_int end,
                                     ck_int D) {
  for (ck_int b = begin; b < end; b++) {
    const ck_int count = offsets[b + 1] - offsets[b];
    const float scale = count > 0 ? 1.0f / (float)count : 0.0f;
    CK_ROW for (ck_int d = 0; d < D; d++) dx[b * D + d] = scale * dy[b * D + d];
  }
}

static void CK(ck_bag_weights_backward)(float *dc, const float *dy, const float *table, const int32_t *ids,
                                        const int32_t *bag, ck_int begin, ck_int end, ck_int D) {
  const ck_int ahead = ck_ahead(D);
  for (ck_int i = begin; i < end; i++) {
    if (i + ahead < end) ck_fetch(table + ids[i + ahead] * D, D);
    dc[i] = CK(dot)(dy + bag[i] * D, table + ids[i] * D, D);
  }
}
#endif
