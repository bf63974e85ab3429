// A compressed source as a source of its text, whatever the format: bounded memory, and one clear line for every damage.
import Glibc

/// One compressed format as a stream.
protocol StreamDecoder: AnyObject {
  static var format: String { get }
  /// Whether everything so far belongs to whole frames (gzip: members): the stream may end here.
  var isBetweenFrames: Bool { get }
  /// Takes bytes and gives bytes, as far as both go. Without input it gives what it still has. `output` is not empty.
  func decode(_ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) throws(DecodingProblem) -> (taken: Int, given: Int)
}

enum DecodingProblem: Error {
  /// It is not installed or refuses to work.
  case libraryFails(String, advice: String)
  /// What the library says, and how many bytes of the input it took before.
  case damaged(String, at: Int)
  /// Bytes that begin no frame behind one that is whole.
  case garbage
}

final class DecodedSource: ByteSource {
  /// A log may become this much larger than its file; below `freely` bytes everything may. Rows of real logs seldom reach 50; the formats
  /// themselves allow 1032 (gzip) and more than 100,000 (zstd).
  static let largestExpansion = 200
  static let freely = 64 << 20
  private static let inputBytes = 256 << 10

  let name: String
  var file: (descriptor: Int32, bytes: Int)? { nil }
  private let source: any ByteSource
  private let decoder: any StreamDecoder
  private let format: String
  private let expansion: Int
  private let input: UnsafeMutableRawBufferPointer
  private var ready = 0..<0
  private var isAtEnd = false
  /// Compressed bytes taken, and bytes given.
  private var taken = 0
  private var frameStart = 0
  private var given = 0

  /// `expansion`: how many bytes a compressed byte may become, on average, in place of 200 or `AUGUR_MAX_EXPANSION`.
  init(_ source: any ByteSource, expansion: Int? = nil, _ makeDecoder: () throws(DecodingProblem) -> any StreamDecoder) throws(EventsError) {
    (self.source, name) = (source, source.name)
    if let expansion { self.expansion = expansion } else { self.expansion = try Self.expansionOfEnvironment() }
    do throws(DecodingProblem) { decoder = try makeDecoder() } catch { throw Self.failure(error, source.name, "", 0, 0) }
    format = type(of: decoder).format
    input = .allocate(byteCount: Self.inputBytes, alignment: 64)
  }

  deinit { input.deallocate() }

  private static func expansionOfEnvironment() throws(EventsError) -> Int {
    guard let text = getenv("AUGUR_MAX_EXPANSION").map({ String(cString: $0) }) else { return largestExpansion }
    guard let value = Int(text), (1...1_000_000_000).contains(value) else {
      throw EventsError(file: "AUGUR_MAX_EXPANSION", problem: "expected 1...1000000000, got \(excerpt(text.utf8))", advice: "unset it for \(largestExpansion)")
    }
    return value
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws(EventsError) -> Int {
    var count = 0
    while count < buffer.count {
      if ready.isEmpty, !isAtEnd {
        let got = try source.read(into: input)
        ready = 0..<got
        isAtEnd = got == 0
      }
      if isAtEnd, ready.isEmpty, decoder.isBetweenFrames { break }
      if decoder.isBetweenFrames { frameStart = taken }
      let step: (taken: Int, given: Int)
      do throws(DecodingProblem) {
        step = try decoder.decode(
          UnsafeRawBufferPointer(rebasing: input[ready]), into: UnsafeMutableRawBufferPointer(rebasing: buffer[count...]))
      } catch { throw Self.failure(error, name, format, taken, frameStart) }
      guard step.taken > 0 || step.given > 0 || !isAtEnd else {
        throw EventsError(
          file: name, problem: "the \(format) stream ends too early, at byte \(taken)", advice: "fetch the file again: its end is missing")
      }
      taken += step.taken
      given += step.given
      count += step.given
      ready = ready.lowerBound + step.taken..<ready.upperBound
      if given > Self.freely, given / expansion > taken {
        throw EventsError(
          file: name, problem: "\(taken) bytes of \(format) became more than \(given >> 20) MiB, over \(expansion) for one",
          advice: "if that is right, set AUGUR_MAX_EXPANSION above \(expansion)")
      }
    }
    return count
  }

  private static func failure(_ problem: DecodingProblem, _ file: String, _ format: String, _ taken: Int, _ frameStart: Int)
    -> EventsError
  {
    switch problem {
    case .libraryFails(let what, let advice): EventsError(file: file, problem: what, advice: advice)
    case .damaged(let what, let at):
      EventsError(file: file, problem: "the \(format) stream is damaged at byte \(taken + at) (\(what))", advice: "fetch the file again")
    case .garbage:
      EventsError(
        file: file, problem: "bytes that are not \(format) from byte \(frameStart) on, behind the end of the stream",
        advice: "cut them off with head -c \(frameStart), or fetch the file again")
    }
  }
}
