// Long sums over rows, cut into splits that are added in order: on a GPU those of all parameters together, at the end of a backward pass.
import AugurCompute
import AugurTensors
import CKernels

/// How a sum over T rows is cut: fixed by T, and on a GPU by the size of the sums, so that no bit depends on the thread count.
struct RowSplits {
  let rows: Int
  let chunk: Int
  var count: Int { max(1, (rows + chunk - 1) / chunk) }

  init(_ rows: Int, atLeast: Int = 256, atMost splits: Int = 8) {
    self.rows = rows
    let even = (rows + splits - 1) / splits
    chunk = max(atLeast, (even + 31) / 32 * 32)
  }

  /// Where a split makes `groups` work-groups of a GPU: as many splits as keep all of it at work.
  init(_ rows: Int, groups: Int = 1, atLeast: Int = 64, on device: Device) {
    guard case .gpu(let queue) = device else {
      self.init(rows)
      return
    }
    self.init(rows, atLeast: atLeast, atMost: max(1, queue.tuning.busyGroups / max(1, groups)))
  }

  func range(_ split: Int) -> (begin: Int, end: Int) { (min(rows, split * chunk), min(rows, (split + 1) * chunk)) }
}

/// `into += sum of the splits`, in order. `partials` is `[splits, n]` on the CPU.
func sumPartials(into y: UnsafeMutablePointer<Float>, _ partials: UnsafePointer<Float>, splits: Int, count n: Int) {
  parallel(n, grain: elementGrain) { ck_sum_partials(y, partials, splits, n, $0, $1) }
}

/// y += the sum of the splits, in order; `partials` is `[splits, y.count]`, or as many elements. On a tape it is done at the end of the
/// backward pass.
func sumPartials(_ queue: DeviceQueue, into y: Tensor, _ partials: Tensor, on tape: Tape? = nil) {
  let sum = PendingSums.Sum(y: y, partials: partials)
  guard let tape else { return PendingSums.launch(queue, [sum]) }
  let pending = tape.leftover as? PendingSums ?? PendingSums(queue)
  tape.leftover = pending
  pending.add(sum)
}

/// Sums of partials that a backward pass has left for its end: sixteen of them are one launch.
final class PendingSums: Leftover {
  struct Sum {
    let y: Tensor, partials: Tensor
  }
  private let queue: DeviceQueue
  private var sums: [Sum] = []
  private var bytes = 0

  init(_ queue: DeviceQueue) { self.queue = queue }

  func add(_ sum: Sum) {
    // Two sums into one tensor would race within a launch.
    if bytes > PendingSums.mostBytes || sums.contains(where: { $0.y.storage === sum.y.storage }) { finish() }
    sums.append(sum)
    bytes += sum.partials.bytes
  }

  func finish() {
    PendingSums.launch(queue, sums)
    (sums, bytes) = ([], 0)
  }

  /// Memory that waits, at most, before it is summed in the middle of a pass.
  private static let mostBytes = 256 << 20

  static func launch(_ queue: DeviceQueue, _ sums: [Sum]) {
    launchSixteens(
      queue, matmulModule, "sum_partials", sums.filter { $0.y.count > 0 }, grid: { queue.tuning.sumGrid($0.y.count) },
      arguments: { [$0.y.argument, $0.partials.argument, .int($0.partials.count / $0.y.count), .int($0.y.count)] },
      absent: [.none, .none, .int(0), .int(0)]
    ) { _, targets in targets }
  }
}

/// weight * (sum of all elements of x) `[1]`, in a fixed order.
func setTotal(_ total: Tensor, _ x: Tensor, weight: Float) {
  switch x.device {
  case .cpu:
    total.fillWithZeros()
    addColumnSums(into: total, x.reshaped([x.count, 1]), weight: weight)
  case .gpu(let queue):
    queue.launch(matmulModule, "total", queue.tuning.oneGroup, total.argument, x.argument, .int(x.count), .float(weight))
  }
}
