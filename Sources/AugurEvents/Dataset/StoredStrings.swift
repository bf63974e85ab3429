// Strings in a mapped file.
import AugurTensors
import Synchronization

/// `<name>_bytes` U8 and `<name>_offsets` I64 [count + 1].
final class StoredStrings: Sendable {
  private let file: SafetensorsFile
  private nonisolated(unsafe) let offsets: UnsafeBufferPointer<Int64>
  private nonisolated(unsafe) let bytes: UnsafeBufferPointer<UInt8>
  private let lookup = Mutex<Vocabulary?>(nil)
  let count: Int
  var path: String { file.path }

  init(_ file: SafetensorsFile, _ name: String) throws(SafetensorsError) {
    self.file = file
    offsets = try file.buffer("\(name)_offsets", as: Int64.self)
    bytes = try file.buffer("\(name)_bytes", as: UInt8.self)
    guard offsets.rises(to: bytes.count) else {
      throw SafetensorsError(path: file.path, kind: .damaged, problem: "'\(name)_offsets' do not rise from 0 to the end")
    }
    count = offsets.count - 1
  }

  /// Precondition: `index` in `0..<count`.
  func slice(_ index: Int) -> UnsafeRawBufferPointer {
    precondition(index >= 0 && index < count, "Dataset: expected an index in 0..<\(count), got \(index)")
    return UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: bytes[Int(offsets[index])..<Int(offsets[index + 1])]))
  }

  subscript(index: Int) -> String { String(decoding: slice(index), as: UTF8.self) }

  func map<R>(_ body: (UnsafeRawBufferPointer) -> R) -> [R] { (0..<count).map { body(slice($0)) } }

  /// The first call builds a table over all strings.
  func index(of id: String) -> Int? {
    let key = Array(id.utf8)
    return lookup.withLock { table in
      if table == nil {
        var made = Vocabulary()
        for index in 0..<count { _ = made.index(adding: slice(index)) }
        table = made
      }
      return key.withUnsafeBytes { table?.index(of: $0) }.map { Int($0) }
    }
  }

  /// By bisection, where the strings are in byte order.
  func place(of id: UnsafeRawBufferPointer) -> Int? {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if slice(middle).lexicographicallyPrecedes(id) { low = middle + 1 } else { high = middle }
    }
    return low < count && sameBytes(slice(low), id) ? low : nil
  }
}

extension UnsafeBufferPointer<Int64> {
  /// Whether these are offsets from 0 to `end`.
  func rises(to end: Int) -> Bool { first == 0 && risesAnywhere(to: end) }

  /// Whether these are places in 0...end that do not fall, the last of them `end`.
  func risesAnywhere(to end: Int) -> Bool {
    guard let first, first >= 0, last == Int64(end) else { return false }
    var last: Int64 = 0
    return allSatisfyReleasing { offset in
      defer { last = offset }
      return last <= offset
    }
  }
}

extension UnsafeBufferPointer where Element: Comparable {
  /// The number of elements before `value`, where they rise.
  func count(before value: Element) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if self[middle] < value { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
