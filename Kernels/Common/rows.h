// Reductions over one row. No include guard: the body of a kernel includes it once per variant.
CK_INLINE float CK(dot)(const float *a, const float *b, ck_int D) {
#pragma clang fp reassociate(on) contract(fast)
  float sum = 0;
  CK_ROW for (ck_int d = 0; d < D; d++) sum += a[d] * b[d];
  return sum;
}

// Several rows against one vector in one visit: the loop's own cost is shared.
CK_INLINE void CK(dot2)(float *s, const float *a, const float *x0, const float *x1, ck_int D) {
#pragma clang fp reassociate(on) contract(fast)
  float s0 = 0, s1 = 0;
  CK_ROW for (ck_int d = 0; d < D; d++) {
    s0 += a[d] * x0[d];
    s1 += a[d] * x1[d];
  }
  s[0] = s0;
  s[1] = s1;
}

CK_INLINE void CK(dot4)(float *s, const float *a, const float *x0, const float *x1, const float *x2, const float *x3,
                        ck_int D) {
#pragma clang fp reassociate(on) contract(fast)
  float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  CK_ROW for (ck_int d = 0; d < D; d++) {
    s0 += a[d] * x0[d];
    s1 += a[d] * x1[d];
    s2 += a[d] * x2[d];
    s3 += a[d] * x3[d];
  }
  s[0] = s0;
  s[1] = s1;
  s[2] = s2;
  s[3] = s3;
}

// The greatest of x[0:n] and floor, NaN passed over. Lane by lane: the compiler leaves a plain maximum scalar, for NaN.
CK_INLINE float CK(maximum)(const float *x, ck_int n, float floor) {
  enum { strip = 4 * CK_LANES };
  float top[strip];
  for (ck_int l = 0; l < strip; l++) top[l] = floor;
  ck_int i = 0;
  for (; i + strip <= n; i += strip)
    for (ck_int l = 0; l < strip; l++) top[l] = x[i + l] > top[l] ? x[i + l] : top[l];
  for (; i < n; i++) top[0] = x[i] > top[0] ? x[i] : top[0];
  for (ck_int width = strip / 2; width > 0; width /= 2)
    for (ck_int l = 0; l < width; l++) top[l] = top[l + width] > top[l] ? top[l + width] : top[l];
  return top[0];
}
