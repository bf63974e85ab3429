// Jagged softmax attention, causal or in both directions, in tiles with an online softmax; backward recomputes P from q, k and lse.
// Dao, FlashAttention-2 (2023). Scores are kept in base 2: q is packed times scale * log2(e), so exp is 2^x.
#ifndef CK_BODY
#define CK_FILE "../Attention/Attention.c"
#define CK_WITH_BF16
#include "../Common/random.h"

// Rows of a forward query tile, keys of a forward key tile, side of a backward tile; counted from the sequence's start.
enum { ck_query_tile = 64, ck_key_tile = 256, ck_tile = 64 };

#include "../Common/isa.h"

// Padded for the widest variant; the backward needs more than the forward, and bfloat16 more than float32.
ck_int ck_attention_scratch(ck_int K, ck_int L) {
  ck_int width = (K + 15) / 16 * 16, length = (L + 31) / 32 * 32;
  return (3 * length + 5 * ck_tile) * width + 2 * length + 4 * ck_tile * ck_tile + 16;
}

CK_DISPATCH(void, ck_attention_forward,
            (float *o, float *lse, const float *q, const float *k, const float *v, const int32_t *offsets, ck_int begin,
             ck_int end, ck_int last, int causal, ck_int H, ck_int K, ck_int ldq, ck_int ldk, ck_int ldv, ck_int ldo,
             float scale, uint64_t seed, float rate, int bf16, float *scratch),
            (o, lse, q, k, v, offsets, begin, end, last, causal, H, K, ldq, ldk, ldv, ldo, scale, seed, rate, bf16, scratch))

// Keys in panels, then values, padded for the widest variant.
ck_int ck_attention_kept_floats(ck_int K, ck_int capacity) {
  return (capacity + 31) / 32 * 32 * (K + (K + 15) / 16 * 16);
}

CK_DISPATCH(void, ck_attention_kept,
            (float *o, const float *q, const float *kv, float *kept, ck_int at, ck_int L, ck_int m, ck_int h, ck_int H,
             ck_int K, ck_int capacity, float scale, int bf16, float *scratch),
            (o, q, kv, kept, at, L, m, h, H, K, capacity, scale, bf16, scratch))

CK_DISPATCH(void, ck_attention_backward,
            (float *dq, float *dk, float *dv, const float *go, const float *q, const float *k, const float *v,
             const float *o, const float *lse, const int32_t *offsets, ck_int begin, ck_int end, int causal, ck_int H,
             ck_int K, ck_int ldq, ck_int ldk, ck_int ldv, ck_int ldo, float scale, uint64_t seed, float rate, int bf16,
             float *scratch),
            (dq, dk, dv, go, q, k, v, o, lse, offsets, begin, end, causal, H, K, ldq, ldk, ldv, ldo, scale, seed, rate,
             bf16, scratch))

const char *ck_opencl_attention(void) {
  static const char text[] = {
#embed "heads.h"
      , '\n',
#embed "Attention.cl"
      , 0};
  return text;
}

const char *ck_opencl_attention_sm90(void) {
  static const char text[] = {
#embed "tiles.h"
      , '\n',
#embed "Attention.sm90.cl"
      , 0};
  return text;
}

#else

#include "../Common/tile.h"
#include "../Common/pairs.h"
#include "factors.h"
#define LOG2E 1.4426950408889634f
#define LN2 0.6931471805599453f
// Short names of this variant's functions.
#define dropout CK(attention_dropout)
#define fetch CK(attention_fetch)

// Rows of one head are far apart and defeat the hardware's prefetch, so a task asks, while it computes, for the rows
// that the next task will read and for those it will write itself.
CK_INLINE void fetch(const float *x, ck_int ldx, ck_int rows, ck_int K, const int write) {
  for (ck_int r = 0; r < rows; r++)
    for (ck_int i = 0; i < K; i += 16)
      write ? __builtin_prefetch(x + r * ldx + i, 1, 2) : __builtin_prefetch(x + r * ldx + i, 0, 2);
}

// --- vectors

