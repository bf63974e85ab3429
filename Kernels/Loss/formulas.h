// The losses of one row, once for C and OpenCL: from outputs x, labels y and parameters p the loss, and its gradient d by x. No
// include guard: it follows the definitions of FORMULA, EXP, LOG, LOG1P, EXPM1, SIGMOID and LOGISTIC, and ends in LOSS_ENTRY of each.
// LOGISTIC(x, s, l): s = sigmoid(x), l = log(1 + e^-|x|); softplus(x) = max(x, 0) + l, without overflow or cancellation.
// A new loss is its formula here, a line in LOSSES, its name in CKernels.h and in Loss.swift.
#define POSITIVE_PART(x) ((x) > 0.0f ? (x) : 0.0f)
#define SMALLEST 1.17549435e-38f  // where a logarithm or a quotient would leave the floats

// Yes or no on a logit, labels smoothed by p0: y' sp(-x) + (1 - y') sp(x), y' = (1 - p0) y + p0 / 2
FORMULA(binary) {
  float s, l;
  LOGISTIC(x[0], s, l);
  const float target = (1.0f - p[0]) * y[0] + 0.5f * p[0];
  d[0] = s - target;
  return target * POSITIVE_PART(-x[0]) + (1.0f - target) * POSITIVE_PART(x[0]) + l;
}

// Focal loss (Lin et al. 2017), gamma p0 and weight p1 of the positives: a sigmoid(-m)^gamma sp(-m), m = x or -x
FORMULA(focal) {
  float s, l;
  const float m = y[0] > 0.5f ? x[0] : -x[0], a = y[0] > 0.5f ? p[1] : 1.0f - p[1];
  LOGISTIC(m, s, l);
  const float miss = POSITIVE_PART(-m) + l, power = a * EXP(-p[0] * (POSITIVE_PART(m) + l));
  const float slope = -power * (p[0] * s * miss + (1.0f - s));
  d[0] = y[0] > 0.5f ? slope : -slope;
  return power * miss;
}

FORMULA(squared) {
  const float e = x[0] - y[0];
  d[0] = 2.0f * e;
  return e * e;
}

FORMULA(absolute) {
  const float e = x[0] - y[0];
  d[0] = e > 0.0f ? 1.0f : e < 0.0f ? -1.0f : e;
  return e < 0.0f ? -e : e;
}

// Huber (1964): e^2 / 2 within p0, linear beyond
FORMULA(huber) {
  const float e = x[0] - y[0], bounded = e > p[0] ? p[0] : e < -p[0] ? -p[0] : e;
  d[0] = bounded;
  return bounded * (e - 0.5f * bounded);
}

// Koenker and Bassett (1978), quantile p0: max(p0 e, (p0 - 1) e), e = y - x
FORMULA(quantile) {
  const float e = y[0] - x[0];
  d[0] = e > 0.0f ? -p[0] : e < 0.0f ? 1.0f - p[0] : e;
  return e > 0.0f ? p[0] * e : (p[0] - 1.0f) * e;
}

// A count with the mean e^x, without the terms of y alone: e^x - y x
FORMULA(poisson) {
  const float mean = EXP(x[0]);
  d[0] = mean - y[0];
  return mean - y[0] * x[0];
}

// BPR (Rendle et al. 2009): the score x0 of what was chosen against x1: sp(-(x0 - x1))
FORMULA(ranked) {
  float s, l;
  const float m = x[0] - x[1];
  LOGISTIC(-m, s, l);
  d[0] = -s;
  d[1] = s;
  return POSITIVE_PART(-m) + l;
}

// ESMM (Ma et al. 2018): logits of a click and of a conversion after one, labels click and conversion, over all impressions:
// p0 BCE(click, x0) + BCE(click and conversion, sigmoid(x0) sigmoid(x1)), the second in logarithms
FORMULA(entire_space) {
  float s0, l0, s1, l1;
  LOGISTIC(-x[0], s0, l0);
  LOGISTIC(-x[1], s1, l1);
  const float log_p = -(POSITIVE_PART(-x[0]) + l0) - (POSITIVE_PART(-x[1]) + l1), both = y[0] * y[1];
  const float other = -EXPM1(log_p), none = other > SMALLEST ? other : other <= SMALLEST ? SMALLEST : other;
  const float g = both - (1.0f - both) * (EXP(log_p) / none);
  d[0] = p[0] * ((1.0f - y[0]) - s0) - g * s0;
  d[1] = -g * s1;
  const float click = y[0] * POSITIVE_PART(-x[0]) + (1.0f - y[0]) * POSITIVE_PART(x[0]) + l0;
  return p[0] * click - (both * log_p + (1.0f - both) * LOG(none));
}

