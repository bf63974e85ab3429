// A regular file as a source of bytes.
import AugurTensors
import Glibc

final class PlainSource: ByteSource {
  let name: String
  private let descriptor: Int32
  private let bytes: Int
  var file: (descriptor: Int32, bytes: Int)? { (descriptor, bytes) }

  init(_ path: String) throws(EventsError) {
    name = path
    descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw EventsError(file: path, problem: "no such file", advice: "check the path") }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw EventsError(file: path, problem: "is not a regular file", advice: "give the path of a file")
    }
    bytes = Int(status.st_size)
  }

  deinit { close(descriptor) }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws(EventsError) -> Int {
    var count = 0
    while count < buffer.count {
      let got = Glibc.read(descriptor, buffer.baseAddress.map { $0 + count }, buffer.count - count)
      if got == 0 { break }
      if got < 0, errno == EINTR { continue }
      guard got > 0 else { throw EventsError(file: name, problem: "cannot read: \(errorText(errno))", advice: "check the file") }
      count += got
    }
    return count
  }
}

func openSource(_ path: String) throws(EventsError) -> any ByteSource { try PlainSource(path) }
