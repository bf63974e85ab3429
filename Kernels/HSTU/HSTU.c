// Pointwise attention of HSTU (Zhai et al. 2024) in tiles: without a softmax, tiles simply add. The backward recomputes the scores.
#ifndef CK_BODY
#define CK_FILE "../HSTU/HSTU.c"
#define CK_WITH_BF16

// Rows of a forward query tile, keys of a forward key tile, side of a backward tile; counted from the sequence's start.
enum { ck_hstu_queries = 64, ck_hstu_keys = 256, ck_hstu_tile = 64, ck_hstu_buckets = 129, ck_hstu_pad = 64 };

#include "../Common/isa.h"

// Padded for the widest variant; the backward needs more than the forward, and bfloat16 more than float32.
ck_int ck_hstu_scratch(ck_int K, ck_int L, ck_int n) {
  ck_int width = (K + 15) / 16 * 16, length = (L + 31) / 32 * 32;
  return (3 * length + 5 * ck_hstu_tile) * width + 4 * ck_hstu_tile * ck_hstu_tile + 2 * (n + ck_hstu_pad) + ck_hstu_keys +
         2 * ck_hstu_buckets + 64;
}

CK_DISPATCH(void, ck_hstu_forward, (float *o, const ck_hstu *a, ck_int begin, ck_int end, ck_int last, float *scratch),
            (o, a, begin, end, last, scratch))
CK_DISPATCH(void, ck_hstu_backward,
            (float *dq, float *dk, float *dv, float *dposition, float *dtime, const float *go, const ck_hstu *a, ck_int begin,
             ck_int end, float *scratch),
            (dq, dk, dv, dposition, dtime, go, a, begin, end, scratch))

const char *ck_opencl_hstu(void) {
  static const char text[] = {
#embed "../Attention/heads.h"
      , '\n',
#embed "HSTU.cl"
      , 0};
  return text;
}

const char *ck_opencl_hstu_sm90(void) {
  static const char text[] = {
#embed "../Attention/tiles.h"
      , '\n',
#embed "HSTU.sm90.cl"
      , 0};
  return text;
}

#else

#include "../Common/tile.h"
#include "../Common/pairs.h"
#include "../Attention/factors.h"

#define LOG2E 1.4426950408889634f

// sigmoid(x); NaN stays. The bound keeps 2^x inside its range.
CK_INLINE floats CK(hstu_sigmoid)(floats x) {
  const floats y = -LOG2E * x;
  return 1.0f / (1.0f + power2((floats)choose((words)(y > 126.0f), (words)((floats){} + 126.0f), (words)y)));
}

// The bucket of the seconds between two times: the last one that starts at or below them. Neighbours have near buckets.
CK_INLINE ck_int CK(hstu_bucket)(int32_t later, int32_t time, const int32_t *starts, ck_int bucket) {
  const int64_t difference = (int64_t)later - time, gap = difference < 0 ? -difference : difference;
  while (bucket + 1 < ck_hstu_buckets && gap >= starts[bucket + 1] && starts[bucket + 1] != INT32_MAX) bucket++;
  while (bucket > 0 && gap < starts[bucket]) bucket--;
  return bucket;
}

// bias[j] of row i against the keys j0 ..< j0 + n of the sequence that starts at row t: in place, or with times in `room`.
CK_INLINE const float *CK(hstu_bias)(const ck_hstu *a, const float *position, float *room, ck_int t, ck_int L, ck_int i, ck_int j0,
                                     ck_int n) {
  const float *bias = position + a->n - 1 - i + j0;
  if (!a->time) return bias;
  const int32_t *times = a->times + t, later = times[least(i + 1, L - 1)];
  ck_int bucket = 0;
  for (ck_int j = n - 1; j >= 0; j--) {
    bucket = CK(hstu_bucket)(later, times[j0 + j], a->starts, bucket);
    room[j] = bias[j] + a->time[bucket];
  }
  return room;
}

