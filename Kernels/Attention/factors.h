// What the attentions share: the factors of their products, packed and multiplied in float32 or in pairs of bfloat16, and powers of 2,
// after pairs.h. No include guard: the bodies of Attention.c and HSTU.c include it once per variant.
#define product CK(attention_product)
#define pair_product CK(attention_pair_product)
#define multiply CK(attention_multiply)
#define pack CK(attention_pack)
#define pack_pairs CK(attention_pack_pairs)
#define pack_columns CK(attention_pack_columns)
#define unpack CK(attention_unpack)
#define power2 CK(attention_power2)

// 2^x within about 1 ulp for x < 127; zero below 2^-126, so for -inf too; NaN stays. Polynomial: minimax, error 2^-26.
CK_INLINE floats power2(floats x) {
#pragma clang fp reassociate(off) contract(fast)
  floats shifted = x + 12582912.0f;  // 1.5 * 2^23: the low bits become round(x)
  floats f = x - (shifted - 12582912.0f);
  floats y = 0.00015353361959569156f * f + 0.0013398875016719103f;
  y = y * f + 0.00961843691766262f;
  y = y * f + 0.055503323674201965f;
  y = y * f + 0.24022647738456726f;
  y = y * f + 0.6931471824645996f;
  y = y * f + 1.0f;
  words power = ((words)shifted << 23) + 0x3f800000u;
  return (floats)choose((words)(x < -126.0f), (words){}, (words)(y * (floats)power));
}

// --- products. With bf16 the factors are words of two neighbours along the inner axis, so that every depth and stride halves.

// One group of rows (4, or 8) over any number of vectors; panel is the distance between pairs of vectors in b.
#undef ATTENTION_PRODUCT
#define ATTENTION_PRODUCT(name, of_block) \
  static __attribute__((noinline)) void name(float *c, ck_int ldc, const float *a, ck_int ra, ck_int ca, const float *b, \
                                             ck_int ldb, ck_int panel, ck_int rows, ck_int vecs, ck_int P, int add) { \
    for (; vecs > 0; vecs -= 2, c += PANEL, b += panel) { \
      const float *from = add ? c : NULL; \
      if (vecs > 1 && rows == 8) of_block(c, ldc, from, ldc, a, ra, ca, b, ldb, P, 8, 2); \
      if (vecs > 1 && rows == 4) of_block(c, ldc, from, ldc, a, ra, ca, b, ldb, P, 4, 2); \
      if (vecs == 1 && rows == 8) of_block(c, ldc, from, ldc, a, ra, ca, b, ldb, P, 8, 1); \
      if (vecs == 1 && rows == 4) of_block(c, ldc, from, ldc, a, ra, ca, b, ldb, P, 4, 1); \
    } \
  }
ATTENTION_PRODUCT(product, block)
ATTENTION_PRODUCT(pair_product, pair_block)

CK_INLINE void multiply(const int bf16, float *c, ck_int ldc, const float *a, ck_int ra, ck_int ca, const float *b,
                        ck_int ldb, ck_int panel, ck_int rows, ck_int vecs, ck_int depth, int add) {
  (bf16 ? pair_product : product)(c, ldc, a, ra, ca, b, ldb, panel, rows, vecs, depth, add);
}

// Words, or floats, of n elements along an inner axis.
CK_INLINE ck_int CK(attention_depth)(const int bf16, ck_int n) { return bf16 ? (n + 1) / 2 : n; }

// --- packing

// Lanes i ..< i + CK_LANES of factor * x[K], zeroes from K on.
CK_INLINE floats CK(attention_lanes)(const float *x, ck_int i, ck_int K, float factor) {
  if (i + CK_LANES <= K) return factor * *(const floats *)(x + i);
  float part[CK_LANES] = {0};
  for (ck_int l = i; l < K; l++) part[l - i] = factor * x[l];
  return *(const floats *)part;
}

// Left factor of a product over K: y[r, width] (width / 2 words) = factor * x[r, K], zeroes to the right and in the rows up to
// `padded`.
static void pack(const int bf16, float *y, ck_int width, const float *x, ck_int ldx, ck_int rows, ck_int padded, ck_int K,
                 float factor) {
  const ck_int stride = bf16 ? width / 2 : width;
  for (ck_int r = 0; r < rows; r++, y += stride, x += ldx)
    for (ck_int i = 0; i < width; i += CK_LANES) {
      const floats part = CK(attention_lanes)(x, i, K, factor);
      if (bf16)
        store_halves((uint16_t *)y + i, part);
      else
        *(floats *)(y + i) = part;
    }
  memset(y, 0, (size_t)((padded - rows) * stride) * sizeof(float));
}

// Right factor of a product over the rows: y[r, width], or with bf16 words of two rows, zeroes in the rows up to `padded`.
static void pack_pairs(const int bf16, float *y, ck_int width, const float *x, ck_int ldx, ck_int rows, ck_int padded,
                       ck_int K, float factor) {
  if (!bf16) return pack(0, y, width, x, ldx, rows, padded, K, factor);
  for (ck_int r = 0; r < rows; r += 2, y += width, x += 2 * ldx)
    for (ck_int i = 0; i < width; i += CK_LANES) {
      const floats above = CK(attention_lanes)(x, i, K, factor);
      const floats below = r + 1 < rows ? CK(attention_lanes)(x + ldx, i, K, factor) : (floats){};
      *(words *)(y + i) = round_lanes(above) | round_lanes(below) << 16;
    }
  memset(y, 0, (size_t)(((padded + 1) / 2 - (rows + 1) / 2) * width) * sizeof(float));
}

// Right factor of a product over K: the rows of x as the columns of panels, by words with bf16.
static void pack_columns(const int bf16, float *y, const float *x, ck_int ldx, ck_int rows, ck_int K) {
  if (!bf16) return pack_transposed(y, x, ldx, rows, K, 0);
  enum { most = 128 };
  uint32_t panel[PANEL * most];
  const ck_int P = (K + 1) / 2;
  for (ck_int r0 = 0; r0 < rows; r0 += PANEL) {
    const ck_int count = least(rows - r0, PANEL);
    for (ck_int r = 0; r < count; r++) {
      round_row((uint16_t *)(panel + r * most), x + (r0 + r) * ldx, K);
      if (K % 2 != 0) ((uint16_t *)(panel + r * most))[K] = 0;
    }
    pack_transposed(y + r0 * P, (const float *)panel, most, count, P, 0);
  }
}

// y[r, K] = factor * x[r, 0:K], x of row length width
static void unpack(float *y, ck_int ldy, const float *x, ck_int width, ck_int rows, ck_int K, float factor) {
  for (ck_int r = 0; r < rows; r++, y += ldy, x += width) {
    ck_int i = 0;
    for (; i + CK_LANES <= K; i += CK_LANES) *(floats *)(y + i) = factor * *(const floats *)(x + i);
    for (; i < K; i++) y[i] = factor * x[i];
  }
}
