// Jagged pointwise attention: SiLU instead of a softmax, and biases by distance and by time. Zhai et al. 2024, arXiv 2402.17152.
import AugurCompute
public import AugurTensors
import CKernels
import Glibc

/// One program for each width of a head, as in attention.
private func module(width K: Int, _ precision: DataType) -> KernelModule {
  KernelModule(name: "hstu", options: headOptions(width: K, precision)) { String(cString: ck_opencl_hstu()) }
}

/// Biases of the scores, the same for every head.
public struct HSTUBias {
  /// Buckets of the time between two events: bucket(d) = floor(ln(max(d, 1)) / 0.301), d in seconds.
  public static let buckets = 129

  /// `[n]`, n the normaliser of the attention: entry j - i + n - 1 for row i and key j.
  public let position: Tensor
  /// `[129]`: a value for each bucket of the seconds between row i + 1 and key j, or row i where it is the last. Nil: no times.
  public let time: Tensor?
  /// `[T]` int32, seconds from any origin; with `time`.
  public let times: Tensor?

  public init(position: Tensor, time: Tensor? = nil, times: Tensor? = nil) {
    precondition((time == nil) == (times == nil), "HSTUBias: expected a time bias and times, got one without the other")
    (self.position, self.time, self.times) = (position, time, times)
  }
}

/// The least difference in seconds of every bucket: a table, so that no two devices round a logarithm differently.
private let bucketStarts: [Int32] = (0..<HSTUBias.buckets).map { b in
  b == 0 ? 0 : Int32(min(ceil(exp(0.301 * Double(b))), Double(Int32.max)))
}

/// o = SiLU(scale q k^T + biases) / n v over the rows j <= i of each sequence, for each head: no softmax.
///
/// - Parameters:
///   - q: `[T, D]`.
///   - kv: `[T, 2 D]`: keys and values side by side.
///   - heads: H; D is a multiple of H, K = D / H is at most 256.
///   - bias: its position tensor's length is n, a constant of the model: no sequence may be longer.
///   - precision: as in `attention`.
/// - Returns: `[T, D]`. A row has the same bits in any batch.
public func hstuAttention(
  q: Tensor, kv: Tensor, _ rows: Jagged, heads H: Int, bias: HSTUBias, scale: Float = 1, precision: DataType = .float32
) -> Tensor {
  let D = q.shape.columns
  precondition(
    q.shape == [rows.rows, D] && kv.shape == [rows.rows, 2 * D],
    "hstuAttention: expected q [\(rows.rows), D] and kv [\(rows.rows), 2 D], got \(q.shape) and \(kv.shape)")
  let call = HSTUCall(q, kv, rows, heads: H, bias, scale, precision)
  let device = q.device
  let (o, tape) = makeOutput([rows.rows, D], of: q, kv, bias.position, bias.time, device: device)
  switch device {
  case .cpu:
    parallel(rows.count * H, grain: attentionGrain(rows.count * H), scratch: call.scratch) { begin, end, scratch in
      call.withArguments { ck_hstu_forward(o.pointer, $0, begin, end, 0, scratch) }
    }
  case .gpu(let queue):
    guard let tier = call.tier else { preconditionFailure("hstuAttention: no text for \(device)") }
    queue.launch(tier.module, "hstu_forward", tier.grid, [o.argument] + call.deviceArguments(tier))
  }
  if let tape, let slot = o.slot {
    tape.record(slot) { go in
      let (dq, dkv) = (Tensor(q.shape, device: device), Tensor(kv.shape, device: device))
      call.backward(dq, dkv, go, on: tape)
      q.slot?.collect(dq)
      kv.slot?.collect(dkv)
    }
  }
  return o
}

