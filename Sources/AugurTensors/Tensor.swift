// A dense array on one device, with the place where its gradient goes.
public import AugurCompute

/// Type of the elements of a tensor.
public enum DataType: String, Sendable {
  case float32 = "F32"
  case bfloat16 = "BF16"
  case int32 = "I32"

  /// Bytes of one element.
  public var bytes: Int { self == .bfloat16 ? 2 : 4 }
}

/// A dense row-major array. Copies share the memory; ops never write to their inputs.
public struct Tensor: @unchecked Sendable {
  public let shape: Shape
  public let dtype: DataType
  public let storage: Storage
  /// Where dL/dself is accumulated; nil where no gradient is asked for.
  package let slot: GradientSlot?

  /// Contents undefined.
  package init(_ shape: Shape, dtype: DataType = .float32, device: Device, slot: GradientSlot? = nil) {
    self.init(shape, dtype: dtype, storage: Storage(bytes: shape.count * dtype.bytes, device: device), slot: slot)
  }

  package init(_ shape: Shape, dtype: DataType, storage: Storage, slot: GradientSlot?) {
    (self.shape, self.dtype, self.storage, self.slot) = (shape, dtype, storage, slot)
  }

  /// A float32 tensor with a copy of `values`. Precondition: `values.count == shape.count`.
  public init(_ values: [Float], shape: Shape, device: Device = .cpu) {
    precondition(values.count == shape.count, "tensor: expected \(shape.count) values for \(shape), got \(values.count)")
    self.init(shape, device: device)
    values.withUnsafeBytes { upload($0) }
  }

  /// The same, in memory of the host where it `isOutside` of a GPU.
  package init(_ values: [Float], shape: Shape, device: Device, isOutside: Bool) {
    let storage = isOutside ? Storage(outside: 4 * shape.count, of: device) : Storage(bytes: 4 * shape.count, device: device)
    self.init(shape, dtype: .float32, storage: storage, slot: nil)
    assign(values)
  }

  /// An int32 tensor with a copy of `values`. Precondition: `values.count == shape.count`.
  public init(_ values: [Int32], shape: Shape, device: Device = .cpu) {
    precondition(values.count == shape.count, "tensor: expected \(shape.count) values for \(shape), got \(values.count)")
    self.init(shape, dtype: .int32, device: device)
    values.withUnsafeBytes { upload($0) }
  }

  /// A float32 tensor of zeros.
  public static func zeros(_ shape: Shape, device: Device) -> Tensor {
    let tensor = Tensor(shape, device: device)
    tensor.fillWithZeros()
    return tensor
  }

  /// A float32 tensor of zeros that lies where this one does: on its device, or outside.
  package func zerosBeside(_ shape: Shape) -> Tensor {
    guard storage.isOutside else { return .zeros(shape, device: device) }
    let tensor = Tensor(shape, dtype: .float32, storage: Storage(outside: 4 * shape.count, of: device), slot: nil)
    tensor.fillWithZeros()
    return tensor
  }

  public var device: Device { storage.device }
  package var isOnCPU: Bool { device == .cpu }
  public var count: Int { shape.count }
  package var bytes: Int { count * dtype.bytes }
  /// The tape that records ops on this tensor; nil outside training.
  package var tape: Tape? { slot?.tape }

  /// A copy of the elements. Waits for the device. Precondition: float32.
  public func floats() -> [Float] { array(of: Float.self, .float32) }
  /// A copy of the elements. Waits for the device. Precondition: int32.
  public func ints() -> [Int32] { array(of: Int32.self, .int32) }

  private func array<Element: BitwiseCopyable>(of type: Element.Type, _ expected: DataType) -> [Element] {
    precondition(dtype == expected, "tensor: expected \(expected), got \(dtype)")
    guard count > 0 else { return [] }  // the library writes a count of 0 into the empty array that all threads share
    return [Element](unsafeUninitializedCapacity: count) { buffer, filled in
      download(UnsafeMutableRawBufferPointer(buffer))
      filled = count
    }
  }

  /// Replaces the elements by `values`. Precondition: float32 and as many values as elements.
  public func assign(_ values: [Float]) {
    precondition(dtype == .float32 && values.count == count, "tensor: expected \(count) float32 values, got \(values.count)")
    values.withUnsafeBytes { upload($0) }
  }

