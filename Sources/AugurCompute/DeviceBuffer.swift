// Memory of a device.

/// One block of device memory, given back in deinit.
package final class DeviceBuffer: Sendable {
  let memory: UInt
  package let bytes: Int
  private let loader: any DeviceLoader

  init(_ memory: UInt, bytes: Int, of loader: any DeviceLoader) { (self.memory, self.bytes, self.loader) = (memory, bytes, loader) }

  deinit { loader.release(memory) }
}