// Zeroes behind the positions, because vectors read past the last key.
CK_INLINE float *CK(hstu_positions)(float *y, const float *x, ck_int n) {
  x ? memcpy(y, x, (size_t)n * sizeof(float)) : memset(y, 0, (size_t)n * sizeof(float));
  memset(y + n, 0, ck_hstu_pad * sizeof(float));
  return y;
}

// --- forward

// One row of scores in `vecs` vectors becomes SiLU(s + bias) / n; zeroes after `keys` keys.
CK_INLINE void CK(hstu_row)(float *s, ck_int vecs, ck_int keys, const float *bias, float share) {
#pragma clang fp contract(fast)
  for (ck_int i = 0; i < vecs; i++) {
    const floats x = ((floats *)s)[i] + ((const floats *)bias)[i];
    floats p = share * x * CK(hstu_sigmoid)(x);
    if ((i + 1) * CK_LANES > keys) p = (floats)((words)p & before(keys - i * CK_LANES));
    ((floats *)s)[i] = p;
  }
}

CK_INLINE void CK(hstu_forward)(const int bf16, float *o, const ck_hstu *a, ck_int begin, ck_int end, ck_int last,
                                float *scratch) {
  const ck_int H = a->H, K = a->K, width = rounded(K, CK_LANES), kvecs = width / CK_LANES;
  const ck_int depth = CK(attention_depth)(bf16, K), query_row = bf16 ? width / 2 : width;
  const ck_int cell_row = bf16 ? ck_hstu_keys / 2 : ck_hstu_keys;
  float *s = (float *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63), *cells = bf16 ? s + GROUP * ck_hstu_keys : s;
  float *query = s + 2 * GROUP * ck_hstu_keys, *acc = query + ck_hstu_queries * width, *room = acc + ck_hstu_queries * width;
  float *position = CK(hstu_positions)(room + ck_hstu_keys, a->position, a->n), *values = position + rounded(a->n, 16) + ck_hstu_pad;
  for (ck_int task = begin; task < end; task++) {
    const ck_int h = task % H, t = a->offsets[task / H], L = a->offsets[task / H + 1] - t;
    // Row i of this sequence, if it has a query, has query and output tq + i.
    const ck_int first = last ? L - last : 0, tq = last ? task / H * last - first : t;
    if (first < 0) continue;
    float *keys = values + rounded(L, 2) * width;
    pack_pairs(bf16, values, width, a->v + t * a->ldv + h * K, a->ldv, L, L, K, 1);
    pack_columns(bf16, keys, a->k + t * a->ldk + h * K, a->ldk, L, K);
    for (ck_int i0 = first; i0 < L; i0 += ck_hstu_queries) {
      const ck_int rows = least(L - i0, ck_hstu_queries);
      pack(bf16, query, width, a->q + (tq + i0) * a->ldq + h * K, a->ldq, rows, rounded(rows, GROUP), K, a->scale);
      for (ck_int j0 = 0; j0 < i0 + rows; j0 += ck_hstu_keys)
        for (ck_int g = 0; g < rows; g += GROUP) {
          const ck_int group = rows - g > 4 ? GROUP : 4, n = least(least(i0 + g + group, L) - j0, ck_hstu_keys);
          if (n <= 0) continue;
          const ck_int vecs = rounded(n, CK_LANES) / CK_LANES;
          multiply(bf16, s, ck_hstu_keys, query + g * query_row, query_row, 1, keys + j0 * depth, PANEL, PANEL * depth, group,
                   vecs, depth, 0);
          for (ck_int r = g; r < least(g + group, rows); r++) {
            float *row = s + (r - g) * ck_hstu_keys;
            const ck_int seen = least(i0 + r + 1 - j0, n);
            CK(hstu_row)(row, vecs, seen, CK(hstu_bias)(a, position, room, t, L, i0 + r, j0, seen), 1 / (float)a->n);
            if (bf16) round_row((uint16_t *)(cells + (r - g) * cell_row), row, vecs * CK_LANES);
          }
          multiply(bf16, acc + g * width, width, cells, cell_row, 1, values + CK(attention_depth)(bf16, j0) * width, width, PANEL,
                   group, kvecs, CK(attention_depth)(bf16, n), j0 > 0);
        }
      unpack(o + (tq + i0) * a->ldo + h * K, a->ldo, acc, width, rows, K, 1);
    }
  }
}

