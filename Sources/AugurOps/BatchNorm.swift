// Batch norm (Ioffe and Szegedy 2015): columns normalised over the rows of a batch.
import AugurCompute
public import AugurTensors
import CKernels

private let module = KernelModule(name: "batch_norm") { String(cString: ck_opencl_batch_norm()) }

/// Mean and variance of every column, `[D]` each.
public struct ColumnStatistics: Sendable {
  public let mean: Tensor
  /// Biased.
  public let variance: Tensor
  /// 1 / sqrt(variance + epsilon)
  let rstd: Tensor

  /// Of the rows of `x` `[B, D]`, B > 0, with sums in an order that B alone fixes.
  public init(_ x: Tensor, epsilon: Float) {
    let B = x.shape.rows
    precondition(B > 0, "columnStatistics: expected at least a row, got \(x.shape)")
    let mean = Tensor.zeros([x.shape.columns], device: x.device)
    addColumnSums(into: mean, x, weight: 1 / Float(B))
    let variance = columnSquares(x, from: mean)
    combine(variance, times: 1 / Float(B), variance, times: 0)
    self.init(mean: mean, variance: variance, epsilon: epsilon)
  }

  /// Statistics that were kept.
  public init(mean: Tensor, variance: Tensor, epsilon: Float) {
    (self.mean, self.variance) = (mean, variance)
    rstd = Tensor(variance.shape, device: variance.device)
    switch variance.device {
    case .cpu: for d in 0..<variance.count { rstd.pointer[d] = 1 / (variance.pointer[d] + epsilon).squareRoot() }
    case .gpu(let queue):
      queue.launch(
        module, "inverse_deviation", queue.tuning.elementGrid(variance.count), rstd.argument, variance.argument, .float(epsilon),
        .int(variance.count))
    }
  }
}

/// y = gain * (x - mean) * rstd + bias. In training, `statistics` are those of x itself and the gradient passes through them;
/// at inference they are constants.
///
/// - Parameters:
///   - x: `[B, D]`.
///   - gain, bias: `[D]`.
///   - isOwn: whether the statistics are those of x.
public func batchNorm(_ x: Tensor, gain: Tensor, bias: Tensor, _ statistics: ColumnStatistics, isOwn: Bool) -> Tensor {
  let (B, D) = (x.shape.rows, x.shape.columns)
  let (mean, rstd) = (statistics.mean, statistics.rstd)
  precondition(
    gain.count == D && bias.count == D && mean.count == D && rstd.count == D,
    "batchNorm: expected gain, bias and statistics [\(D)], got \(gain.shape), \(bias.shape), \(mean.shape), \(rstd.shape)")
  let (y, tape) = makeOutput(x.shape, of: x, gain, bias, device: x.device)
  switch x.device {
  case .cpu:
    parallel(B, grain: rowGrain) {
      ck_batch_norm_forward(y.pointer, x.pointer, gain.pointer, bias.pointer, mean.pointer, rstd.pointer, $0, $1, D)
    }
  case .gpu(let queue):
    queue.launch(
      module, "batch_norm_forward", queue.tuning.rowGrid(B), y.argument, x.argument, gain.argument, bias.argument, mean.argument,
      rstd.argument, .int(B), .int(D))
  }
  if let tape, let slot = y.slot {
    tape.record(slot) { dy in
      let (dg, db) = parameterSums(dy, x, statistics)
      let dx = Tensor(x.shape, device: x.device)
      let share: Float = isOwn && B > 0 ? 1 / Float(B) : 0
      switch x.device {
      case .cpu:
        parallel(B, grain: rowGrain) {
          ck_batch_norm_backward(
            dx.pointer, dy.pointer, x.pointer, gain.pointer, mean.pointer, rstd.pointer, dg.pointer, db.pointer, $0, $1, D, share)
        }
      case .gpu(let queue):
        queue.launch(
          module, "batch_norm_backward", queue.tuning.rowGrid(B), dx.argument, dy.argument, x.argument, gain.argument, mean.argument,
          rstd.argument, dg.argument, db.argument, .int(B), .int(D), .float(share))
      }
      gain.slot?.collect(dg)
      bias.slot?.collect(db)
      x.slot?.collect(dx)
    }
  }
  return y
}

/// `[D]`: the sums of the squared distances of the columns of x from their means.
private func columnSquares(_ x: Tensor, from mean: Tensor) -> Tensor {
  let (D, splits) = (x.shape.columns, RowSplits(x.shape.rows, on: x.device))
  let sums = Tensor.zeros([D], device: x.device)
  let partials = Tensor([splits.count, D], device: x.device)
  switch x.device {
  case .cpu:
    parallel(splits.count) { split in
      let (begin, end) = splits.range(split)
      ck_column_squares(partials.pointer + split * D, x.pointer, mean.pointer, begin, end, D)
    }
    sumPartials(into: sums.pointer, partials.pointer, splits: splits.count, count: D)
  case .gpu(let queue):
    queue.launch(
      module, "column_squares", queue.tuning.columnGrid(D, chunks: splits.count), partials.argument, x.argument, mean.argument,
      .int(x.shape.rows), .int(D), .int(splits.chunk))
    sumPartials(queue, into: sums, partials)
  }
  return sums
}

/// dg = sum of dy n and db = sum of dy over the rows, `[D]` each.
private func parameterSums(_ dy: Tensor, _ x: Tensor, _ statistics: ColumnStatistics) -> (dg: Tensor, db: Tensor) {
  let (D, splits) = (x.shape.columns, RowSplits(x.shape.rows, on: x.device))
  let (dg, db) = (Tensor.zeros([D], device: x.device), Tensor.zeros([D], device: x.device))
  let (gains, biases) = (Tensor([splits.count, D], device: x.device), Tensor([splits.count, D], device: x.device))
  switch x.device {
  case .cpu:
    parallel(splits.count) { split in
      let (begin, end) = splits.range(split)
      ck_batch_norm_sums(
        gains.pointer + split * D, biases.pointer + split * D, dy.pointer, x.pointer, statistics.mean.pointer,
        statistics.rstd.pointer, begin, end, D)
    }
    sumPartials(into: dg.pointer, gains.pointer, splits: splits.count, count: D)
    sumPartials(into: db.pointer, biases.pointer, splits: splits.count, count: D)
  case .gpu(let queue):
    queue.launch(
      module, "batch_norm_sums", queue.tuning.columnGrid(D, chunks: splits.count), gains.argument, biases.argument, dy.argument,
      x.argument, statistics.mean.argument, statistics.rstd.argument, .int(x.shape.rows), .int(D), .int(splits.chunk))
    sumPartials(queue, into: dg, gains)
    sumPartials(queue, into: db, biases)
  }
  return (dg, db)
}
