// A view into a mapped data set that keeps it open: no pointer can outlive its file.

/// A part of a stored column, such as the items of one user.
public struct DatasetSlice<Element: BitwiseCopyable & Sendable>: RandomAccessCollection, @unchecked Sendable {
  @usableFromInline let owner: AnyObject
  @usableFromInline let buffer: UnsafeBufferPointer<Element>

  init(owner: AnyObject, buffer: UnsafeBufferPointer<Element>) { (self.owner, self.buffer) = (owner, buffer) }

  @inlinable public var startIndex: Int { 0 }
  @inlinable public var endIndex: Int { buffer.count }
  /// Precondition: `position` in `0..<count`.
  @inlinable public subscript(position: Int) -> Element {
    precondition(position >= 0 && position < buffer.count, "DatasetSlice: index out of range")
    return withExtendedLifetime(owner) { buffer[position] }
  }

  /// Calls `body` with the elements in place; the pointer is valid during the call.
  @inlinable public func withContiguousStorageIfAvailable<R>(_ body: (UnsafeBufferPointer<Element>) throws -> R)
    rethrows -> R?
  {
    try withExtendedLifetime(owner) { try body(buffer) }
  }

  /// As `withContiguousStorageIfAvailable`, which always is.
  func withItems<R>(_ body: (UnsafeBufferPointer<Element>) -> R) -> R { withExtendedLifetime(owner) { body(buffer) } }
}