static void CK(ck_hstu_forward)(float *o, const ck_hstu *a, ck_int begin, ck_int end, ck_int last, float *scratch) {
  a->bf16 ? CK(hstu_forward)(1, o, a, begin, end, last, scratch) : CK(hstu_forward)(0, o, a, begin, end, last, scratch);
}

// --- backward

// One row: scores s become P, and dp = dO V^T becomes dx = dp * sigmoid(x) (1 + x (1 - sigmoid(x))) / n; both zero after `keys`
// keys. dx is added to the gradient of the positions too: that of row i begins at its first key.
CK_INLINE void CK(hstu_row_backward)(float *s, float *dp, ck_int vecs, ck_int keys, const float *bias, float share,
                                     float *dposition) {
#pragma clang fp contract(fast)
  for (ck_int i = 0; i < vecs; i++) {
    const floats x = ((floats *)s)[i] + ((const floats *)bias)[i], y = share * CK(hstu_sigmoid)(x), silu = x * y;
    floats p = silu, d = ((floats *)dp)[i] * (y + silu * (1 - y * (1 / share)));
    if ((i + 1) * CK_LANES > keys) {
      const words mask = before(keys - i * CK_LANES);
      p = (floats)((words)p & mask);
      d = (floats)((words)d & mask);
    }
    ((floats *)s)[i] = p;
    ((floats *)dp)[i] = d;
    ((floats *)dposition)[i] += d;
  }
}

// Adds one row of dx to the gradient of the buckets.
CK_INLINE void CK(hstu_time_backward)(const ck_hstu *a, float *dtime, const float *dx, ck_int t, ck_int L, ck_int i, ck_int j0,
                                      ck_int n) {
  const int32_t *times = a->times + t, later = times[least(i + 1, L - 1)];
  ck_int bucket = 0;
  for (ck_int j = n - 1; j >= 0; j--) {
    bucket = CK(hstu_bucket)(later, times[j0 + j], a->starts, bucket);
    dtime[bucket] += dx[j];
  }
}

// What one call works with, in the scratch.
struct CK(hstu_room) {
  float *p, *ds, *ds_rows, *p_pairs, *ds_pairs;  // cells of a tile; as the products take them: by rows, and by pairs of rows
  float *room, *position, *dposition, *dtime;
  float *key_columns, *value_columns, *key, *dkey, *dvalue;
  float *sequence;  // query, grad and dquery of all rows
};

CK_INLINE struct CK(hstu_room) CK(hstu_divide)(const int bf16, const ck_hstu *a, ck_int width, float *scratch) {
  enum { cells = ck_hstu_tile * ck_hstu_tile };
  struct CK(hstu_room) m = {.p = (float *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63)};
  m.ds = m.p + cells;
  m.ds_rows = bf16 ? m.ds + cells : m.ds;
  m.p_pairs = bf16 ? m.ds_rows + cells / 2 : m.p;
  m.ds_pairs = bf16 ? m.p_pairs + cells / 2 : m.ds;
  m.room = m.p + 4 * cells;
  m.position = CK(hstu_positions)(m.room + ck_hstu_keys, a->position, a->n);
  m.dposition = CK(hstu_positions)(m.position + rounded(a->n, 16) + ck_hstu_pad, NULL, a->n);
  m.dtime = m.dposition + rounded(a->n, 16) + ck_hstu_pad;
  memset(m.dtime, 0, ck_hstu_buckets * sizeof(float));
  m.key_columns = m.dtime + rounded(ck_hstu_buckets, 16);
  m.value_columns = m.key_columns + ck_hstu_tile * width;
  m.key = m.value_columns + ck_hstu_tile * width;
  m.dkey = m.key + ck_hstu_tile * width;
  m.dvalue = m.dkey + ck_hstu_tile * width;
  m.sequence = m.dvalue + ck_hstu_tile * width;
  return m;
}

