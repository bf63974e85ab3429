// Gated recurrent units over jagged sequences (Cho et al. 2014, as torch.nn.GRU writes them): GROUP sequences step together, so
// that the weight is read once for all of them. A row's sums have one order, whatever group it is in.
#ifndef CK_BODY
#define CK_FILE "../GRU/GRU.c"
#include "../Common/isa.h"

// Columns of the packed weights, padded for the widest variant.
ck_int ck_gru_columns(ck_int n) { return (n + 31) / 32 * 32; }

ck_int ck_gru_scratch(ck_int D) { return 8 * (3 * ck_gru_columns(D) + 2 * ck_gru_columns(3 * D)) + ck_gru_columns(3 * D); }

void ck_gru_pack(float *u, float *ut, const float *w, ck_int D) {
  const ck_int W = ck_gru_columns(3 * D), width = ck_gru_columns(D);
  memset(u, 0, (size_t)(D * W) * sizeof(float));
  for (ck_int p = 0; p < D; p++) memcpy(u + p * W, w + p * 3 * D, (size_t)(3 * D) * sizeof(float));
  if (!ut) return;
  memset(ut, 0, (size_t)(3 * D * width) * sizeof(float));
  for (ck_int p = 0; p < D; p++)
    for (ck_int q = 0; q < 3 * D; q++) ut[q * width + p] = w[p * 3 * D + q];
}

CK_DISPATCH(void, ck_gru_forward,
            (float *h, float *gates, const float *x, const float *u, const float *c, const float *shares, const int32_t *offsets,
             ck_int begin, ck_int end, ck_int D, float *scratch),
            (h, gates, x, u, c, shares, offsets, begin, end, D, scratch))
CK_DISPATCH(void, ck_gru_backward,
            (float *dx, float *du, float *before, float *dshares, const float *dh, const float *h, const float *gates, const float *shares,
             const float *ut, const int32_t *offsets, ck_int begin, ck_int end, ck_int D, float *scratch),
            (dx, du, before, dshares, dh, h, gates, shares, ut, offsets, begin, end, D, scratch))

const char *ck_opencl_gru(void) {
  static const char text[] = {
#embed "GRU.cl"
      , 0};
  return text;
}

#else
#include "../Common/scalar.h"
#include "../Common/tile.h"

// Rows of the longest of sequences b ..< b + n.
CK_INLINE ck_int CK(gru_longest)(const int32_t *offsets, ck_int b, ck_int n) {
  ck_int longest = 0;
  for (ck_int r = 0; r < n; r++) {
    const ck_int L = offsets[b + r + 1] - offsets[b + r];
    longest = L > longest ? L : longest;
  }
  return longest;
}

// y[GROUP, columns] = from + a[GROUP, depth] b[depth, columns]; columns are padded.
CK_INLINE void CK(gru_product)(float *y, ck_int columns, const float *from, ck_int ldf, const float *a, ck_int lda, const float *b,
                               ck_int depth) {
  for (ck_int p = 0; p < columns; p += PANEL) block(y + p, columns, from + p, ldf, a, lda, 1, b + p, columns, depth, GROUP, 2);
}

