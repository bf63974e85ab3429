// The limits that benchmarks compare with, measured in the same run.
import AugurCompute
import AugurOps
import AugurTensors
import CKernels

/// What the machine can do at best, measured in this run: multiply-adds in the registers of every thread, and reading a block of
/// memory of the size that an op moves. On another device: its own product of 2048 cubed, and reading 256 MB.
final class Limits {
  private let device: Device
  private var rates: [DataType: Double] = [:]
  private var bandwidths: [Int: Double] = [:]

  init(_ device: Device) { self.device = device }

  /// The least time that so many operations, or so many bytes read, can take.
  func seconds(flops: Double, _ dtype: DataType = .float32) -> Double { flops > 0 ? flops / gflops(dtype) / 1e9 : 0 }
  func seconds(bytes: Double) -> Double { bytes > 0 ? bytes / gigabytes(Int(bytes)) / 1e9 : 0 }

  private func gflops(_ dtype: DataType) -> Double {
    if let rate = rates[dtype] { return rate }
    let rate = device == .cpu ? registerRate(dtype) : productRate()
    rates[dtype] = rate
    return rate
  }

  private func registerRate(_ dtype: DataType) -> Double {
    let threads = ThreadPool.shared.threads
    nonisolated(unsafe) var operations = 0.0
    let seconds = median(9, device) {
      parallel(threads) { task in
        var out: Float = 0
        let done = ck_peak_operations(1_000_000, dtype == .bfloat16 ? 1 : 0, &out)
        if task == 0 { operations = done }
      }
    }
    return operations * Double(threads) / seconds / 1e9
  }

  private func productRate() -> Double {
    let (x, w) = (random([2048, 2048], device), random([2048, 2048], device))
    return 2e-9 * 2048 * 2048 * 2048 / median(9, device) { _ = linear(x, w) }
  }

  /// Of reading a block of `bytes`, at least 1 MiB and at most 256.
  private func gigabytes(_ bytes: Int) -> Double {
    let rounded = min(max(bytes.nextPowerOf2 >> 1, 1 << 20), 1 << 28)
    if let bandwidth = bandwidths[rounded] { return bandwidth }
    let block = Tensor.zeros([rounded / 4], device: device)
    let seconds = median(9, device) {
      guard device == .cpu else { return _ = sumOfSquares([block]) }
      parallel(rounded / 4, grain: 1 << 15) { begin, end in
        var out: Float = 0
        ck_peak_read(block.pointer, begin, end, &out)
      }
    }
    bandwidths[rounded] = Double(rounded) / seconds / 1e9
    return bandwidths[rounded]!
  }
}

extension Int {
  fileprivate var nextPowerOf2: Int { self <= 1 ? 1 : 1 << (Int.bitWidth - (self - 1).leadingZeroBitCount) }
}

/// Uniform in -0.5...0.5, the same values for the same shape.
