// Losses against sampled negatives: BCE (Kang and McAuley 2018), gBCE (Petrov and Macdonald 2023), sampled softmax with logQ.
import AugurCompute
public import AugurTensors
import CKernels

private let module = KernelModule(name: "sampled_loss") { String(cString: ck_opencl_sampled_loss()) }

/// What a sampled loss computes from the score s+ of the target and the scores s_k of N negatives.
public enum SampledObjective: Sendable, Equatable {
  /// (beta sp(-s+) + sum_k sp(s_k)) / (N + 1): gBCE in closed form; beta = 1 is BCE with the mean over target and negatives.
  case gbce(beta: Float)
  /// sp(-s+) + sum_k sp(s_k).
  case bce
  /// log(e^{s+} + sum_k e^{s_k}) - s+.
  case softmax
}

/// Negatives of a batch and which rows use them.
public struct Negatives: Sendable {
  public enum Sharing: Sendable, Equatable {
    /// One list of N for the whole batch.
    case batch
    /// N of its own for each sequence.
    case sequence(Jagged)
    /// N of its own for each row.
    case row

    public static func == (a: Sharing, b: Sharing) -> Bool {
      switch (a, b) {
      case (.batch, .batch), (.row, .row), (.sequence, .sequence): true
      default: false
      }
    }
  }
  public let lookup: Lookup
  public let sharing: Sharing
  /// N.
  public let count: Int

  /// `lookup` holds N ids for each list, list after list. Precondition: `lookup.count` is a multiple of `count`.
  public init(_ lookup: Lookup, count: Int, sharing: Sharing) {
    precondition(count > 0 && lookup.count % count == 0, "negatives: expected a multiple of \(count) ids, got \(lookup.count)")
    (self.lookup, self.count, self.sharing) = (lookup, count, sharing)
  }
}

/// The mean over T rows of a loss on dot products with rows of `table`. A negative equal to its row's target is left out.
///
/// - Parameters:
///   - h: `[T, D]`, the state that scores the catalogue.
///   - table: `[V, D]`.
///   - targets: T ids.
///   - logQ: `[V]`: log of the sampler's probability, subtracted from every score.
///   - precision: of the factors of the products with negatives that the whole batch shares, and of their gradients, as in `linear`. All
///     else is float32.
/// - Returns: `[1]`.
public func sampledLoss(
  _ h: Tensor, _ table: Tensor, targets: Lookup, negatives: Negatives, _ objective: SampledObjective, logQ: Tensor? = nil,
  precision: DataType = .float32
) -> Tensor {
  let T = h.shape.rows
  precondition(targets.count == T && T > 0, "sampledLoss: expected \(T) > 0 targets, got \(targets.count)")
  let (total, tape) = makeOutput([1], of: h, table, device: h.device)
  let work = SampledWork(h, table, targets, negatives, objective, logQ, precision)
  switch h.device {
  case .cpu where work.isRounded: work.runRoundedOnCPU()
  case .cpu: work.runOnCPU()
  case .gpu(let queue): work.run(on: queue)
  }
  setTotal(total, work.losses, weight: work.weight)
  if let tape, let slot = total.slot {
    tape.record(slot) { _ in
      h.slot?.collect(work.dh)
      if let slot = table.slot { work.addItems(into: slot) }
    }
  }
  return total
}

/// A sampled loss and its gradients, which one visit makes together.
private struct SampledWork {
  let h: Tensor, table: Tensor
  let targets: Lookup, negatives: Negatives
  let logQ: Tensor?
  let kind: Int32, beta: Float, mean: Int32, weight: Float
  let precision: DataType
  /// `[T]`; by target `[T]`; by negative `[T, N]`; by state `[T, D]`; by vector of a list `[lists N, D]`, where rows share it.
  let losses: Tensor, cp: Tensor, cn: Tensor, dh: Tensor, dn: Tensor?

  init(
    _ h: Tensor, _ table: Tensor, _ targets: Lookup, _ negatives: Negatives, _ objective: SampledObjective, _ logQ: Tensor?,
    _ precision: DataType
  ) {
    let (T, D, device) = (h.shape.rows, h.shape.columns, h.device)
    (self.h, self.table, self.targets, self.negatives, self.logQ, self.precision) = (h, table, targets, negatives, logQ, precision)
    weight = 1 / Float(T)
    (kind, beta, mean) =
      switch objective {
      case .gbce(let beta): (Int32(CK_BCE), beta, 1)
      case .bce: (Int32(CK_BCE), 1, 0)
      case .softmax: (Int32(CK_SOFTMAX), 1, 0)
      }
    (losses, cp, cn) = (Tensor([T], device: device), Tensor([T], device: device), Tensor([T, negatives.count], device: device))
    (dh, dn) = (
      Tensor(h.shape, device: device), negatives.sharing == .row ? nil : Tensor([negatives.lookup.count, D], device: device)
    )
  }

