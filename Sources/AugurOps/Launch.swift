// What every op shares: outputs that know their tape, scratch, launches of several tensors at once, and adding gradients up.
import AugurCompute
import AugurTensors
import CKernels

/// An output of an op on its inputs: recorded when one of them is on a tape. Returns the tape to record on. The inputs are no
/// array: that would take memory and count references in every op.
@inline(__always)
func makeOutput(
  _ shape: Shape, of a: Tensor, _ b: Tensor? = nil, _ c: Tensor? = nil, _ d: Tensor? = nil, _ e: Tensor? = nil, dtype: DataType = .float32,
  device: Device, on tape: Tape? = nil
) -> (Tensor, Tape?) {
  var found = tape
  @inline(__always) func visit(_ input: borrowing Tensor) {
    precondition(input.device == device, "op: expected every input on \(device), got one on another")
    if found == nil { found = input.tape }
  }
  visit(a)
  if let b { visit(b) }
  if let c { visit(c) }
  if let d { visit(d) }
  if let e { visit(e) }
  return (Tensor(shape, dtype: dtype, device: device, slot: found.map { GradientSlot(tape: $0) }), found)
}

/// Runs the tasks with scratch memory of `floats` floats for each thread, from the arena. `work` is the number of products in
/// all: few are done sooner by the calling thread than a sleeping worker wakes.
func parallel(
  _ tasks: Int, scratch floats: Int, work: Int = .max, _ body: (_ task: Int, UnsafeMutablePointer<Float>) -> Void
) {
  let stride = (floats + 15) / 16 * 16
  let threads = work < leastSharedWork ? 1 : min(ThreadPool.shared.threads, max(1, tasks))
  if floats == 0 {
    // The address of nothing: no task reads it.
    let nothing = UnsafeMutablePointer<Float>(bitPattern: 64)!
    return parallel(tasks, threads: threads) { task, _ in body(task, nothing) }
  }
  let storage = Storage(bytes: stride * threads * 4, device: .cpu)
  let base = storage.host.assumingMemoryBound(to: Float.self)
  parallel(tasks, threads: threads) { task, thread in body(task, base + thread * stride) }
}

/// Cuts `0..<count` into ranges of `grain` elements, each with the scratch of its thread.
func parallel(
  _ count: Int, grain: Int, scratch floats: Int, _ body: (_ begin: Int, _ end: Int, UnsafeMutablePointer<Float>) -> Void
) {
  parallel((count + grain - 1) / grain, scratch: floats) { task, scratch in
    body(task * grain, min(count, (task + 1) * grain), scratch)
  }
}

/// Elements of one task of an elementwise loop on the CPU.
let elementGrain = 1 << 13
/// Rows of one task of a row-wise loop on the CPU: few enough that the last round of tasks leaves no thread idle for long; a multiple
/// of `CK_ROW_BLOCK`.
let rowGrain = 128
/// Products below which a second thread only delays an answer: about 10 us of one thread.
let leastSharedWork = 1 << 18
/// Rows below which a weight is read where it lies instead of packed first.
let fewRows = 8
/// Columns of one task of a product with few rows.
let columnGrain = 1024

/// Launches `entry` on sixteen of `all` at a time: each brings its arguments, and behind them the end of its groups among those of the
/// launch. `whole` makes the arguments of a launch from those of its tensors and the groups of the launches before.
func launchSixteens<Element>(
  _ queue: DeviceQueue, _ module: KernelModule, _ entry: String, _ all: [Element], grid: (Element) -> LaunchGrid,
  arguments: (Element) -> [KernelArgument], absent: [KernelArgument],
  whole: (_ first: Int, _ tensors: [KernelArgument]) -> [KernelArgument]
) {
  var first = 0
  for start in stride(from: 0, to: all.count, by: 16) {
    var (tensors, end, shape): ([KernelArgument], Int, LaunchGrid?) = ([], 0, nil)
    for element in all[start..<min(all.count, start + 16)] {
      let own = grid(element)
      end += own.groups.x
      shape = shape ?? own
      tensors += arguments(element) + [.int(end)]
    }
    for _ in min(all.count, start + 16)..<start + 16 { tensors += absent + [.int(end)] }
    guard var shape else { return }
    shape.groups.x = end
    queue.launch(module, entry, shape, whole(first, tensors))
    first += end
  }
}

/// A text for Hopper's tensor cores alone, behind Kernels/Common/warpgroup.h
func warpgroupModule(_ name: String, _ options: String, _ text: @escaping @Sendable () -> String) -> KernelModule {
  KernelModule(name: name, options: options, isAssembled: true) {
    String(cString: ck_opencl_warp()) + String(cString: ck_opencl_warpgroup()) + text()
  }
}

/// A text for tensor cores behind Kernels/Common/warp.h.
func tensorModule(_ name: String, _ options: String, _ text: @escaping @Sendable () -> String) -> KernelModule {
  KernelModule(name: name, options: options) { String(cString: ck_opencl_warp()) + text() }
}

extension GradientSlot {
  /// Adds `dx` to an activation's gradient. `owned` is false where the memory of `dx` is also somebody else's.
  func add(_ dx: Tensor, owned: Bool = true) {
    precondition(!isParameter, "gradient: expected an activation, got a parameter used as one")
    guard let held = gradient else {
      (gradient, isOwned) = (dx, owned)
      return
    }
    if isOwned {
      addInPlace(held, dx)
    } else if owned {
      addInPlace(dx, held)
      gradient = dx
    } else {
      let sum = Tensor(held.shape, device: held.device)
      setSum(sum, held, dx)
      gradient = sum
    }
    isOwned = true
  }

  /// Adds what `make` writes to an activation's gradient: dx = r + its own, where r is what is there, and may be dx itself.
  func addTogether(_ shape: Shape, _ device: Device, _ make: (_ dx: Tensor, _ r: Tensor?) -> Void) {
    precondition(!isParameter, "gradient: expected an activation, got a parameter used as one")
    let held = gradient
    let dx = isOwned ? held ?? Tensor(shape, device: device) : Tensor(shape, device: device)
    make(dx, held)
    (gradient, isOwned) = (dx, true)
  }

  /// The buffer that kernels add to, for an input that is a parameter. The whole of it counts as touched.
  func parameterGradient() -> Tensor {
    touchedRows = nil
    guard isParameter, let gradient else {
      preconditionFailure("gradient: expected a parameter, got an activation or a stepped table")
    }
    return gradient
  }

  /// Where the rows of `lookup` are added, and the factor they get: the gradient of a table, or the stepped table itself.
  func rowTarget(for lookup: Lookup) -> (table: Tensor, factor: Float) {
    if let stepped { return (stepped.table, -stepped.rate) }
    guard isParameter, let gradient else { preconditionFailure("gradient: expected a parameter, got an activation") }
    touchedRows?.append(lookup)
    return (gradient, 1)
  }

  /// Adds `dx` to whichever this slot belongs to.
  func collect(_ dx: Tensor, owned: Bool = true) {
    if isParameter { addInPlace(parameterGradient(), dx) } else { add(dx, owned: owned) }
  }
}

extension DataType {
  /// As a C kernel takes it.
  var isBfloat16: Int32 { self == .bfloat16 ? 1 : 0 }
}

extension Tensor {
  /// The buffer as an argument of a device kernel.
  var argument: KernelArgument { .storage(storage) }
}

extension Tensor? {
  /// The buffer, or the null pointer for an input that is not there.
  var argument: KernelArgument { self?.argument ?? .none }
}