// Delayed conversions (Chapelle 2014): x0 the logit of ever converting, x1 the log of the rate of the delay; y0 whether it has
// converted, y1 after which time, or the time that has passed. Time times rate is held below 1e30.
FORMULA(delayed) {
  float s0, l0, s1, l1;
  const float rate = EXP(x[1]), passed = rate * y[1] < 1e30f ? rate * y[1] : rate * y[1] >= 1e30f ? 1e30f : rate;
  LOGISTIC(x[0], s0, l0);
  LOGISTIC(x[0] - passed, s1, l1);
  if (y[0] > 0.5f) {
    d[0] = s0 - 1.0f;
    d[1] = passed - 1.0f;
    return POSITIVE_PART(-x[0]) + l0 - x[1] + passed;
  }
  d[0] = s0 - s1;
  d[1] = s1 * passed;
  // -log(1 - p (1 - e^-passed)): the difference of softplus where little is left of the 1
  const float gone = -s0 * EXPM1(-passed);
  if (gone < 0.5f) return -LOG1P(-gone);
  return (POSITIVE_PART(x[0]) + l0) - (POSITIVE_PART(x[0] - passed) + l1);
}

// Discrete Weibull survival (Martinsson 2016): a = sp(x0), b = sp(x1), L(t) = (t / a)^b; y0 the step, y1 whether the event came in
// it or observation ended after it: L(y) - log(1 - e^-delta), delta = L(y + 1) - L(y), or L(y + 1). log L is held below 60; the
// gradient there still points back.
FORMULA(weibull) {
  float s0, l0, s1, l1;
  LOGISTIC(x[0], s0, l0);
  LOGISTIC(x[1], s1, l1);
  const float a = POSITIVE_PART(x[0]) + l0, b = POSITIVE_PART(x[1]) + l1, log_a = LOG(a > SMALLEST ? a : a <= SMALLEST ? SMALLEST : a);
  const float u1 = LOG(y[0] + 1.0f) - log_a, power1 = b * u1, end = EXP(power1 > 60.0f ? 60.0f : power1);
  // sigmoid / softplus is at most 1, the two apart need not be floats
  const float per_a = b * (a > SMALLEST ? s0 / a : 1.0f);
  if (!(y[1] > 0.5f)) {
    d[0] = -end * per_a;
    d[1] = end * u1 * s1;
    return end;
  }
  const int starts = y[0] > 0.0f;
  const float log_y = LOG(starts ? y[0] : 1.0f), u0 = log_y - log_a, power0 = b * u0;
  const float start = starts ? EXP(power0 > 60.0f ? 60.0f : power0) : 0.0f;
  const float gap = y[0] >= 1.0f ? LOG1P(1.0f / (y[0] >= 1.0f ? y[0] : 1.0f)) : LOG(y[0] + 1.0f) - log_y;
  // delta = end (1 - e^(-b gap)), and its logarithm, which is still a float where delta is none
  const float left = starts ? -EXPM1(-b * gap) : 1.0f, delta = end * left, grown = EXPM1(b * gap);
  const float log_delta = (power1 > 60.0f ? 60.0f : power1) + LOG(left > SMALLEST ? left : left <= SMALLEST ? SMALLEST : left);
  // delta / (e^delta - 1), at most 1
  const float rd = delta > 80.0f ? 0.0f : delta > SMALLEST ? delta / EXPM1(delta) : 1.0f;
  d[0] = (rd - start) * per_a;
  d[1] = (start * u0 - rd * (u1 + (starts ? gap / (grown > SMALLEST ? grown : SMALLEST) : 0.0f))) * s1;
  return start - (delta < 1e-4f ? log_delta - 0.5f * delta : LOG(-EXPM1(-delta)));
}

// Zero-inflated log-normal (Wang et al. 2019): x0 the logit of y > 0, x1 the mean of log y, s = sp(x2) in 10^-3.5 ... 5:
// BCE(y > 0, x0) + [y > 0] p0 (log y + log s + log(2 pi) / 2 + (log y - x1)^2 / (2 s^2)) + p1 (x1^2 + x2^2)
FORMULA(lognormal) {
  float s0, l0, s2, l2;
  LOGISTIC(x[0], s0, l0);
  LOGISTIC(x[2], s2, l2);
  const int bought = y[0] > 0.0f;
  const float spread = POSITIVE_PART(x[2]) + l2, s = spread < 3.16227766e-4f ? 3.16227766e-4f : spread > 5.0f ? 5.0f : spread;
  const float log_y = LOG(bought ? y[0] : 1.0f), e = (log_y - x[1]) / s, share = bought ? p[0] : 0.0f;
  d[0] = s0 - (bought ? 1.0f : 0.0f);
  d[1] = 2.0f * p[1] * x[1] - share * e / s;
  d[2] = 2.0f * p[1] * x[2] + (s == spread ? share * s2 * (1.0f - e * e) / s : 0.0f);
  return (bought ? POSITIVE_PART(-x[0]) : POSITIVE_PART(x[0])) + l0 + share * (log_y + LOG(s) + 0.918938533f + 0.5f * e * e)
         + p[1] * (x[1] * x[1] + x[2] * x[2]);
}

// Name, outputs, labels; in the order of CKernels.h.
#define LOSSES(DO) \
  DO(binary, 1, 1) DO(focal, 1, 1) DO(squared, 1, 1) DO(absolute, 1, 1) DO(huber, 1, 1) DO(quantile, 1, 1) DO(poisson, 1, 1) \
  DO(ranked, 2, 0) DO(entire_space, 2, 2) DO(delayed, 2, 2) DO(weibull, 2, 2) DO(lognormal, 3, 1)
LOSSES(LOSS_ENTRY)