CK_INLINE float CK(attention_sum)(floats x) {
  float sum[CK_LANES];
  memcpy(sum, &x, sizeof sum);
  for (int n = CK_LANES / 2; n > 0; n /= 2)
    for (int l = 0; l < n; l++) sum[l] += sum[l + n];
  return sum[0];
}

CK_INLINE float CK(attention_max)(floats x) {
  float top[CK_LANES];
  memcpy(top, &x, sizeof top);
  for (int n = CK_LANES / 2; n > 0; n /= 2)
    for (int l = 0; l < n; l++) top[l] = top[l] > top[l + n] ? top[l] : top[l + n];
  return top[0];
}

// delta = dO . O, of the dO that the products see: where P is 1 they cancel.
CK_INLINE float CK(attention_delta)(const int bf16, const float *go, const float *o, ck_int n) {
#pragma clang fp reassociate(on) contract(fast)
  float sum = 0;
  for (ck_int i = 0; i < n; i++) sum += (bf16 ? ck_from_bits(ck_round_bf16(go[i]) << 16) : go[i]) * o[i];
  return sum;
}

// Where one row of cells keeps its columns: ck_hash on vectors, the counter of column j being cell * 65536 + j.
struct dropout {
  uint32_t key, low, threshold;
  float rate;
};
CK_INLINE struct dropout CK(attention_dropout_row)(uint64_t seed, ck_int cell, float rate) {
  const uint32_t key = ck_key(seed, (uint32_t)((uint64_t)cell >> 16));
  return (struct dropout){key, (uint32_t)cell << 16, ck_threshold(rate), rate};
}
CK_INLINE words CK(attention_kept)(struct dropout row, ck_int j) {
  words x = (CK(lanes)() + (row.low + (uint32_t)j)) ^ row.key;
  x = (x ^ x >> 16) * 0x21f0aaadu;
  x = (x ^ x >> 15) * 0xd35a2d97u;
  x ^= x >> 15;
  return (words)(x >= row.threshold);
}

// --- forward

// One row of scores in `vecs` vectors, n of them keys, becomes 2^(s - max) of the keys kept; *sum is over all of them.
// After the first key tile the row's accumulator shrinks when the maximum grows.
CK_INLINE void CK(attention_softmax)(float *s, ck_int vecs, ck_int n, float *max, float *sum, float *acc, ck_int width,
                                  ck_int j, struct dropout row) {
  floats top = (floats){} - INFINITY, total = {};
  for (ck_int i = n / CK_LANES; i < vecs; i++)
    ((floats *)s)[i] = (floats)choose(before(n - i * CK_LANES), ((words *)s)[i], (words)((floats){} - INFINITY));
  for (ck_int i = 0; i < vecs; i++) {
    floats x = ((floats *)s)[i];
    top = (floats)choose((words)(x > top), (words)x, (words)top);
  }
  float m = CK(attention_max)(top);
  if (j > 0 && m < *max) m = *max;
  const float base = m == -INFINITY ? 0 : m;
  for (ck_int i = 0; i < vecs; i++) {
    floats p = power2(((floats *)s)[i] - base);
    total += p;
    if (row.rate > 0) p = (floats)((words)p & CK(attention_kept)(row, j + i * CK_LANES));
    ((floats *)s)[i] = p;
  }
  const float added = CK(attention_sum)(total);
  if (j > 0 && m != *max) {
    const float shrink = power2((floats){} + (*max - base))[0];
    for (ck_int i = 0; i < width; i++) acc[i] *= shrink;
    *sum *= shrink;
  }
  *sum = j > 0 ? *sum + added : added;
  *max = m;
}

