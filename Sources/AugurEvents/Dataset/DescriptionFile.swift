// `dataset.json`, whichever kind of data set it describes.
import AugurTensors
import FoundationEssentials

struct DescriptionFile {
  let path: String
  let format: String
  private let version: Int
  private let data: Data

  private struct Head: Decodable {
    let format: String
    let version: Int
  }

  /// Reads the file of a folder; throws where there is none or it is none of ours.
  init(_ folder: String) throws(EventsError) {
    path = "\(folder)/\(DatasetDescription.fileName)"
    let file: MappedFile
    do throws(SafetensorsError) { file = try MappedFile(path: path) } catch {
      throw EventsError(error, advice: "is '\(folder)' a data set made by augur prepare?")
    }
    guard file.bytes.count <= 1 << 20 else {
      throw Self.damaged(path, "\(file.bytes.count) bytes are too many for a data set description")
    }
    data = Data(file.bytes)
    guard let head = try? JSONDecoder().decode(Head.self, from: data) else {
      throw Self.damaged(path, "not the description of an Augur data set")
    }
    (format, version) = (head.format, head.version)
  }

  private static func damaged(_ path: String, _ problem: String) -> EventsError {
    EventsError(file: path, problem: problem, advice: "make the data set again with augur prepare")
  }
  func damaged(_ problem: String) -> EventsError { Self.damaged(path, problem) }

  func decode<Description: Decodable>(_ type: Description.Type, version wanted: Int) throws(EventsError) -> Description {
    guard version == wanted else { throw damaged("format version \(version), this program reads \(wanted)") }
    guard let read = try? JSONDecoder().decode(type, from: data) else { throw damaged("a key is missing or has a wrong value") }
    return read
  }
}

func writeDescription(_ description: some Encodable, to folder: String) throws(EventsError) {
  let path = "\(folder)/\(DatasetDescription.fileName)"
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
  guard let json = try? encoder.encode(description) else {
    throw EventsError(file: path, problem: "cannot encode it", advice: "report this as a bug")
  }
  do throws(SafetensorsError) { try writeFileDurably(path: path, bytes: Array(json) + [DelimitedReader.newline]) } catch {
    throw EventsError(error)
  }
}
