// What a device kernel is to the rest of the engine: text, entry name, argument list, grid.

/// The text of one group of device kernels and the compiler options that select a variant of it.
package struct KernelModule: Sendable {
  /// Name in messages and, with the options, the key of the compiled program.
  package let name: String
  package let options: String
  /// The kernels, without Common/opencl.h; read once, when the module is built.
  package let source: @Sendable () -> String
  /// Whether NVIDIA's OpenCL does not compile the text: it is given the committed PTX then.
  package let isAssembled: Bool

  package init(name: String, options: String = "", isAssembled: Bool = false, source: @escaping @Sendable () -> String) {
    (self.name, self.options, self.isAssembled, self.source) = (name, options, isAssembled, source)
  }
}

/// One argument of a kernel, in the order of its parameter list.
package enum KernelArgument {
  /// Device memory. The argument owns it until the kernel is in the queue: given back earlier, another thread could fill it first.
  case storage(Storage)
  /// The same by its loader's number, for work that its caller waits for.
  case memory(UInt)
  case int(Int)
  case float(Float)
  case seed(UInt64)
  /// The null pointer: an input that is not there.
  case none

  /// A size as kernels take it.
  static func checked(_ value: Int) -> Int32 {
    guard let value = Int32(exactly: value) else { preconditionFailure("launch: expected sizes below 2^31, got \(value)") }
    return value
  }
}

/// How many work-groups of what size; no work-group, no launch.
package struct LaunchGrid: Sendable, Equatable {
  package var groups: SIMD3<Int>
  package var local: SIMD3<Int>

  package init(groups: SIMD3<Int>, local: SIMD3<Int>) { (self.groups, self.local) = (groups, local) }
}
