// Text of a table on its way to a file: fields of CSV, numbers that read back to the same bits, moments as ISO 8601.
import AugurTensors

/// Calls `body` with the bytes of a field of CSV: its text, in quotes where it needs them. At most 2 more than twice the text's.
@inline(__always)
func forEachByte(ofField text: UnsafeRawBufferPointer, _ body: (UInt8) -> Void) {
  var isPlain = true
  for byte in text where byte < 0x40 {
    // What may separate fields, quotes, line ends, and blanks, which some readers trim.
    if byte == UInt8(ascii: ",") || byte == UInt8(ascii: ";") || byte == DelimitedReader.quote || byte <= 0x20 { isPlain = false }
  }
  if !isPlain { body(DelimitedReader.quote) }
  for byte in text {
    if byte == DelimitedReader.quote { body(byte) }
    body(byte)
  }
  if !isPlain { body(DelimitedReader.quote) }
}

/// A CSV file in the making; it appears whole with `commit`, or not at all.
final class TableText {
  private static let block = 1 << 20
  private var memory: UnsafeMutablePointer<UInt8>
  private var capacity: Int
  private var at = 0
  private var file: DurableFile
  private let numbers = NumberText()
  /// The days whose dates were written last, as `yyyy-mm-ddT`: one for each column of times.
  private var days = [Int64.min, .min]
  private var dates: [[UInt8]] = [[], []]

  init(path: String) throws(EventsError) {
    do throws(SafetensorsError) { file = try DurableFile(path: path) } catch {
      throw EventsError(error, advice: "check the folder and its rights")
    }
    capacity = 2 * Self.block
    memory = .allocate(capacity: capacity)
  }

  deinit { memory.deallocate() }

  /// Every field ends in a comma; that of the last one becomes the newline. Precondition: the row has a field.
  func endRow() throws(EventsError) {
    memory[at - 1] = DelimitedReader.newline
    if at >= Self.block { try flush() }
  }

  private func flush() throws(EventsError) {
    do throws(SafetensorsError) { try file.write(UnsafeRawBufferPointer(start: memory, count: at)) } catch { throw EventsError(error) }
    at = 0
  }

  func commit() throws(EventsError) {
    try flush()
    do throws(SafetensorsError) { try file.commit() } catch { throw EventsError(error) }
  }

  @inline(__always)
  private func reserve(_ bytes: Int) {
    if at + bytes > capacity { grow(bytes) }
  }

  private func grow(_ bytes: Int) {
    let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: 2 * (at + bytes))
    larger.update(from: memory, count: at)
    memory.deallocate()
    (memory, capacity) = (larger, 2 * (at + bytes))
  }

  @inline(__always)
  private func put(_ byte: UInt8) {
    memory[at] = byte
    at += 1
  }

  /// A text, in quotes where it needs them.
  func field(_ text: UnsafeRawBufferPointer) {
    reserve(2 * text.count + 3)
    forEachByte(ofField: text) { put($0) }
    put(UInt8(ascii: ","))
  }

  func field(_ text: String) {
    var text = text
    text.withUTF8 { field(UnsafeRawBufferPointer($0)) }
  }

  func field(_ table: Vocabulary, _ index: Int32) { table.withID(Int(index), field) }

  /// `2024-05-31T12:30:15Z`, with thousandths where there are some.
  /// `column` is 0 or 1, for the times of a column that follow each other closely.
  func field(time: Int64, column: Int = 0) {
    reserve(48)
    let today = floorDivide(time, 86_400_000)
    if today != days[column] {
      days[column] = today
      dates[column] = Array(Timestamp.text(today * 86_400_000).utf8.prefix { $0 != UInt8(ascii: "T") }) + [UInt8(ascii: "T")]
    }
    for byte in dates[column] { put(byte) }
    let rest = UInt32(truncatingIfNeeded: time - today * 86_400_000)
    var end = memory + at
    end = numbers.digits(rest / 3_600_000, width: 2, to: end)
    end[0] = UInt8(ascii: ":")
    end = numbers.digits(rest / 60_000 % 60, width: 2, to: end + 1)
    end[0] = UInt8(ascii: ":")
    end = numbers.digits(rest / 1000 % 60, width: 2, to: end + 1)
    if rest % 1000 != 0 {
      end[0] = UInt8(ascii: ".")
      end = numbers.digits(rest % 1000, width: 3, to: end + 1)
    }
    at = end - memory
    put(UInt8(ascii: "Z"))
    put(UInt8(ascii: ","))
  }

  func field(_ value: Float) {
    withUnsafePointer(to: value) { fields(UnsafeBufferPointer(start: $0, count: 1)) }
  }

  /// Numbers side by side; NaN and infinity are empty.
  func fields(_ values: UnsafeBufferPointer<Float>) {
    reserve(values.count * (NumberText.longest + 1))
    var end = memory + at
    let numbers = numbers
    for value in values {
      end = numbers.write(value, to: end)
      end[0] = UInt8(ascii: ",")
      end += 1
    }
    at = end - memory
  }
}