/// The output of the last rows of each sequence only, with the bits that all rows would have given them.
///
/// - Parameters:
///   - q: `[B * m, D]`: queries of the last m rows of every sequence; each has at least m rows.
///   - kv: `[T, 2 D]`: keys and values of all rows.
/// - Returns: `[B * m, D]`. Precondition: on the CPU.
public func lastHSTUAttention(
  q: Tensor, kv: Tensor, _ rows: Jagged, heads H: Int, bias: HSTUBias, scale: Float = 1, precision: DataType = .float32
) -> Tensor {
  let (D, B) = (q.shape.columns, rows.count)
  let m = B > 0 ? q.shape.rows / B : 0
  precondition(
    q.shape.rows == B * m && kv.shape == Shape(rows.rows, 2 * D) && q.device == .cpu,
    "lastHSTUAttention: expected q [\(B) m, D] and kv [\(rows.rows), 2 D] on the cpu, got \(q.shape) and \(kv.shape)")
  let call = HSTUCall(q, kv, rows, heads: H, bias, scale, precision)
  let o = Tensor(q.shape, device: .cpu)
  guard m > 0 else { return o }
  parallel(B * H, scratch: call.scratch, work: 2 * m * rows.rows * D) { task, scratch in
    call.withArguments { ck_hstu_forward(o.pointer, $0, task, task + 1, m, scratch) }
  }
  return o
}

/// The inputs of one call, checked.
private struct HSTUCall {
  /// As a device reads them.
  let q: Tensor, kv: Tensor
  /// Nil on the CPU.
  let tier: AttentionTier?
  let rows: Jagged
  let H: Int, D: Int
  let bias: HSTUBias
  let scale: Float
  let precision: DataType
  let starts: Tensor?

  init(
    _ q: Tensor, _ kv: Tensor, _ rows: Jagged, heads H: Int, _ bias: HSTUBias, _ scale: Float, _ precision: DataType
  ) {
    let D = q.shape.columns
    precondition(H > 0 && D % H == 0 && D / H <= 256, "hstuAttention: expected heads that divide \(D) into at most 256, got \(H)")
    precondition(
      rows.longest <= bias.position.count && bias.time?.count ?? HSTUBias.buckets == HSTUBias.buckets
        && bias.times?.count ?? rows.rows == rows.rows,
      "hstuAttention: expected sequences of at most \(bias.position.count) rows, \(HSTUBias.buckets) buckets and \(rows.rows) times, got "
        + "\(rows.longest), \(bias.time?.count ?? 0) and \(bias.times?.count ?? 0)")
    if case .gpu(let queue) = q.device { tier = Self.tier(queue, rows, H, width: D / H, precision) } else { tier = nil }
    (self.q, self.kv) = (tier?.factor(q) ?? q, tier?.factor(kv) ?? kv)
    (self.rows, self.H, self.D) = (rows, H, D)
    (self.bias, self.scale, self.precision) = (bias, scale, precision)
    starts = bias.time.map { Tensor(bucketStarts, shape: [HSTUBias.buckets], device: $0.device) }
  }

  private var K: Int { D / H }
  private var n: Int { bias.position.count }
  var scratch: Int { ck_hstu_scratch(K, rows.longest, n) }

  func withArguments(_ body: (UnsafePointer<ck_hstu>) -> Void) {
    var arguments = ck_hstu(
      q: q.pointer, k: kv.pointer, v: kv.pointer + D, position: bias.position.pointer,
      time: bias.time?.pointer, offsets: rows.offsets.intPointer, times: bias.times?.intPointer, starts: starts?.intPointer, H: H, K: K,
      n: n, ldq: D, ldk: 2 * D, ldv: 2 * D, ldo: D, scale: scale, bf16: precision.isBfloat16)
    body(&arguments)
  }

  private static func tier(_ queue: DeviceQueue, _ rows: Jagged, _ H: Int, width K: Int, _ precision: DataType) -> AttentionTier {
    AttentionTier(queue, rows, heads: H, width: K, precision) { width, _ in
      // Half the keys at a time and half the histograms at a width of 128: as many as 48 KiB of local memory take.
      let options = "-D WIDTH=\(width)" + (width > 64 ? " -D TILE_KEYS=16 -D HISTOGRAMS=16" : "")
      return tensorModule("hstu_sm90", queue.tuning.tensorOptions(options, registers: width > 64 ? 255 : 168)) {
        String(cString: ck_opencl_hstu_sm90())
      }
    } portable: {
      module(width: K, precision)
    }
  }

