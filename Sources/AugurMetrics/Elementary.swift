// Exponential and logarithm of our own and not of the C library, so that a printed metric has the same bits on every machine.

/// e^x within 2 units in the last place: x = n ln 2 + r, the series to degree 13 on |r| <= ln 2 / 2, then 2^n in two factors so
/// that the result overflows to infinity and fades to 0. NaN travels.
func exponential(_ x: Double) -> Double {
  guard x == x else { return x }
  let bounded = min(max(x, -750), 710)
  let n = (bounded * 1.4426950408889634).rounded()
  let r = (bounded - n * 6.93147180369123816490e-1) - n * 1.90821492927058770002e-10
  var sum = 1.0
  for divisor in stride(from: 13.0, through: 1, by: -1) { sum = 1 + sum * r / divisor }
  let half = Int(n) >> 1
  return sum * powerOfTwo(half) * powerOfTwo(Int(n) - half)
}

private func powerOfTwo(_ exponent: Int) -> Double { Double(bitPattern: UInt64(exponent + 1023) << 52) }

/// x = m 2^e as e and (m - 1) / (m + 1), with m near 1: between √½ and √2. x is finite and above 0.
func logarithmArgument(_ x: Double) -> (exponent: Double, s: Double) {
  var exponent = Double(x.exponent)
  var significand = x.significand
  if significand > 1.4142135623730951 {
    significand /= 2
    exponent += 1
  }
  return (exponent, (significand - 1) / (significand + 1))
}

/// artanh(s) / s by its series, |s| <= 3 - 2 √2: what every logarithm here is made of.
func artanhSeries(_ s: Double) -> Double {
  let square = s * s
  var sum = 0.0
  for odd in stride(from: 25.0, through: 1, by: -2) { sum = sum * square + 1 / odd }
  return sum
}

/// ln x within 4 units in the last place: e ln 2 + 2 artanh((m - 1) / (m + 1)) of x = m 2^e. ln 0 = -infinity; NaN below 0.
func naturalLogarithm(_ x: Double) -> Double {
  guard x > 0, x < .infinity else { return x == 0 ? -.infinity : x == .infinity ? x : .nan }
  let (exponent, s) = logarithmArgument(x)
  return exponent * 6.93147180369123816490e-1 + (exponent * 1.90821492927058770002e-10 + 2 * s * artanhSeries(s))
}

/// ln(1 + y) for y in 0 ... 1 within 4 units in the last place, down to y = 0.
func logarithmOfOnePlus(_ y: Double) -> Double {
  guard y < 0.414 else { return naturalLogarithm(1 + y) }
  let s = y / (2 + y)
  return 2 * s * artanhSeries(s)
}

/// ln(1 + e^x), finite for every finite x.
func softplus(_ x: Double) -> Double { max(x, 0) + logarithmOfOnePlus(exponential(-x.magnitude)) }

/// 1 / (1 + e^-x), without overflow.
func sigmoid(_ x: Double) -> Double {
  let e = exponential(-x.magnitude)
  return (x < 0 ? e : 1) / (1 + e)
}