CK_INLINE void CK(attention_forward)(const int bf16, float *o, float *lse, const float *q, const float *k, const float *v,
                                     const int32_t *offsets, ck_int begin, ck_int end, ck_int last, const int causal, ck_int H,
                                     ck_int K, ck_int ldq, ck_int ldk, ck_int ldv, ck_int ldo, float scale, uint64_t seed,
                                     float rate, float *scratch) {
  const ck_int width = rounded(K, CK_LANES), kvecs = width / CK_LANES, depth = CK(attention_depth)(bf16, K);
  const ck_int query_row = bf16 ? width / 2 : width, cell_row = bf16 ? ck_key_tile / 2 : ck_key_tile;
  for (ck_int task = begin; task < end; task++) {
    const ck_int h = task % H, t = offsets[task / H], L = offsets[task / H + 1] - t;
    const ck_int next = least(task + 1, end - 1), hn = next % H, tn = offsets[next / H];
    // Row i of this sequence, if it has a query, has query and output tq + i.
    const ck_int first = last ? L - last : 0, tq = last ? task / H * last - first : t;
    if (first < 0) continue;
    float *s = (float *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63), *cells = bf16 ? s + GROUP * ck_key_tile : s;
    float *query = s + 2 * GROUP * ck_key_tile, *acc = query + ck_query_tile * width, *max = acc + ck_query_tile * width;
    float *sum = max + ck_query_tile, *values = sum + ck_query_tile, *keys = values + rounded(L, 2) * width;
    if (ldk == 0) {  // k and v are packed already, those of this head alone
      keys = (float *)k;
      values = (float *)v;
    } else {
      pack_pairs(bf16, values, width, v + t * ldv + h * K, ldv, L, L, K, 1);
      pack_columns(bf16, keys, k + t * ldk + h * K, ldk, L, K);
    }
    for (ck_int i0 = first; i0 < L; i0 += ck_query_tile) {
      const ck_int rows = least(L - i0, ck_query_tile);
      pack(bf16, query, width, q + (tq + i0) * ldq + h * K, ldq, rows, rounded(rows, GROUP), K, scale * LOG2E);
      for (ck_int j0 = 0; j0 < (causal ? i0 + rows : L); j0 += ck_key_tile)
        for (ck_int g = 0; g < rows; g += GROUP) {
          const ck_int group = rows - g > 4 ? GROUP : 4, seen = causal ? least(i0 + g + group, L) : L;
          const ck_int n = least(seen - j0, ck_key_tile);
          if (n <= 0) continue;
          const ck_int vecs = rounded(n, CK_LANES) / CK_LANES;
          if (j0 == 0 && !last) {
            const ck_int i = i0 + g;
            fetch(q + (tn + i) * ldq + hn * K, ldq, group, K, 0);
            fetch(k + (tn + i) * ldk + hn * K, ldk, group, K, 0);
            fetch(v + (tn + i) * ldv + hn * K, ldv, group, K, 0);
            fetch(o + (t + i) * ldo + h * K, ldo, group, K, 1);
          }
          multiply(bf16, s, ck_key_tile, query + g * query_row, query_row, 1, keys + j0 * depth, PANEL, PANEL * depth,
                   group, vecs, depth, 0);
          for (ck_int r = g; r < least(g + group, rows); r++) {
            float *row = s + (r - g) * ck_key_tile;
            CK(attention_softmax)(row, vecs, causal ? least(i0 + r + 1 - j0, n) : n, max + r, sum + r, acc + r * width, width, j0,
                                  CK(attention_dropout_row)(seed, (t + i0 + r) * H + h, rate));
            if (bf16) round_row((uint16_t *)(cells + (r - g) * cell_row), row, vecs * CK_LANES);
          }
          multiply(bf16, acc + g * width, width, cells, cell_row, 1, values + CK(attention_depth)(bf16, j0) * width,
                   width, PANEL, group, kvecs, CK(attention_depth)(bf16, n), j0 > 0);
        }
      for (ck_int r = 0; r < rows; r++) {
        unpack(o + (tq + i0 + r) * ldo + h * K, ldo, acc + r * width, width, 1, K, 1 / ((1 - rate) * sum[r]));
        lse[(tq + i0 + r) * H + h] = max[r] * LN2 + logf(sum[r]);
      }
    }
  }
}

