// Our exponential and logarithm against the C library's.

import Foundation
import Testing

@testable import AugurMetrics

@Suite("Elementary functions")
struct ElementaryTests {
  private func isClose(_ x: Double, _ expected: Double, units: Double = 2) -> Bool {
    x == expected || (x.isNaN && expected.isNaN) || abs(x - expected) <= units * expected.ulp
  }

  @Test func exponentialsAndLogarithmsAgree() {
    for index in 0..<20_000 {
      let x = Double(index) * 0.0731 - 731
      #expect(isClose(exponential(x), exp(x)), "exp \(x)")
      let y = exp(Double(index) * 0.07 - 700)
      #expect(isClose(naturalLogarithm(y), log(y), units: 4), "log \(y)")
      let z = Double(index) / 20_000
      #expect(isClose(logarithmOfOnePlus(z), log1p(z), units: 4), "log1p \(z)")
      #expect(isClose(naturalLogarithm(z + 1), log(z + 1), units: 4), "log \(z + 1)")
    }
  }

  @Test func limitsHold() {
    #expect(exponential(-.infinity) == 0 && exponential(-1000) == 0)
    #expect(exponential(.infinity) == .infinity && exponential(710) == .infinity)
    #expect(exponential(0) == 1)
    #expect(exponential(.nan).isNaN && softplus(.nan).isNaN && sigmoid(.nan).isNaN)
    #expect(naturalLogarithm(0) == -.infinity && naturalLogarithm(.infinity) == .infinity && naturalLogarithm(1) == 0)
    #expect(naturalLogarithm(-1).isNaN && naturalLogarithm(.nan).isNaN)
    #expect(isClose(naturalLogarithm(.leastNonzeroMagnitude), log(Double.leastNonzeroMagnitude)))
    #expect(softplus(-800) == 0 && softplus(800) == 800 && isClose(softplus(0), log(2)))
    #expect(sigmoid(-800) == 0 && sigmoid(800) == 1 && sigmoid(0) == 0.5)
  }
}