  func deviceArguments(_ tier: AttentionTier) -> [KernelArgument] {
    [
      q.argument, kv.argument, kv.argument, bias.position.argument, bias.time.argument, bias.times.argument, starts.argument,
      tier.rows, .int(rows.rows), .int(rows.count), .int(H), .int(K), .int(n), .int(D), .int(2 * D), .int(2 * D),
      .int(D), .float(scale), .int(0), .int(0), .int(D),
    ]
  }

  /// Writes dq and dkv and adds the gradients of the biases, as fixed splits of the pairs of sequence and head, or of the rows, added in order.
  func backward(_ dq: Tensor, _ dkv: Tensor, _ go: Tensor, on tape: Tape) {
    switch q.device {
    case .cpu: backwardOnCPU(dq, dkv, go)
    case .gpu(let queue): backward(on: queue, dq, dkv, go, tape)
    }
  }

  private func backwardOnCPU(_ dq: Tensor, _ dkv: Tensor, _ go: Tensor) {
    let pairs = rows.count * H
    let grain = max(1, (pairs + 63) / 64)
    let splits = (pairs + grain - 1) / grain
    let (dPosition, dTime) = (Tensor([splits, n], device: .cpu), Tensor([splits, HSTUBias.buckets], device: .cpu))
    parallel(pairs, grain: grain, scratch: scratch) { begin, end, scratch in
      let split = begin / grain
      withArguments {
        ck_hstu_backward(
          dq.pointer, dkv.pointer, dkv.pointer + D, dPosition.pointer + split * n,
          dTime.pointer + split * HSTUBias.buckets, go.pointer, $0, begin, end, scratch)
      }
    }
    guard pairs > 0 else { return }
    if let slot = bias.position.slot { sumPartials(into: slot.parameterGradient().pointer, dPosition.pointer, splits: splits, count: n) }
    if let slot = bias.time?.slot {
      sumPartials(into: slot.parameterGradient().pointer, dTime.pointer, splits: splits, count: HSTUBias.buckets)
    }
  }

  private func backward(on queue: DeviceQueue, _ dq: Tensor, _ dkv: Tensor, _ go: Tensor, _ tape: Tape) {
    guard rows.rows > 0, let tier else { return }
    let inputs = [go.argument] + deviceArguments(tier)
    if let tiles = tier.tiles {
      // Each tile and head by itself, in the order of the rows.
      let parts = tiles.shape.rows * H
      let dPosition = Tensor([parts, n], device: q.device)
      let dTime = bias.time.map { _ in Tensor([parts, HSTUBias.buckets], device: q.device) }
      // The first kernel leaves go in bfloat16 for the second.
      let stored = Tensor(go.shape, dtype: .bfloat16, device: q.device)
      queue.launch(
        tier.module, "hstu_backward_queries", tier.grid, [dq.argument, dPosition.argument, dTime.argument, stored.argument] + inputs)
      queue.launch(
        tier.module, "hstu_backward_keys", tier.grid, [dkv.argument, dkv.argument, stored.argument] + deviceArguments(tier))
      if let slot = bias.position.slot { addColumnSums(into: slot.parameterGradient(), dPosition, on: tape) }
      if let slot = bias.time?.slot, let dTime { addColumnSums(into: slot.parameterGradient(), dTime, on: tape) }
      return
    }
    let dTime = bias.time.map { _ in Tensor.zeros(Shape(rows.rows * H, HSTUBias.buckets), device: q.device) }
    queue.launch(tier.module, "hstu_backward_queries", tier.grid, [dq.argument, dTime.argument] + inputs)
    queue.launch(tier.module, "hstu_backward_keys", tier.grid, [dkv.argument, dkv.argument] + inputs)
    if let slot = bias.position.slot {
      let splits = RowSplits(rows.rows, atMost: 64)
      let partials = Tensor([splits.count, n], device: q.device)
      queue.launch(
        tier.module, "hstu_backward_positions", queue.tuning.itemGrid(splits.count * n),
        [partials.argument] + inputs + [.int(splits.chunk), .int(splits.count)])
      sumPartials(queue, into: slot.parameterGradient(), partials, on: tape)
    }
    if let slot = bias.time?.slot, let dTime { addColumnSums(into: slot.parameterGradient(), dTime, on: tape) }
  }
}
