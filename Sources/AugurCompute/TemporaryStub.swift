public enum ComputeError: Error, CustomStringConvertible {
  case unknownDevice(String), noPlatform
  public var description: String { "device" }
}
package struct KernelModule: Sendable {
  let name: String
  let source: @Sendable () -> String
  package init(name: String, source: @escaping @Sendable () -> String) { (self.name, self.source) = (name, source) }
}
package final class OpenCLBuffer: @unchecked Sendable {}
public final class OpenCLQueue: @unchecked Sendable {
  package static func all() -> [OpenCLQueue] { [] }
  package var isCPU: Bool { true }
  package var name: String { "" }
  package func allocate(bytes: Int) throws(ComputeError) -> OpenCLBuffer { throw .noPlatform }
  package func write(_ b: OpenCLBuffer, from: UnsafeRawBufferPointer) {}
  package func read(_ b: OpenCLBuffer, into: UnsafeMutableRawBufferPointer) {}
  package func fill(_ b: OpenCLBuffer, bytes: Int) {}
  package func finish() {}
}