static void CK(ck_attention_forward)(float *o, float *lse, const float *q, const float *k, const float *v,
                                     const int32_t *offsets, ck_int begin, ck_int end, ck_int last, int causal,
                                     ck_int H, ck_int K, ck_int ldq, ck_int ldk, ck_int ldv, ck_int ldo, float scale,
                                     uint64_t seed, float rate, int bf16, float *scratch) {
  if (bf16)
    CK(attention_forward)(1, o, lse, q, k, v, offsets, begin, end, last, causal, H, K, ldq, ldk, ldv, ldo, scale, seed,
                          rate, scratch);
  else
    CK(attention_forward)(0, o, lse, q, k, v, offsets, begin, end, last, causal, H, K, ldq, ldk, ldv, ldo, scale, seed,
                          rate, scratch);
}

// Adds rows at..<L of one head to its packed keys and values.
CK_INLINE void CK(attention_keep)(const int bf16, float *keys, float *values, const float *kv, ck_int ld, ck_int at, ck_int L,
                                  ck_int K, ck_int width) {
  const ck_int depth = CK(attention_depth)(bf16, K);
  const float *v = kv + ld / 2;
  if (at == 0) {
    pack_columns(bf16, keys, kv, ld, L, K);
    pack_pairs(bf16, values, width, v, ld, L, L, K, 1);
    return;
  }
  for (ck_int j = at; j < L; j++, kv += ld, v += ld) {
    float *column = keys + j / PANEL * PANEL * depth + j % PANEL, row[256] = {0};
    pack(bf16, row, width, kv, ld, 1, 1, K, 1);
    for (ck_int i = 0; i < depth; i++) column[i * PANEL] = row[i];
    float *value = values + CK(attention_depth)(bf16, bf16 ? j - j % 2 : j) * width;
    if (!bf16 || j % 2 == 0) {
      pack_pairs(bf16, value, width, v, ld, 1, 1, K, 1);
    } else {  // the upper halves of the words of row j - 1
      for (ck_int i = 0; i < width; i += CK_LANES)
        *(words *)(value + i) |= round_lanes(CK(attention_lanes)(v, i, K, 1)) << 16;
    }
  }
}

static void CK(ck_attention_kept)(float *o, const float *q, const float *kv, float *kept, ck_int at, ck_int L, ck_int m,
                                  ck_int h, ck_int H, ck_int K, ck_int capacity, float scale, int bf16, float *scratch) {
  const ck_int width = rounded(K, CK_LANES), D = H * K;
  float *keys = kept + h * ck_attention_kept_floats(K, capacity), *values = keys + rounded(capacity, 32) * K;
  if (bf16)
    CK(attention_keep)(1, keys, values, kv + h * K, 2 * D, at, L, K, width);
  else
    CK(attention_keep)(0, keys, values, kv + h * K, 2 * D, at, L, K, width);
  const int32_t offsets[2] = {0, (int32_t)L};
  CK(ck_attention_forward)(o + h * K, scratch, q + h * K, keys, values, offsets, 0, 1, m, 1, 1, K, D, 0, 0, D, scale, 0, 0,
                           bf16, scratch + m);
}

// --- backward

// One row: scores s become dropped P, and dp = dO V^T becomes dS = P * (drop(dP) - delta); both zero after n keys.
CK_INLINE void CK(attention_row_backward)(float *s, float *dp, ck_int vecs, ck_int n, float lse, float delta, ck_int j,
                                       struct dropout row) {
#pragma clang fp contract(fast)
  const float keep = 1 / (1 - row.rate);
  for (ck_int i = 0; i < vecs; i++) {
    floats p = power2(((floats *)s)[i] - lse), d = ((floats *)dp)[i];
    if ((i + 1) * CK_LANES > n) p = (floats)((words)p & before(n - i * CK_LANES));
    floats dropped = p;
    if (row.rate > 0) {
      words kept = CK(attention_kept)(row, j + i * CK_LANES);
      dropped = (floats)((words)(p * keep) & kept);
      d = (floats)((words)(d * keep) & kept);
    }
    ((floats *)s)[i] = dropped;
    ((floats *)dp)[i] = p * (d - delta);
  }
}