// The cells of one tile, and what they add to dquery.
CK_INLINE void CK(hstu_tile_backward)(const int bf16, const ck_hstu *a, struct CK(hstu_room) m, ck_int width, ck_int t, ck_int L,
                                      ck_int i0, ck_int j0, ck_int padded) {
  const ck_int depth = CK(attention_depth)(bf16, a->K), left_row = bf16 ? width / 2 : width;
  const ck_int cell_row = bf16 ? ck_hstu_tile / 2 : ck_hstu_tile, kvecs = width / CK_LANES;
  const ck_int rows = least(L - i0, ck_hstu_tile), keys = least(L - j0, ck_hstu_tile);
  float *query = m.sequence, *grad = query + padded * width, *dquery = grad + padded * width;
  for (ck_int g = 0; g < rows; g += GROUP) {
    const ck_int group = rows - g > 4 ? GROUP : 4, n = i0 == j0 ? least(g + group, keys) : keys;
    const ck_int vecs = rounded(n, CK_LANES) / CK_LANES, columns = vecs * CK_LANES;
    float *pg = m.p + g * ck_hstu_tile, *dg = m.ds + g * ck_hstu_tile;
    multiply(bf16, pg, ck_hstu_tile, query + (i0 + g) * left_row, left_row, 1, m.key_columns, PANEL, PANEL * depth, group, vecs,
             depth, 0);
    multiply(bf16, dg, ck_hstu_tile, grad + (i0 + g) * left_row, left_row, 1, m.value_columns, PANEL, PANEL * depth, group, vecs,
             depth, 0);
    for (ck_int r = g; r < least(g + group, rows); r++) {
      const ck_int i = i0 + r, seen = i0 == j0 ? r + 1 : keys;
      const float *bias = CK(hstu_bias)(a, m.position, m.room, t, L, i, j0, seen);
      CK(hstu_row_backward)(m.p + r * ck_hstu_tile, m.ds + r * ck_hstu_tile, vecs, seen, bias, 1 / (float)a->n,
                            m.dposition + a->n - 1 - i + j0);
      if (a->time) CK(hstu_time_backward)(a, m.dtime, m.ds + r * ck_hstu_tile, t, L, i, j0, seen);
    }
    if (bf16) {
      for (ck_int r = g; r < g + group; r++) round_row((uint16_t *)(m.ds_rows + r * cell_row), m.ds + r * ck_hstu_tile, columns);
      for (ck_int r = g; r < g + group; r += 2) {
        interleave((uint32_t *)m.p_pairs + r / 2 * ck_hstu_tile, m.p + r * ck_hstu_tile, m.p + (r + 1) * ck_hstu_tile, columns);
        interleave((uint32_t *)m.ds_pairs + r / 2 * ck_hstu_tile, m.ds + r * ck_hstu_tile, m.ds + (r + 1) * ck_hstu_tile, columns);
      }
    }
    multiply(bf16, dquery + (i0 + g) * width, width, m.ds_rows + g * cell_row, cell_row, 1, m.key, width, PANEL, group, kvecs,
             CK(attention_depth)(bf16, n), j0 > 0);
  }
}

