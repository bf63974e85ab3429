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
/// - Returns: `[1]`.
public func sampledLoss(
  _ h: Tensor, _ table: Tensor, targets: Lookup, negatives: Negatives, _ objective: SampledObjective, logQ: Tensor? = nil
) -> Tensor {
  let (T, D, N) = (h.shape.rows, h.shape.columns, negatives.count)
  precondition(targets.count == T && T > 0, "sampledLoss: expected \(T) > 0 targets, got \(targets.count)")
  let device = h.device
  let (kind, beta, mean) =
    switch objective {
    case .gbce(let beta): (Int32(CK_BCE), beta, Int32(1))
    case .bce: (Int32(CK_BCE), Float(1), Int32(0))
    case .softmax: (Int32(CK_SOFTMAX), Float(1), Int32(0))
    }
  let groups = rowGroups(negatives.sharing, rows: T, device: device)
  let isSharedByBatch = negatives.sharing == .batch
  let weight = 1 / Float(T)
  let (total, tape) = makeOutput([1], of: h, table, device: device)
  let losses = Tensor([T], device: device)
  let (cp, cn) = (Tensor([T], device: device), Tensor([T, N], device: device))
  let dh = Tensor(h.shape, device: device)
  let dn: Tensor? = negatives.sharing == .row ? nil : Tensor([negatives.lookup.count, D], device: device)
  switch device {
  case .cpu:
    let scratch = ck_sampled_loss_scratch(N, D, groups.longest)
    let grain = negatives.sharing == .row ? rowGrain : 1
    parallel((groups.count + grain - 1) / grain, scratch: scratch) { task, scratch in
      ck_sampled_loss(
        losses.pointer, cp.pointer, cn.pointer, dh.pointer, isSharedByBatch ? nil : dn?.pointer, h.pointer, table.pointer,
        targets.ids.intPointer, negatives.lookup.ids.intPointer, groups.offsets.intPointer, logQ?.pointer, task * grain,
        min(groups.count, (task + 1) * grain), N, D, isSharedByBatch ? 0 : N, kind, beta, mean, weight, scratch)
    }
  case .gpu(let queue):
    let entry = negatives.sharing == .row ? "sampled_loss_rows" : "sampled_loss"
    let list = isSharedByBatch ? Jagged(offsets: [0, Int32(T)], device: device) : groups
    let gathered = dn.map { _ in Tensor([negatives.lookup.count, D], device: device) }
    if let gathered {
      gatherRows(queue, gathered, table, negatives.lookup)
      multiplyGroups(queue, cn, h, gathered, list, inner: D, columns: N, transposed: true, residual: nil)
    }
    queue.launch(
      module, entry, queue.tuning.rowGrid(T), losses.argument, cp.argument, cn.argument, dh.argument, h.argument, table.argument,
      targets.ids.argument, negatives.lookup.ids.argument, list.offsets.argument, logQ.argument, .int(T), .int(list.count), .int(N),
      .int(D), .int(Int(kind)), .float(beta), .int(Int(mean)), .float(weight))
    if let gathered, let dn {
      multiplyGroups(queue, dh, cn, gathered, list, inner: N, columns: D, transposed: false, residual: dh)
      if !isSharedByBatch { groupProducts(queue, dn, cn, h, list) }
    }
  }
  setTotal(total, losses, weight: weight)
  if let tape, let slot = total.slot {
    tape.record(slot) { _ in
      h.slot?.collect(dh)
      guard let slot = table.slot else { return }
      addRows(into: slot, h, targets, coefficients: cp)
      if let dn {
        if isSharedByBatch {
          dn.fillWithZeros()
          addProduct(into: dn, cn, h)
        }
        addRows(into: slot, dn, negatives.lookup)
      } else {
        addRows(into: slot, h, negatives.lookup, coefficients: cn, divisor: N)
      }
    }
  }
  return total
}

/// Rows that share a list of negatives; a list of the whole batch is worked on in pieces of `rowGrain` rows.
private func rowGroups(_ sharing: Negatives.Sharing, rows T: Int, device: Device) -> Jagged {
  switch sharing {
  case .sequence(let rows): rows
  case .batch: Jagged(offsets: stride(from: 0, to: T, by: rowGrain).map(Int32.init) + [Int32(T)], device: device)
  case .row: Jagged(offsets: (0...T).map(Int32.init), device: device)
  }
}
