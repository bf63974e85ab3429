// The ops at the sizes of a GPU: `bench ops --of gpu`. One list of sizes for ours and the peers', and a small one to try it on.
import ArgumentParser
import AugurCompute
import AugurModels
import AugurOps
import AugurTensors
import Foundation

/// One op at one size; its inputs are made only where it runs, because some take gigabytes.
struct OpWork {
  let op: String
  let shape: [Int]
  let dtype: DataType
  var flops = 0.0
  /// Read and written at the least.
  var bytes = 0.0
  /// Of the device, about.
  let memory: Int
  /// Makes the inputs and returns what is timed.
  let make: (Device) -> () -> Void

  var fields: [String: Any] { ["op": op, "shape": shape, "dtype": "\(dtype)", "case": name] }
  var name: String { "\(op) \(shape.map(String.init).joined(separator: "x")) \(dtype)" }
}

/// The sizes of every work; axes as in the house: B sequences, H heads, L rows, K of a head, V items, D width, n lookups.
struct OpSizes {
  var products: [[Int]], wideProducts: [[Int]], linear: [Int]
  var attention: [[Int]], jagged: [[Int]], hstu: [[Int]]
  var lookup: [Int], softmax: [[Int]], sampled: [Int], scores: [Int]

  /// Attention over 16,384 rows of 2,048 columns, as FlashAttention's authors time it; jagged of up to 512 rows, and of 8 to 24, as most histories
  /// of shops are; HSTU with 128 sequences and 4 heads, as its authors.
  static let full = OpSizes(
    products: [[4096, 4096, 4096], [8192, 8192, 8192], [131_072, 1024, 256]], wideProducts: [[4096, 4096, 4096]],
    linear: [131_072, 1024, 256], attention: [64, 128].flatMap { K in [512, 2048, 8192].map { [16_384 / $0, 2048 / K, $0, K] } },
    jagged: [[512, 4, 512, 64], [512, 4, 512, 128], [16_384, 4, 24, 64]],
    hstu: [[128, 4, 256, 64], [128, 4, 512, 64], [128, 4, 2048, 64], [128, 4, 2048, 128]], lookup: [1_000_000, 128, 1_048_576],
    softmax: [[8192, 100_000, 128], [2048, 1_000_000, 128]], sampled: [65_536, 256, 1024, 1_000_000], scores: [1024, 10_000_000, 128, 100])
  static let small = OpSizes(
    products: [[128, 128, 128], [512, 96, 64]], wideProducts: [[128, 128, 128]], linear: [512, 96, 64],
    attention: [[4, 2, 33, 64], [2, 1, 64, 128]], jagged: [[16, 2, 48, 64], [32, 2, 14, 64]], hstu: [[4, 2, 40, 64]], lookup: [1000, 16, 2000],
    softmax: [[64, 700, 32]], sampled: [128, 32, 16, 500], scores: [8, 5000, 32, 10])
}

extension BenchOps {
  enum Scale: String, CaseIterable, ExpressibleByArgument {
    case full, small
    var sizes: OpSizes { self == .full ? .full : .small }
  }

  /// Lists or times the works for GPUs; each is measured as a run of calls with one wait, so that the wait itself counts little.
  func gpuOps() throws {
    let works = scale.sizes.works.filter { $0.name.hasPrefix(only) }
    guard !works.isEmpty else { throw UserMistake("--only: no work begins with \"\(only)\"; --list names them all") }
    if list {
      for work in works { json ? printJSON(work.fields) : print(work.name) }
      return
    }
    let device = try place.open()
    for work in works {
      try checkMemory(work.memory, for: work.name, device)
      say(work, device, Timing(work.make(device), device, repeats: repeats))
      Arena.of(device).giveBackIdle()
    }
  }

  private func say(_ work: OpWork, _ device: Device, _ timing: Timing) {
    let (rate, traffic) = (work.flops / timing.median / 1e9, work.bytes / timing.median / 1e9)
    let share = PublishedPeaks(of: device).map { max(rate / $0.gflops(work.dtype), traffic / $0.gigabytes) }
    if json {
      let line: [String: Any] = [
        "milliseconds": number(timing.median * 1e3, digits: 5), "best_milliseconds": number(timing.best * 1e3, digits: 5),
        "repeats": timing.repeats, "calls": timing.calls, "gflops": number(rate, digits: 1), "gb_per_s": number(traffic, digits: 1),
        "limit_share": share.map { number($0, digits: 3) } ?? NSNull(),
      ]
      printJSON(line.merging(work.fields) { $1 }.merging(fields(of: device)) { $1 })
    } else {
      print(
        "\(work.name): \(decimal(timing.median * 1e3, places: 3)) ms, best \(decimal(timing.best * 1e3, places: 3)), "
          + "\(decimal(rate / 1e3, places: 1)) TFLOP/s, \(decimal(traffic, places: 0)) GB/s"
          + (share.map { ", \(decimal($0 * 100, places: 0)) % of the published peak" } ?? ""))
      fflush(nil)
    }
  }
}

/// Wall-clock around runs of calls, each run ended by waiting for the device; after two calls that build the kernels and warm up.
struct Timing {
  let median: Double, best: Double
  let repeats: Int, calls: Int

  /// `repeats` runs of about 5 ms; at least 3 where they would take longer than 10 s together.
  init(_ body: () -> Void, _ device: Device, repeats: Int) {
    let clock = ContinuousClock()
    func seconds(_ calls: Int) -> Double {
      clock.measure {
        for _ in 0..<calls { body() }
        device.finish()
      } / .seconds(1)
    }
    _ = seconds(1)
    let single = seconds(1)
    let calls = max(1, min(50, Int(0.005 / max(single, 1e-6))))
    var runs: [Double] = []
    while runs.count < repeats, runs.count < 3 || runs.reduce(0, +) < 10 / Double(calls) { runs.append(seconds(calls) / Double(calls)) }
    runs.sort()
    (median, best, self.repeats, self.calls) = (runs[runs.count / 2], runs[0], runs.count, calls)
  }
}