static void CK(ck_gru_forward)(float *h, float *gates, const float *x, const float *u, const float *c, const float *shares,
                               const int32_t *offsets, ck_int begin, ck_int end, ck_int D, float *scratch) {
#pragma clang fp contract(fast)
  const ck_int W = ck_gru_columns(3 * D), width = ck_gru_columns(D);
  float *state = scratch, *hidden = state + GROUP * width, *bias = hidden + GROUP * W;
  memset(bias, 0, (size_t)W * sizeof(float));
  memcpy(bias, c, (size_t)(3 * D) * sizeof(float));
  for (ck_int b = begin; b < end; b += GROUP) {
    const ck_int n = least(end - b, GROUP), longest = CK(gru_longest)(offsets, b, n);
    memset(state, 0, (size_t)(GROUP * width) * sizeof(float));
    for (ck_int j = 0; j < longest; j++) {
      CK(gru_product)(hidden, W, bias, 0, state, width, u, D);
      for (ck_int r = 0; r < n; r++) {
        const ck_int t = offsets[b + r] + j;
        if (t >= offsets[b + r + 1]) continue;
        const float *in = x + t * 3 * D, *own = hidden + r * W;
        float *s = state + r * width, *keep = gates ? gates + t * 4 * D : NULL;
        const float share = shares ? shares[t] : 1.0f;
        CK_ROW for (ck_int d = 0; d < D; d++) {
          const float z = ck_sigmoid(in[d] + own[d]), reset = ck_sigmoid(in[D + d] + own[D + d]), a = own[2 * D + d];
          const float candidate = 2.0f * ck_sigmoid(2.0f * (in[2 * D + d] + reset * a)) - 1.0f;
          if (keep) {
            keep[d] = z;
            keep[D + d] = reset;
            keep[2 * D + d] = candidate;
            keep[3 * D + d] = a;
          }
          s[d] = candidate + (shares ? 1.0f - share * (1.0f - z) : z) * (s[d] - candidate);
        }
        memcpy(h + t * D, s, (size_t)D * sizeof(float));
      }
    }
  }
}

// d share of h' = n + (1 - share (1 - z)) (h - n).
CK_INLINE float CK(gru_share)(const float *grad, const float *state, const float *last, const float *g, ck_int D) {
#pragma clang fp reassociate(on) contract(fast)
  float sum = 0;
  CK_ROW for (ck_int d = 0; d < D; d++) sum += (grad[d] + state[d]) * (last[d] - g[2 * D + d]) * (g[d] - 1.0f);
  return sum;
}

// Backwards through h' = n + z (h - n), n = tanh(x_n + r a), a = h U_n + c_n; with shares z is 1 - share (1 - z).
static void CK(ck_gru_backward)(float *dx, float *du, float *before, float *dshares, const float *dh, const float *h, const float *gates,
                                const float *shares, const float *ut, const int32_t *offsets, ck_int begin, ck_int end, ck_int D,
                                float *scratch) {
#pragma clang fp contract(fast)
  const ck_int width = ck_gru_columns(D), W = ck_gru_columns(3 * D);
  float *state = scratch, *direct = state + GROUP * width, *own = direct + GROUP * width;
  for (ck_int b = begin; b < end; b += GROUP) {
    const ck_int n = least(end - b, GROUP), longest = CK(gru_longest)(offsets, b, n);
    memset(scratch, 0, (size_t)(GROUP * (2 * width + W)) * sizeof(float));
    for (ck_int j = longest - 1; j >= 0; j--) {
      for (ck_int r = 0; r < n; r++) {
        const ck_int t = offsets[b + r] + j;
        if (t >= offsets[b + r + 1]) continue;
        const float *g = gates + t * 4 * D, *grad = dh + t * D;
        float *in = dx + t * 3 * D, *out = du + t * 3 * D, *last = before + t * D, *local = own + r * W, *s = state + r * width;
        if (j > 0)
          memcpy(last, h + (t - 1) * D, (size_t)D * sizeof(float));
        else
          memset(last, 0, (size_t)D * sizeof(float));
        const float share = shares ? shares[t] : 1.0f;
        if (shares) dshares[t] = CK(gru_share)(grad, s, last, g, D);
        CK_ROW for (ck_int d = 0; d < D; d++) {
          const float z = g[d], reset = g[D + d], candidate = g[2 * D + d], dy = grad[d] + s[d];
          const float kept = shares ? 1.0f - share * (1.0f - z) : z;
          const float dn = dy * (1.0f - kept) * (1.0f - candidate * candidate);
          const float dz = share * (dy * (last[d] - candidate) * z * (1.0f - z));
          const float dr = dn * g[3 * D + d] * reset * (1.0f - reset);
          in[d] = local[d] = dz;
          in[D + d] = local[D + d] = dr;
          in[2 * D + d] = dn;
          local[2 * D + d] = dn * reset;
          direct[r * width + d] = dy * kept;
        }
        memcpy(out, local, (size_t)(3 * D) * sizeof(float));
      }
      CK(gru_product)(state, width, direct, width, own, W, ut, 3 * D);
    }
  }
}
#endif