  private var T: Int { h.shape.rows }
  private var D: Int { h.shape.columns }
  private var N: Int { negatives.count }
  private var isSharedByBatch: Bool { negatives.sharing == .batch }
  var isRounded: Bool { precision == .bfloat16 && isSharedByBatch }

  func runOnCPU() {
    let groups = rowGroups
    let scratch = ck_sampled_loss_scratch(N, D, groups.longest)
    let grain = negatives.sharing == .row ? rowGrain : 1
    parallel((groups.count + grain - 1) / grain, scratch: scratch) { task, scratch in
      ck_sampled_loss(
        losses.pointer, cp.pointer, cn.pointer, dh.pointer, isSharedByBatch ? nil : dn?.pointer, h.pointer, table.pointer,
        targets.ids.intPointer, negatives.lookup.ids.intPointer, groups.offsets.intPointer, logQ?.pointer, task * grain,
        min(groups.count, (task + 1) * grain), N, D, isSharedByBatch ? 0 : N, kind, beta, mean, weight, scratch)
    }
  }

  /// One list for all rows, its products by `Panels`.
  func runRoundedOnCPU() {
    let vectors = selectedRows(table, negatives.lookup)
    let scores = Panels(vectors.pointer, D, N, transposed: true, precision)
    let back = Panels(vectors.pointer, N, D, transposed: false, precision)
    let scratch = max(N, scores.scratch(rowGrain), back.scratch(rowGrain))
    parallel(T, grain: rowGrain, scratch: scratch) { begin, end, scratch in
      scores.multiply(cn.pointer, h.pointer, begin, end, scratch: scratch)
      ck_sampled_loss_shared(
        losses.pointer, cp.pointer, cn.pointer, dh.pointer, h.pointer, table.pointer, targets.ids.intPointer,
        negatives.lookup.ids.intPointer, logQ?.pointer, begin, end, N, D, kind, beta, mean, weight, scratch)
      back.multiply(dh.pointer, cn.pointer, begin, end, accumulate: true, scratch: scratch)
    }
  }

  func run(on queue: DeviceQueue) {
    let list = isSharedByBatch ? Jagged(offsets: [0, Int32(T)], device: h.device) : rowGroups
    let gathered = dn.map { _ in selectedRows(table, negatives.lookup) }
    if let gathered { multiply(queue, cn, h, gathered, list, inner: D, columns: N, transposed: true, residual: nil) }
    queue.launch(
      module, negatives.sharing == .row ? "sampled_loss_rows" : "sampled_loss", queue.tuning.rowGrid(T), losses.argument, cp.argument,
      cn.argument, dh.argument, h.argument, table.argument, targets.ids.argument, negatives.lookup.ids.argument, list.offsets.argument,
      logQ.argument, .int(T), .int(list.count), .int(N), .int(D), .int(Int(kind)), .float(beta), .int(Int(mean)), .float(weight))
    if let gathered, let dn {
      multiply(queue, dh, cn, gathered, list, inner: N, columns: D, transposed: false, residual: dh)
      if !isSharedByBatch { groupProducts(queue, dn, cn, h, list) }
    }
  }

  private func multiply(
    _ queue: DeviceQueue, _ y: Tensor, _ x: Tensor, _ w: Tensor, _ groups: Jagged, inner: Int, columns: Int, transposed: Bool,
    residual: Tensor?
  ) {
    if isSharedByBatch { return multiplyRows(queue, y, x, w, firstRow: 0, transposed: transposed, residual: residual, precision) }
    multiplyGroups(queue, y, x, w, groups, inner: inner, columns: columns, transposed: transposed, residual: residual)
  }

  /// Adds to the gradient of the table.
  func addItems(into slot: GradientSlot) {
    addRows(into: slot, h, targets, coefficients: cp)
    guard let dn else { return addRows(into: slot, h, negatives.lookup, coefficients: cn, divisor: N) }
    if isSharedByBatch {
      dn.fillWithZeros()
      addProduct(into: dn, cn, h, precision)
    }
    addRows(into: slot, dn, negatives.lookup)
  }

  /// Rows that share a list of negatives; a list of the whole batch is worked on in pieces of `rowGrain` rows.
  private var rowGroups: Jagged {
    switch negatives.sharing {
    case .sequence(let rows): rows
    case .batch: Jagged(offsets: stride(from: 0, to: T, by: rowGrain).map(Int32.init) + [Int32(T)], device: h.device)
    case .row: Jagged(offsets: (0...T).map(Int32.init), device: h.device)
    }
  }
}
