// Causal convolution over jagged sequences in parts: windows of rows, weighted sums of a window, the maximum over a window. Rows
// before the first of a sequence are zeroes, or are not there for a maximum.
#ifndef CK_BODY
#define CK_FILE "../Convolution/Convolution.c"
#include "../Common/isa.h"

CK_DISPATCH(void, ck_windows_forward,
            (float *y, const float *x, const int32_t *place, ck_int begin, ck_int end, ck_int N, ck_int D), (y, x, place, begin, end, N, D))
CK_DISPATCH(void, ck_windows_backward,
            (float *dx, const float *dy, const int32_t *left, ck_int begin, ck_int end, ck_int N, ck_int D),
            (dx, dy, left, begin, end, N, D))
CK_DISPATCH(void, ck_window_sums_forward,
            (float *y, const float *x, const float *g, const int32_t *place, ck_int begin, ck_int end, ck_int M, ck_int N, ck_int D),
            (y, x, g, place, begin, end, M, N, D))
CK_DISPATCH(void, ck_window_sums_backward,
            (float *dx, float *dg, const float *dy, const float *x, const float *g, const int32_t *place, const int32_t *left,
             ck_int begin, ck_int end, ck_int M, ck_int N, ck_int D),
            (dx, dg, dy, x, g, place, left, begin, end, M, N, D))
CK_DISPATCH(void, ck_window_max_forward,
            (float *y, int32_t *best, const float *x, const int32_t *place, ck_int begin, ck_int end, ck_int N, ck_int D),
            (y, best, x, place, begin, end, N, D))
CK_DISPATCH(void, ck_window_max_backward,
            (float *dx, const float *dy, const int32_t *best, const int32_t *left, ck_int begin, ck_int end, ck_int N, ck_int D),
            (dx, dy, best, left, begin, end, N, D))

const char *ck_opencl_convolution(void) {
  static const char text[] = {
#embed "Convolution.cl"
      , 0};
  return text;
}

#else
#include "../Common/scalar.h"
#include "../Common/tile.h"

static void CK(ck_windows_forward)(float *y, const float *x, const int32_t *place, ck_int begin, ck_int end, ck_int N, ck_int D) {
  for (ck_int t = begin; t < end; t++) {
    const ck_int there = least(place[t] + 1, N);
    memset(y + t * N * D, 0, (size_t)((N - there) * D) * sizeof(float));
    memcpy(y + (t * N + N - there) * D, x + (t - there + 1) * D, (size_t)(there * D) * sizeof(float));
  }
}

// Row t is slot N - 1 - i of the window of row t + i.
static void CK(ck_windows_backward)(float *dx, const float *dy, const int32_t *left, ck_int begin, ck_int end, ck_int N, ck_int D) {
  for (ck_int t = begin; t < end; t++) {
    float *to = dx + t * D;
    memset(to, 0, (size_t)D * sizeof(float));
    for (ck_int i = 0; i < least(left[t] + 1, N); i++) {
      const float *from = dy + ((t + i) * N + N - 1 - i) * D;
      CK_ROW for (ck_int d = 0; d < D; d++) to[d] += from[d];
    }
  }
}

static void CK(ck_window_sums_forward)(float *y, const float *x, const float *g, const int32_t *place, ck_int begin, ck_int end,
                                       ck_int M, ck_int N, ck_int D) {
#pragma clang fp contract(fast)
  for (ck_int t = begin; t < end; t++)
    for (ck_int m = 0; m < M; m++) {
      float *to = y + (t * M + m) * D;
      memset(to, 0, (size_t)D * sizeof(float));
      for (ck_int i = 0; i < least(place[t] + 1, N); i++) {
        const float *from = x + (t - i) * D, weight = g[m * N + N - 1 - i];
        CK_ROW for (ck_int d = 0; d < D; d++) to[d] += weight * from[d];
      }
    }
}

static void CK(ck_window_sums_backward)(float *dx, float *dg, const float *dy, const float *x, const float *g, const int32_t *place,
                                        const int32_t *left, ck_int begin, ck_int end, ck_int M, ck_int N, ck_int D) {
#pragma clang fp reassociate(on) contract(fast)
  memset(dg, 0, (size_t)(M * N) * sizeof(float));
  for (ck_int t = begin; t < end; t++) {
    float *to = dx + t * D;
    memset(to, 0, (size_t)D * sizeof(float));
    for (ck_int m = 0; m < M; m++) {
      for (ck_int i = 0; i < least(left[t] + 1, N); i++) {
        const float *from = dy + ((t + i) * M + m) * D, weight = g[m * N + N - 1 - i];
        CK_ROW for (ck_int d = 0; d < D; d++) to[d] += weight * from[d];
      }
      for (ck_int i = 0; i < least(place[t] + 1, N); i++) {
        const float *from = x + (t - i) * D, *grad = dy + (t * M + m) * D;
        float sum = 0;
        CK_ROW for (ck_int d = 0; d < D; d++) sum += grad[d] * from[d];
        dg[m * N + N - 1 - i] += sum;
      }
    }
  }
}

static void CK(ck_window_max_forward)(float *y, int32_t *best, const float *x, const int32_t *place, ck_int begin, ck_int end, ck_int N,
                                      ck_int D) {
  for (ck_int t = begin; t < end; t++) {
    const ck_int first = t - least(place[t] + 1, N) + 1;
    float *top = y + t * D;
    int32_t *row = best + t * D;
    memcpy(top, x + first * D, (size_t)D * sizeof(float));
    for (ck_int d = 0; d < D; d++) row[d] = (int32_t)first;
    // The first of equals stays, and so does a NaN.
    for (ck_int r = first + 1; r <= t; r++) {
      const float *other = x + r * D;
      CK_ROW for (ck_int d = 0; d < D; d++) {
        const int is_more = (other[d] > top[d]) | (other[d] != other[d]);
        top[d] = is_more ? other[d] : top[d];
        row[d] = is_more ? (int32_t)r : row[d];
      }
    }
  }
}

static void CK(ck_window_max_backward)(float *dx, const float *dy, const int32_t *best, const int32_t *left, ck_int begin, ck_int end,
                                       ck_int N, ck_int D) {
  for (ck_int t = begin; t < end; t++) {
    float *to = dx + t * D;
    memset(to, 0, (size_t)D * sizeof(float));
    for (ck_int i = 0; i < least(left[t] + 1, N); i++) {
      const float *from = dy + (t + i) * D;
      const int32_t *row = best + (t + i) * D;
      CK_ROW for (ck_int d = 0; d < D; d++) to[d] += row[d] == (int32_t)t ? from[d] : 0.0f;
    }
  }
}
#endif
