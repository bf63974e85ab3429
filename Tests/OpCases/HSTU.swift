import AugurOps
import AugurTensors
import Glibc

/// Times that rise by a second up to years, as Int32.
public func fixedTimes(_ count: Int) -> [Int32] {
  var time: Int32 = 0
  return (0..<count).map { i in
    time += Int32(exp(4.5 * (fixedValue(i, 41) + 1)))
    return time
  }
}

/// floor(ln(max(d, 1)) / 0.301), as published.
private func bucket(_ later: Int32, _ time: Int32) -> Int {
  min(128, Int((log(max(abs(Double(later) - Double(time)), 1)) / 0.301).rounded(.down)))
}

/// SiLU(q . k + position + time) / n v over earlier rows of the same sequence.
func referenceHSTU(
  _ q: [Double], _ kv: [Double], _ offsets: [Int], _ H: Int, _ K: Int, n: Int, position: [Double], time: [Double]?, times: [Int32]
) -> [Double] {
  let D = H * K
  var o = [Double](repeating: 0, count: (offsets.last ?? 0) * D)
  for (begin, end) in zip(offsets, offsets.dropFirst()) {
    for i in begin..<end {
      for h in 0..<H {
        for j in begin...i {
          var x = position[j - i + n - 1]
          if let time { x += time[bucket(times[min(i + 1, end - 1)], times[j])] }
          for c in h * K..<(h + 1) * K { x += q[i * D + c] * kv[j * 2 * D + c] }
          let p = referenceActivation(x, .silu) / Double(n)
          for c in h * K..<(h + 1) * K { o[i * D + c] += p * kv[j * 2 * D + D + c] }
        }
      }
    }
  }
  return o
}

private let sizes: [([Int], Int, Int, Int)] = [
  ([0, 1], 1, 1, 1), ([0, 0, 3, 3, 10], 2, 5, 7), ([0, 65, 66, 130], 1, 32, 70), ([0, 64, 127], 2, 8, 64), ([0], 1, 4, 3),
  ([0, 200], 1, 50, 200), ([0, 33, 300], 2, 24, 300), ([0, 20, 45], 1, 200, 30), ([0, 40, 101], 1, 100, 101),
]

let hstuCases = sizes.flatMap { offsets, H, K, n in
  [DataType.float32, .bfloat16].flatMap { precision in [false, true].map { cases(offsets, H, K, n, precision, hasTimes: $0) } }
}

private func cases(_ offsets: [Int], _ H: Int, _ K: Int, _ n: Int, _ precision: DataType, hasTimes: Bool) -> OpCase {
  let T = offsets.last ?? 0
  let times = fixedTimes(T)
  let isRounded = precision == .bfloat16
  return OpCase(
    "HSTU", "\(offsets) H\(H) K\(K) n\(n) \(precision)\(hasTimes ? " times" : "")",
    [.init([T, H * K], scale: 1.5), .init([T, 2 * H * K], scale: 1.5), .init([n], .parameter)]
      + (hasTimes ? [.init([HSTUBias.buckets], .parameter)] : []),
    tolerance: isRounded ? 1e-2 : 5e-5, gradientTolerance: isRounded ? 2e-2 : 2e-3
  ) { x, _ in
    let bias = HSTUBias(
      position: x[2], time: hasTimes ? x[3] : nil, times: hasTimes ? Tensor(times, shape: [T], device: x[0].device) : nil)
    return hstuAttention(
      q: x[0], kv: x[1], Jagged(offsets: offsets.map(Int32.init), device: x[0].device), heads: H, bias: bias, precision: precision)
  } reference: { x in
    referenceHSTU(x[0], x[1], offsets, H, K, n: n, position: x[2], time: hasTimes ? x[3] : nil, times: times)
  }
}