CK_INLINE void CK(hstu_backward)(const int bf16, float *dq, float *dk, float *dv, float *dposition, float *dtime, const float *go,
                                 const ck_hstu *a, ck_int begin, ck_int end, float *scratch) {
  const ck_int H = a->H, K = a->K, width = rounded(K, CK_LANES), kvecs = width / CK_LANES;
  const struct CK(hstu_room) m = CK(hstu_divide)(bf16, a, width, scratch);
  for (ck_int task = begin; task < end; task++) {
    const ck_int h = task % H, t = a->offsets[task / H], L = a->offsets[task / H + 1] - t, padded = rounded(L, GROUP);
    float *query = m.sequence, *grad = query + padded * width, *dquery = grad + padded * width;
    float *query_pairs = bf16 ? query + padded * width / 2 : query, *grad_pairs = bf16 ? grad + padded * width / 2 : grad;
    const float *q = a->q + t * a->ldq + h * K, *k = a->k + t * a->ldk + h * K, *v = a->v + t * a->ldv + h * K;
    const float *gradients = go + t * a->ldo + h * K;
    pack(bf16, query, width, q, a->ldq, L, padded, K, a->scale);
    pack(bf16, grad, width, gradients, a->ldo, L, padded, K, 1);
    if (bf16) {
      pack_pairs(1, query_pairs, width, q, a->ldq, L, padded, K, a->scale);
      pack_pairs(1, grad_pairs, width, gradients, a->ldo, L, padded, K, 1);
    }
    for (ck_int j0 = 0; j0 < L; j0 += ck_hstu_tile) {
      const ck_int keys = least(L - j0, ck_hstu_tile);
      pack_columns(bf16, m.key_columns, k + j0 * a->ldk, a->ldk, keys, K);
      pack_columns(bf16, m.value_columns, v + j0 * a->ldv, a->ldv, keys, K);
      pack_pairs(bf16, m.key, width, k + j0 * a->ldk, a->ldk, keys, keys, K, 1);
      for (ck_int i0 = j0; i0 < L; i0 += ck_hstu_tile) {
        const ck_int rows = least(L - i0, ck_hstu_tile);
        CK(hstu_tile_backward)(bf16, a, m, width, t, L, i0, j0, padded);
        for (ck_int g = 0; g < keys; g += GROUP) {
          const ck_int group = keys - g > 4 ? GROUP : 4, from = i0 == j0 ? g : 0;
          const ck_int cells = CK(attention_depth)(bf16, from) * ck_hstu_tile + g, inner = CK(attention_depth)(bf16, rows - from);
          const ck_int row = CK(attention_depth)(bf16, i0 + from) * width;
          multiply(bf16, m.dvalue + g * width, width, m.p_pairs + cells, 1, ck_hstu_tile, grad_pairs + row, width, PANEL, group,
                   kvecs, inner, i0 > j0);
          multiply(bf16, m.dkey + g * width, width, m.ds_pairs + cells, 1, ck_hstu_tile, query_pairs + row, width, PANEL, group,
                   kvecs, inner, i0 > j0);
        }
      }
      unpack(dk + (t + j0) * a->ldk + h * K, a->ldk, m.dkey, width, keys, K, 1);
      unpack(dv + (t + j0) * a->ldv + h * K, a->ldv, m.dvalue, width, keys, K, 1);
    }
    unpack(dq + t * a->ldq + h * K, a->ldq, dquery, width, L, K, a->scale);
  }
  memcpy(dposition, m.dposition, (size_t)a->n * sizeof(float));
  if (a->time) memcpy(dtime, m.dtime, ck_hstu_buckets * sizeof(float));
}

static void CK(ck_hstu_backward)(float *dq, float *dk, float *dv, float *dposition, float *dtime, const float *go, const ck_hstu *a,
                                 ck_int begin, ck_int end, float *scratch) {
  a->bf16 ? CK(hstu_backward)(1, dq, dk, dv, dposition, dtime, go, a, begin, end, scratch)
          : CK(hstu_backward)(0, dq, dk, dv, dposition, dtime, go, a, begin, end, scratch);
}

#endif
