// Embedding lookup and its gradient: a gather forward, a segmented sum over the sorted ids backward. Rows are fetched ahead.
#ifndef CK_BODY
#define CK_FILE "../Embedding/Embedding.c"
#include "../Common/isa.h"

CK_DISPATCH(void, ck_embedding_forward,
            (float *y, const float *table, const int32_t *ids, const float *positions, const int32_t *place, ck_int begin,
             ck_int end, ck_int D, float scale),
            (y, table, ids, positions, place, begin, end, D, scale))
CK_DISPATCH(void, ck_segment_sum,
            (float *dtable, const float *x, const float *c, const int32_t *place, const int32_t *order,
             const int32_t *segments, const int32_t *rows, ck_int begin, ck_int end, ck_int D, ck_int divisor, float scale),
            (dtable, x, c, place, order, segments, rows, begin, end, D, divisor, scale))

const char *ck_opencl_embedding(void) {
  static const char text[] = {
#embed "Embedding.cl"
      , 0};
  return text;
}

#else
#include "../Common/scalar.h"

static void CK(ck_embedding_forward)(float *y, const float *table, const int32_t *ids, const float *positions,
                                     const int32_t *place, ck_int begin, ck_int end, ck_int D, float scale) {
  enum { ahead = 12 };
  for (ck_int t = begin; t < end; t++) {
    if (t + ahead < end) ck_fetch(table + ids[t + ahead] * D, D);
    const float *row = table + ids[t] * D;
    if (positions) {
      const float *position = positions + place[t] * D;
      CK_ROW for (ck_int d = 0; d < D; d++) y[t * D + d] = scale * row[d] + position[d];
    } else {
      CK_ROW for (ck_int d = 0; d < D; d++) y[t * D + d] = scale * row[d];
    }
  }
}

// The row of x that lookup o adds; a division would cost more than the sum of a short row.
CK_INLINE ck_int CK(source)(const int32_t *place, uint32_t o, uint32_t divisor) {
  return place ? place[o] : divisor == 1 ? (ck_int)o : (ck_int)(o / divisor);
}

// One strip of columns of one group: the sum stays in registers.
CK_INLINE void CK(segment_strip)(float *out, const float *x, const float *c, const int32_t *place, const int32_t *order,
                                 ck_int from, ck_int to, ck_int last, ck_int ahead, ck_int D, ck_int width,
                                 uint32_t divisor, float scale) {
#pragma clang fp contract(fast)
  float sum[4 * CK_LANES];
  for (ck_int d = 0; d < width; d++) sum[d] = 0;
  for (ck_int i = from; i < to; i++) {
    if (i + ahead < last) ck_fetch(x + CK(source)(place, (uint32_t)order[i + ahead], divisor) * D, width);
    const uint32_t o = (uint32_t)order[i];
    const float *row = x + CK(source)(place, o, divisor) * D;
    const float factor = c ? c[o] : 1.0f;
    CK_ROW for (ck_int d = 0; d < width; d++) sum[d] += factor * row[d];
  }
  CK_ROW for (ck_int d = 0; d < width; d++) out[d] += scale * sum[d];
}

static void CK(ck_segment_sum)(float *dtable, const float *x, const float *c, const int32_t *place, const int32_t *order,
                               const int32_t *segments, const int32_t *rows, ck_int begin, ck_int end, ck_int D,
                               ck_int divisor, float scale) {
  enum { strip = 4 * CK_LANES };
  const ck_int last = segments[end], ahead = ck_ahead(D);
  for (ck_int u = begin; u < end; u++) {
    if (u + ahead < end) ck_fetch(dtable + rows[u + ahead] * D, D);
    float *out = dtable + rows[u] * D;
    const ck_int from = segments[u], to = segments[u + 1];
    ck_int d = 0;
    for (; d + strip <= D; d += strip)
      CK(segment_strip)(out + d, x + d, c, place, order, from, to, last, ahead, D, strip, (uint32_t)divisor, scale);
    if (d < D)
      CK(segment_strip)(out + d, x + d, c, place, order, from, to, last, ahead, D, D - d, (uint32_t)divisor, scale);
  }
}
#endif
