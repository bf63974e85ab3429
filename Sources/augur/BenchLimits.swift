// The limits that benchmarks compare with, measured in the same run.
import AugurCompute
import AugurOps
import AugurTensors
import CKernels

/// What the machine can do at best, measured in this run: multiply-adds in the registers of every thread, and reading a block of
/// memory of the size that an op moves. Of a GPU that its maker names: the published peaks. On another device: its own product of 2048
/// cubed (256 where it only stands in for one), and reading 256 MB.
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
    let rate = device == .cpu ? registerRate(dtype) : PublishedPeaks(of: device)?.gflops(dtype) ?? productRate(dtype)
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

  private func productRate(_ dtype: DataType) -> Double {
    let n = device.isStandIn ? 256 : 2048
    let (x, w) = (random([n, n], device), random([n, n], device))
    return 2e-9 * Double(n * n * n) / median(9, device) { _ = linear(x, w, precision: dtype) }
  }

  /// Of reading a block of `bytes`, at least 1 MiB and at most 256.
  private func gigabytes(_ bytes: Int) -> Double {
    let rounded = min(max(bytes.nextPowerOf2 >> 1, 1 << 20), 1 << 28)
    if let bandwidth = bandwidths[rounded] ?? PublishedPeaks(of: device)?.gigabytes { return bandwidth }
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

/// What the maker of a GPU says that it can do: dense products without sparsity, reading its memory.
struct PublishedPeaks {
  let float32: Double, bfloat16: Double
  /// A second.
  let gigabytes: Double

  /// Nil for a device that no line here names.
  init?(of device: Device) {
    let name = "\(device)"
    guard let (_, peaks) = PublishedPeaks.all.first(where: { words, _ in words.allSatisfy(name.contains) }) else { return nil }
    (float32, bfloat16, gigabytes) = peaks
  }

  func gflops(_ dtype: DataType) -> Double { dtype == .bfloat16 ? bfloat16 : float32 }

  /// GFLOP/s in float32 and in bfloat16 on tensor cores, GB/s; by the words of the driver's name, the first that fits.
  private static let all: [([String], (Double, Double, Double))] = [
    (["H100", "PCIe"], (51_000, 756_000, 2000)), (["H100"], (66_900, 989_400, 3350)), (["H200"], (66_900, 989_400, 4800)),
    (["A100", "80GB"], (19_500, 312_000, 2039)),
  ]
}

extension Int {
  fileprivate var nextPowerOf2: Int { self <= 1 ? 1 : 1 << (Int.bitWidth - (self - 1).leadingZeroBitCount) }
}