CK_INLINE void CK(attention_backward)(const int bf16, float *dq, float *dk, float *dv, const float *go, const float *q,
                                      const float *k, const float *v, const float *o, const float *lse,
                                      const int32_t *offsets, ck_int begin, ck_int end, const int causal, ck_int H, ck_int K,
                                      ck_int ldq, ck_int ldk, ck_int ldv, ck_int ldo, float scale, uint64_t seed, float rate,
                                      float *scratch) {
  const ck_int width = rounded(K, CK_LANES), kvecs = width / CK_LANES, depth = CK(attention_depth)(bf16, K);
  const ck_int left_row = bf16 ? width / 2 : width, cell_row = bf16 ? ck_tile / 2 : ck_tile;
  for (ck_int task = begin; task < end; task++) {
    const ck_int h = task % H, t = offsets[task / H], L = offsets[task / H + 1] - t, padded = rounded(L, GROUP);
    const ck_int next = least(task + 1, end - 1), hn = next % H, tn = offsets[next / H];
    float *p = (float *)(((uintptr_t)scratch + 63) & ~(uintptr_t)63), *ds = p + ck_tile * ck_tile;
    // The same cells as the products take them: by rows, and by pairs of rows.
    float *ds_rows = bf16 ? ds + ck_tile * ck_tile : ds, *p_pairs = bf16 ? ds_rows + ck_tile * ck_tile / 2 : p;
    float *ds_pairs = bf16 ? p_pairs + ck_tile * ck_tile / 2 : ds;
    float *key_columns = p + 4 * ck_tile * ck_tile, *value_columns = key_columns + ck_tile * K;
    float *key = value_columns + ck_tile * K, *dkey = key + ck_tile * width, *dvalue = dkey + ck_tile * width;
    float *query = dvalue + ck_tile * width, *grad = query + padded * width, *dquery = grad + padded * width;
    float *query_pairs = bf16 ? query + padded * width / 2 : query, *grad_pairs = bf16 ? grad + padded * width / 2 : grad;
    float *rowlse = dquery + padded * width, *delta = rowlse + L;
    pack(bf16, query, width, q + t * ldq + h * K, ldq, L, padded, K, scale * LOG2E);
    pack(bf16, grad, width, go + t * ldo + h * K, ldo, L, padded, K, 1);
    if (bf16) {
      pack_pairs(1, query_pairs, width, q + t * ldq + h * K, ldq, L, padded, K, scale * LOG2E);
      pack_pairs(1, grad_pairs, width, go + t * ldo + h * K, ldo, L, padded, K, 1);
    }
    for (ck_int i = 0; i < L; i++) {
      rowlse[i] = lse[(t + i) * H + h] * LOG2E;
      delta[i] = CK(attention_delta)(bf16, go + (t + i) * ldo + h * K, o + (t + i) * ldo + h * K, K);
    }
    for (ck_int j0 = 0; j0 < L; j0 += ck_tile) {
      const ck_int keys = least(L - j0, ck_tile);
      pack_columns(bf16, key_columns, k + (t + j0) * ldk + h * K, ldk, keys, K);
      pack_columns(bf16, value_columns, v + (t + j0) * ldv + h * K, ldv, keys, K);
      pack_pairs(bf16, key, width, k + (t + j0) * ldk + h * K, ldk, keys, keys, K, 1);
      for (ck_int i0 = causal ? j0 : 0; i0 < L; i0 += ck_tile) {
        const ck_int rows = least(L - i0, ck_tile);
        const int diagonal = causal && i0 == j0, isFirst = i0 == (causal ? j0 : 0);
        for (ck_int g = 0; g < rows; g += GROUP) {
          const ck_int group = rows - g > 4 ? GROUP : 4, n = diagonal ? least(g + group, keys) : keys;
          const ck_int vecs = rounded(n, CK_LANES) / CK_LANES;
          float *pg = p + g * ck_tile, *dg = ds + g * ck_tile;
          if (j0 == 0) {
            const ck_int i = i0 + g;
            fetch(q + (tn + i) * ldq + hn * K, ldq, group, K, 0);
            fetch(k + (tn + i) * ldk + hn * K, ldk, group, K, 0);
            fetch(v + (tn + i) * ldv + hn * K, ldv, group, K, 0);
            fetch(o + (tn + i) * ldo + hn * K, ldo, group, K, 0);
            fetch(go + (tn + i) * ldo + hn * K, ldo, group, K, 0);
            fetch(dq + (t + i) * ldq + h * K, ldq, group, K, 1);
            fetch(dk + (t + i) * ldk + h * K, ldk, group, K, 1);
            fetch(dv + (t + i) * ldv + h * K, ldv, group, K, 1);
          }
          multiply(bf16, pg, ck_tile, query + (i0 + g) * left_row, left_row, 1, key_columns, PANEL, PANEL * depth, group,
                   vecs, depth, 0);
          multiply(bf16, dg, ck_tile, grad + (i0 + g) * left_row, left_row, 1, value_columns, PANEL, PANEL * depth, group,
                   vecs, depth, 0);
          for (ck_int r = g; r < least(g + group, rows); r++)
            CK(attention_row_backward)(p + r * ck_tile, ds + r * ck_tile, vecs, diagonal ? r + 1 : keys, rowlse[i0 + r],
                                       delta[i0 + r], j0,
                                       CK(attention_dropout_row)(seed, (t + i0 + r) * H + h, rate));
          if (bf16) {
            const ck_int columns = vecs * CK_LANES;
            for (ck_int r = g; r < g + group; r++)
              round_row((uint16_t *)(ds_rows + r * cell_row), ds + r * ck_tile, columns);
            for (ck_int r = g; r < g + group; r += 2) {
              interleave((uint32_t *)p_pairs + r / 2 * ck_tile, p + r * ck_tile, p + (r + 1) * ck_tile, columns);
              interleave((uint32_t *)ds_pairs + r / 2 * ck_tile, ds + r * ck_tile, ds + (r + 1) * ck_tile, columns);
            }
          }
          multiply(bf16, dquery + (i0 + g) * width, width, ds_rows + g * cell_row, cell_row, 1, key, width, PANEL, group,
                   kvecs, CK(attention_depth)(bf16, n), j0 > 0);
        }
        for (ck_int g = 0; g < keys; g += GROUP) {
          const ck_int group = keys - g > 4 ? GROUP : 4, from = diagonal ? g : 0;
          const ck_int cells = CK(attention_depth)(bf16, from) * ck_tile + g, inner = CK(attention_depth)(bf16, rows - from);
          const ck_int row = CK(attention_depth)(bf16, i0 + from) * width;
          multiply(bf16, dvalue + g * width, width, p_pairs + cells, 1, ck_tile, grad_pairs + row, width, PANEL, group,
                   kvecs, inner, !isFirst);
          multiply(bf16, dkey + g * width, width, ds_pairs + cells, 1, ck_tile, query_pairs + row, width, PANEL, group,
                   kvecs, inner, !isFirst);
        }
      }
      unpack(dk + (t + j0) * ldk + h * K, ldk, dkey, width, keys, K, LN2);
      unpack(dv + (t + j0) * ldv + h * K, ldv, dvalue, width, keys, K, 1);
    }
    unpack(dq + t * ldq + h * K, ldq, dquery, width, L, K, scale);
  }
}

static void CK(ck_attention_backward)(float *dq, float *dk, float *dv, const float *go, const float *q, const float *k,
                                      const float *v, const float *o, const float *lse, const int32_t *offsets,
                                      ck_int begin, ck_int end, int causal, ck_int H, ck_int K, ck_int ldq, ck_int ldk,
                                      ck_int ldv, ck_int ldo, float scale, uint64_t seed, float rate, int bf16, float *scratch) {
  if (bf16)
    CK(attention_backward)(1, dq, dk, dv, go, q, k, v, o, lse, offsets, begin, end, causal, H, K, ldq, ldk, ldv, ldo, scale,
                           seed, rate, scratch);
  else
    CK(attention_backward)(0, dq, dk, dv, go, q, k, v, o, lse, offsets, begin, end, causal, H, K, ldq, ldk, ldv, ldo, scale,
                           seed, rate, scratch);
}

#endif