extension OpSizes {
  var works: [OpWork] {
    products.map { product($0, .bfloat16) } + wideProducts.map { product($0, .float32) } + [linearWork(linear)]
      + attention.flatMap { attentionWorks("attention", $0) { B, L in (0...B).map { Int32($0 * L) } } }
      + jagged.flatMap { attentionWorks("jagged attention", $0, skewedOffsets) }
      + hstu.flatMap(hstuWorks) + lookupWorks(lookup) + softmax.map(softmaxWork) + [sampledWork(sampled), scoresWork(scores)]
  }

  private func product(_ s: [Int], _ dtype: DataType) -> OpWork {
    let (M, N, K) = (s[0], s[1], s[2])
    let elements = M * K + N * K + M * N
    return OpWork(
      op: "gemm", shape: s, dtype: dtype, flops: 2 * Double(M * N) * Double(K), bytes: Double(dtype.bytes * elements), memory: 8 * elements
    ) { device in
      let (x, w) = (converted(random([M, K], device), to: dtype), converted(random([N, K], device), to: dtype))
      return { _ = AugurOps.linear(x, w, transposed: true) }
    }
  }

  /// What a layer of a model does: float32 in and out, factors rounded.
  private func linearWork(_ s: [Int]) -> OpWork {
    let (M, N, K) = (s[0], s[1], s[2])
    let elements = M * K + N * K + M * N
    return OpWork(
      op: "linear", shape: s, dtype: .bfloat16, flops: 2 * Double(M * N) * Double(K), bytes: Double(4 * elements), memory: 4 * elements
    ) { device in
      let (x, w, b) = (random([M, K], device), random([K, N], device), random([N], device))
      return { _ = AugurOps.linear(x, w, bias: b, precision: .bfloat16) }
    }
  }

  /// Lengths from 8 to L, few of them long: the same integers in peers.py.
  private func skewedOffsets(_ B: Int, _ L: Int) -> [Int32] {
    var offsets: [Int32] = [0]
    for b in 0..<B {
      let place = b * 7919 % B
      offsets.append(offsets[b] + Int32(8 + (L - 8) * place * place * place / max(1, (B - 1) * (B - 1) * (B - 1))))
    }
    return offsets
  }

  /// As a linear map leaves it for attention, which PyTorch is given in bfloat16 too.
  private func stored(_ x: Tensor) -> Tensor {
    guard case .gpu(let queue) = x.device, queue.tuning.tensorCores != .none else { return x }
    return converted(x, to: .bfloat16)
  }

  private func attentionWorks(_ op: String, _ s: [Int], _ makeOffsets: (Int, Int) -> [Int32]) -> [OpWork] {
    let (H, K, offsets) = (s[1], s[3], makeOffsets(s[0], s[2]))
    let (T, D) = (Int(offsets.last ?? 0), H * K)
    let flops = zip(offsets, offsets.dropFirst()).reduce(0) { $0 + 2 * Double($1.1 - $1.0) * Double($1.1 - $1.0) * Double(D) }
    let made = { (device: Device) in (Jagged(offsets: offsets, device: device), stored(random([T, 3 * D], device)), random([T, D], device)) }
    return [
      OpWork(op: "\(op) forward", shape: s, dtype: .bfloat16, flops: flops, memory: 24 * T * D) { device in
        let (rows, qkv, _) = made(device)
        return { _ = AugurOps.attention(qkv: qkv, rows, heads: H, precision: .bfloat16) }
      },
      OpWork(op: "\(op) forward+backward", shape: s, dtype: .bfloat16, flops: 3.5 * flops, memory: 48 * T * D) { device in
        let (rows, qkv, gradient) = made(device)
        return {
          let tape = Tape()
          tape.backward(
            from: AugurOps.attention(qkv: qkv.watched(by: tape), rows, heads: H, precision: .bfloat16), gradient: gradient)
        }
      },
    ]
  }

  private func hstuWorks(_ s: [Int]) -> [OpWork] {
    let (B, H, L, K) = (s[0], s[1], s[2], s[3])
    let (T, D) = (B * L, H * K)
    let flops = 2 * Double(T * L) * Double(D)
    func made(_ device: Device) -> (Jagged, q: Tensor, kv: Tensor) {
      (
        Jagged(offsets: (0...B).map { Int32($0 * L) }, device: device), stored(random([T, D], device)), stored(random([T, 2 * D], device)))
    }
    func pass(_ rows: Jagged, _ q: Tensor, _ kv: Tensor, _ bias: Tensor) -> Tensor {
      hstuAttention(q: q, kv: kv, rows, heads: H, bias: HSTUBias(position: bias), precision: .bfloat16)
    }
    return [
      OpWork(op: "hstu forward", shape: s, dtype: .bfloat16, flops: flops, memory: 24 * T * D) { device in
        let ((rows, q, kv), bias) = (made(device), random([L], device))
        return { _ = pass(rows, q, kv, bias) }
      },
      OpWork(op: "hstu forward+backward", shape: s, dtype: .bfloat16, flops: 3.5 * flops, memory: 48 * T * D) { device in
        let ((rows, q, kv), gradient) = (made(device), random([T, D], device))
        let bias = random([L], device).asParameter()
        return {
          let tape = Tape()
          tape.backward(from: pass(rows, q.watched(by: tape), kv.watched(by: tape), bias), gradient: gradient)
        }
      },
    ]
  }
}