  package func upload(_ source: UnsafeRawBufferPointer) {
    precondition(source.count == bytes, "tensor: expected \(bytes) bytes, got \(source.count)")
    guard let base = source.baseAddress, bytes > 0 else { return }
    switch storage.device {
    case .cpu: storage.host.copyMemory(from: base, byteCount: bytes)
    case .gpu(let queue): queue.write(storage.buffer, from: source)
    }
  }

  package func download(_ target: UnsafeMutableRawBufferPointer) {
    precondition(target.count >= bytes, "tensor: expected room for \(bytes) bytes, got \(target.count)")
    guard let base = target.baseAddress, bytes > 0 else { return }
    switch storage.device {
    case .cpu: base.copyMemory(from: storage.host, byteCount: bytes)
    case .gpu(let queue): queue.read(storage.buffer, into: UnsafeMutableRawBufferPointer(rebasing: target[..<bytes]))
    }
  }

  /// Calls `body` with the bytes in memory of the host: those of the CPU in place, others in a copy. Waits for the device.
  package func withHostBytes<E>(_ body: (UnsafeRawBufferPointer) throws(E) -> Void) throws(E) {
    guard !isOnCPU else { return try body(UnsafeRawBufferPointer(start: storage.host, count: bytes)) }
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes, alignment: 64)
    defer { copy.deallocate() }
    download(copy)
    try body(UnsafeRawBufferPointer(copy))
  }

  package func fillWithZeros() {
    switch storage.device {
    case .cpu: storage.host.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    case .gpu(let queue): queue.fill(storage, bytes: (bytes + 3) / 4 * 4)
    }
  }

  /// The same elements on `device`; itself where they are there already.
  public func moved(to device: Device) -> Tensor {
    guard device != self.device else { return self }
    let copy = Tensor(shape, dtype: dtype, device: device)
    if isOnCPU {
      copy.upload(UnsafeRawBufferPointer(start: storage.host, count: bytes))
      return copy
    }
    withUnsafeTemporaryAllocation(byteCount: max(1, bytes), alignment: 64) { scratch in
      let bytes = UnsafeMutableRawBufferPointer(rebasing: scratch[..<self.bytes])
      download(bytes)
      copy.upload(UnsafeRawBufferPointer(bytes))
    }
    return copy
  }

  /// The first element of the CPU memory. Precondition: the tensor lies on the CPU.
  package var pointer: UnsafeMutablePointer<Float> { storage.host.assumingMemoryBound(to: Float.self) }
  package var halfPointer: UnsafeMutablePointer<UInt16> { storage.host.assumingMemoryBound(to: UInt16.self) }
  package var intPointer: UnsafeMutablePointer<Int32> { storage.host.assumingMemoryBound(to: Int32.self) }

  /// The same memory under another shape. Precondition: as many elements.
  package func reshaped(_ shape: Shape) -> Tensor {
    precondition(shape.count == count, "tensor: expected \(count) elements, got \(shape)")
    return Tensor(shape, dtype: dtype, storage: storage, slot: nil)
  }

  /// Copies the rows of `x` into this memory behind the first `row` ones, and returns all up to them, without gradient. Precondition: both
  /// on the CPU, float32 and equally wide, and there is room.
  package func writing(_ x: Tensor, at row: Int) -> Tensor {
    let end = row + x.shape.rows
    precondition(
      isOnCPU && x.isOnCPU && dtype == .float32 && x.dtype == .float32 && x.shape.columns == shape.columns && row >= 0
        && end <= shape.rows, "tensor: expected room for \(x.shape), got \(shape)")
    (pointer + row * shape.columns).update(from: x.pointer, count: x.count)
    return firstRows(end)
  }

  /// The first `rows` rows of the same memory.
  package func firstRows(_ rows: Int) -> Tensor {
    precondition(rows <= shape.rows, "tensor: expected at most \(shape.rows) rows, got \(rows)")
    return Tensor(shape.with(rows: rows), dtype: dtype, storage: storage, slot: nil)
  }
}

/// The device type, so that layers and models can pass one on without reaching down to AugurCompute.
public typealias Device = AugurCompute.Device

/// Bytes of the host that tensors outside of `device` may take; nil where it is the host itself.
package func freeBytes(outsideOf device: Device) -> Int? { device == .cpu ? nil : Device.cpu.freeMemoryBytes }

/// One line on stderr, for what a user should know and no call can return.
package func sayOnStandardError(_ text: String) { DeviceFailure.say(text) }

/// Bytes that new tensors on `device` may take.
public func freeBytes(on device: Device) -> Int { device.freeMemoryBytes }
