// Libraries that are used where they are installed: loaded when the first file needs them, never needed to build.
import Glibc

/// A loaded library, which stays loaded.
struct RuntimeLibrary {
  private let loaded: UnsafeMutableRawPointer

  /// The first of `names` that loads.
  init?(_ names: [String], flags: Int32 = RTLD_NOW | RTLD_LOCAL) {
    guard let loaded = names.lazy.compactMap({ dlopen($0, flags) }).first else { return nil }
    self.loaded = loaded
  }

  /// A C function by name; `Function` must be its `@convention(c)` type.
  func function<Function>(_ name: String, as type: Function.Type = Function.self) -> Function? {
    precondition(MemoryLayout<Function>.size == MemoryLayout<UnsafeRawPointer>.size, "RuntimeLibrary: \(type) is not a C function")
    return dlsym(loaded, name).map { unsafeBitCast($0, to: type) }
  }
}
