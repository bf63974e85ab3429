// Memory of a device.

/// One block of device memory, or of the host's that the device reaches, given back in deinit.
package final class DeviceBuffer: Sendable {
  let memory: UInt
  package let bytes: Int
  /// Memory of the host: every access goes over the bus.
  package let isOutside: Bool
  private let loader: any DeviceLoader

  init(_ memory: UInt, bytes: Int, isOutside: Bool = false, of loader: any DeviceLoader) {
    (self.memory, self.bytes, self.isOutside, self.loader) = (memory, bytes, isOutside, loader)
  }

  deinit { isOutside ? loader.releaseOutside(memory) : loader.release(memory) }
}
