// One panel of columns of a product, with its epilogue. No include guard: the body of a kernel includes it once per variant.
#define strip CK(strip)
#define copy_rows CK(copy_rows)

// Rows of a tile that is finished apart: it stays in the first cache.
enum { CK(tile_rows) = 64 };

// c[M, PANEL] = from + a b, b[K, PANEL] with rows ldb apart.
typedef void CK(multiply)(float *c, ck_int ldc, const float *from, ck_int ldf, const float *a, ck_int ra, ck_int ca,
                          const float *b, ck_int ldb, ck_int K, ck_int M);

static void copy_rows(float *y, ck_int ldy, const float *x, ck_int ldx, ck_int rows, ck_int cols) {
  for (ck_int t = 0; t < rows; t++, y += ldy, x += ldx) {
    if (cols == PANEL) {
      ((floats *)y)[0] = ((const floats *)x)[0];
      ((floats *)y)[1] = ((const floats *)x)[1];
    } else {
      for (ck_int j = 0; j < cols; j++) y[j] = x[j];
    }
  }
}

// act, then r. Bias and the value before act are there already.
static void CK(finish_tile)(float *y, const float *tile, ck_int ldy, ck_int rows, ck_int cols, const float *r) {
  copy_rows(y, ldy, tile, PANEL, rows, cols);
  for (ck_int t = 0; r && t < rows; t++)
    CK_ROW for (ck_int j = 0; j < cols; j++) y[t * ldy + j] += r[t * ldy + j];
}

// c[M, cols] = (or +=) a p, p[depth, PANEL], in tiles of rows; the sum starts from the bias. After the `last` stretch of the
// inner axis comes the rest of the epilogue, while a tile is in cache.
CK_INLINE void strip(CK(multiply) *multiply, float *c, ck_int ldc, const float *a, ck_int ra, ck_int ca, const float *p,
                     ck_int ldp, ck_int M, ck_int cols, ck_int depth, int add, int last, struct epilogue e) {
  alignas(64) float tile[CK(tile_rows) * PANEL], start[PANEL] = {0};
  const int whole = cols == PANEL, finish = last && (e.act != CK_NONE || e.r || e.pre);
  if (e.b) copy_rows(start, 0, e.b, 0, 1, cols);
  for (ck_int i = 0; i < M; i += CK(tile_rows)) {
    const ck_int rows = least(M - i, CK(tile_rows)), at = i * ldc;
    const float *from = add ? c + at : e.b ? start : NULL;
    ck_int ldf = from == start ? 0 : ldc;
    if (!whole && from && from != start) {
      copy_rows(tile, PANEL, from, ldc, rows, cols);
      from = tile;
      ldf = PANEL;
    }
    float *to = whole && !finish ? c + at : whole && e.pre ? e.pre + at : tile;
    multiply(to, to == tile ? PANEL : ldc, from, ldf, a + i * ra, ra, ca, p, ldp, depth, rows);
    if (finish) {
      if (to != tile) copy_rows(tile, PANEL, to, ldc, rows, cols);
      else if (e.pre) copy_rows(e.pre + at, ldc, tile, PANEL, rows, cols);
      if (e.act != CK_NONE) ck_activation_forward(tile, tile, 0, rows * PANEL, e.act);
      CK(finish_tile)(c + at, tile, ldc, rows, cols, e.r ? e.r + at : NULL);
    } else if (!whole) {
      copy_rows(c + at, ldc, tile, PANEL, rows, cols);
    }
  }
}
