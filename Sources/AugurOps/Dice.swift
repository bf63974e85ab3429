// Dice: a leaky slope that bends where the data lie. Zhou et al. 2018, arXiv 1706.06978, equation 3.
import AugurCompute
public import AugurTensors
import CKernels

private let module = KernelModule(name: "dice") { String(cString: ck_opencl_dice()) }

/// y = p x + alpha (1 - p) x, p = sigmoid((x - mean) * rstd) by column. In training, `statistics` are those of x itself and the gradient
/// passes through them; at inference they are constants.
///
/// - Parameters:
///   - x: `[B, D]`.
///   - alpha: `[D]`.
///   - isOwn: whether the statistics are those of x.
public func dice(_ x: Tensor, alpha: Tensor, _ statistics: ColumnStatistics, isOwn: Bool) -> Tensor {
  let (B, D) = (x.shape.rows, x.shape.columns)
  let (mean, rstd) = (statistics.mean, statistics.rstd)
  precondition(
    alpha.count == D && mean.count == D && rstd.count == D,
    "dice: expected alpha and statistics [\(D)], got \(alpha.shape), \(mean.shape), \(rstd.shape)")
  let (y, tape) = makeOutput(x.shape, of: x, alpha, device: x.device)
  switch x.device {
  case .cpu:
    parallel(B, grain: rowGrain) {
      ck_dice_forward(y.pointer, x.pointer, alpha.pointer, mean.pointer, rstd.pointer, $0, $1, D)
    }
  case .gpu(let queue):
    queue.launch(
      module, "dice_forward", queue.tuning.rowGrid(B), y.argument, x.argument, alpha.argument, mean.argument, rstd.argument, .int(B), .int(D))
  }
  if let tape, let slot = y.slot {
    tape.record(slot) { dy in
      let (dalpha, dg, db) = columnSums(dy, x, alpha, statistics)
      let dx = Tensor(x.shape, device: x.device)
      let share: Float = isOwn && B > 0 ? 1 / Float(B) : 0
      switch x.device {
      case .cpu:
        parallel(B, grain: rowGrain) {
          ck_dice_backward(
            dx.pointer, dy.pointer, x.pointer, alpha.pointer, mean.pointer, rstd.pointer, dg.pointer, db.pointer, $0, $1, D, share)
        }
      case .gpu(let queue):
        queue.launch(
          module, "dice_backward", queue.tuning.rowGrid(B), dx.argument, dy.argument, x.argument, alpha.argument, mean.argument,
          rstd.argument, dg.argument, db.argument, .int(B), .int(D), .float(share))
      }
      alpha.slot?.collect(dalpha)
      x.slot?.collect(dx)
    }
  }
  return y
}

/// Of alpha, and of the statistics: the sums of u n and of u, `[D]` each.
private func columnSums(_ dy: Tensor, _ x: Tensor, _ alpha: Tensor, _ s: ColumnStatistics) -> (dalpha: Tensor, dg: Tensor, db: Tensor) {
  let (D, splits, device) = (x.shape.columns, RowSplits(x.shape.rows, on: x.device), x.device)
  let sums = (0..<3).map { _ in Tensor.zeros([D], device: device) }
  let parts = (0..<3).map { _ in Tensor([splits.count, D], device: device) }
  switch device {
  case .cpu:
    parallel(splits.count) { split in
      let (begin, end) = splits.range(split)
      ck_dice_sums(
        parts[0].pointer + split * D, parts[1].pointer + split * D, parts[2].pointer + split * D, dy.pointer, x.pointer, alpha.pointer,
        s.mean.pointer, s.rstd.pointer, begin, end, D)
    }
    for (sum, part) in zip(sums, parts) { sumPartials(into: sum.pointer, part.pointer, splits: splits.count, count: D) }
  case .gpu(let queue):
    queue.launch(
      module, "dice_sums", queue.tuning.columnGrid(D, chunks: splits.count), parts[0].argument, parts[1].argument, parts[2].argument,
      dy.argument, x.argument, alpha.argument, s.mean.argument, s.rstd.argument, .int(x.shape.rows), .int(D), .int(splits.chunk))
    for (sum, part) in zip(sums, parts) { sumPartials(queue, into: sum, part) }
  }
  return (sums[0], sums[1], sums[2])
}
