import AugurOps
import AugurTensors

/// `value(start, t)` for every row t of the sequence that begins at row `start`.
private func byRow(_ offsets: [Int], _ value: (Int, Int) -> [Double]) -> [Double] {
  zip(offsets, offsets.dropFirst()).flatMap { begin, end in (begin..<end).flatMap { value(begin, $0) } }
}

private let sizes: [([Int], Int, Int)] = [([0, 1], 1, 1), ([0, 0, 3, 3, 10], 5, 4), ([0, 130, 133, 300], 3, 17), ([0], 4, 2)]

let convolutionCases = sizes.flatMap { offsets, D, N in cases(offsets, D, N) }

private func cases(_ offsets: [Int], _ D: Int, _ N: Int) -> [OpCase] {
  let (T, M) = (offsets.last ?? 0, 3)
  let places = { @Sendable (device: Device) in RowPlaces(Jagged(offsets: offsets.map(Int32.init), device: device)) }
  return [
    OpCase("Convolution", "windows \(offsets) D\(D) N\(N)", [.init([T, D])]) { x, _ in
      historyWindows(x[0], places(x[0].device), length: N)
    } reference: { x in
      byRow(offsets) { start, t in
        (t - N + 1...t).flatMap { r in (0..<D).map { r < start ? 0 : x[0][r * D + $0] } }
      }
    },
    OpCase("Convolution", "sums \(offsets) D\(D) N\(N)", [.init([T, D]), .init([M, N], .parameter)]) { x, _ in
      windowSums(x[0], places(x[0].device), weights: x[1])
    } reference: { x in
      byRow(offsets) { start, t in
        (0..<M * D).map { at in
          (0..<N).reduce(0.0) { sum, n in
            let r = t - N + 1 + n
            return r < start ? sum : sum + x[1][at / D * N + n] * x[0][r * D + at % D]
          }
        }
      }
    },
    OpCase("Convolution", "maximum \(offsets) D\(D) N\(N)", [.init([T, D])]) { x, _ in
      windowMaximum(x[0], places(x[0].device), length: N)
    } reference: { x in
      byRow(offsets) { start, t in (0..<D).map { d in (max(start, t - N + 1)...t).map { x[0][$0 * D + d] }.max() ?? 0 } }
    },
  ]
}
