// `features.safetensors`: the feature list with what was learnt for it, all that encoding a row needs.
import AugurTensors
import FoundationEssentials

extension Features {
  private static let formatName = "augur-fitted-features"
  private static let version = "1"

  /// Reads the features of a data set folder, or a file that `write` made.
  public init(path: String) throws(EventsError) {
    let file: SafetensorsFile
    do throws(SafetensorsError) {
      file = try SafetensorsFile(path: path.hasSuffix(".safetensors") ? path : "\(path)/\(TableDescription.featuresName)")
    } catch { throw EventsError(error, advice: "give a data set made with augur prepare --format table") }
    try self.init(file)
  }

  init(_ file: SafetensorsFile) throws(EventsError) {
    func damaged(_ problem: String) -> EventsError {
      EventsError(file: file.path, problem: problem, advice: "make the data set again with augur prepare --format table")
    }
    guard file.metadata["format"] == Self.formatName else { throw damaged("holds no fitted features") }
    guard file.metadata["version"] == Self.version else {
      throw damaged("format version \(file.metadata["version"] ?? "none"), this program reads \(Self.version)")
    }
    let list = try FeatureList(json: Data((file.metadata["list"] ?? "").utf8), file: file.path)
    var statistics: [FeatureStatistics] = []
    do throws(SafetensorsError) {
      let scales = try file.array("scales", as: Double.self)
      guard scales.count == 3 * list.features.count, scales.allSatisfy(\.isFinite) else { throw Self.misfit(file, "scales") }
      for place in list.features.indices {
        var entry = FeatureStatistics()
        (entry.center, entry.scale, entry.fill) = (scales[3 * place], scales[3 * place + 1], scales[3 * place + 2])
        guard entry.scale > 0 else { throw Self.misfit(file, "scales") }
        if file.names.contains("vocabulary.\(place).offsets") { entry.vocabulary = try Self.vocabulary(file, place) }
        if file.names.contains("edges.\(place)") { entry.edges = try file.array("edges.\(place)", as: Double.self) }
        guard zip(entry.edges, entry.edges.dropFirst()).allSatisfy({ $0 < $1 }) else { throw Self.misfit(file, "edges.\(place)") }
        statistics.append(entry)
      }
    } catch { throw EventsError(error, advice: "make the data set again with augur prepare --format table") }
    try self.init(list, statistics: statistics, fittedOn: file.metadata["fitted_on"] ?? "")
  }

  private static func misfit(_ file: SafetensorsFile, _ name: String) -> SafetensorsError {
    SafetensorsError(path: file.path, kind: .damaged, problem: "'\(name)' does not fit the list of features")
  }

  private static func vocabulary(_ file: SafetensorsFile, _ place: Int) throws(SafetensorsError) -> Vocabulary {
    let name = "vocabulary.\(place)"
    let (offsets, bytes) = (try file.array("\(name).offsets", as: Int64.self), try file.array("\(name).bytes", as: UInt8.self))
    guard offsets.first == 0, offsets.last == Int64(bytes.count), zip(offsets, offsets.dropFirst()).allSatisfy({ $0 <= $1 })
    else {
      throw misfit(file, name)
    }
    var result = Vocabulary()
    bytes.withUnsafeBytes { bytes in
      for (start, end) in zip(offsets, offsets.dropFirst()) {
        _ = result.index(adding: UnsafeRawBufferPointer(rebasing: bytes[Int(start)..<Int(end)]))
      }
    }
    guard result.count == offsets.count - 1 else { throw misfit(file, name) }
    return result
  }

  /// Writes `features.safetensors` and `features.json`; returns the checksum of the first.
  func write(to folder: String) throws(EventsError) -> String {
    let json = try list.json()
    var tensors = [
      SafetensorsTensor(
        "scales", shape: [fitted.count, 3],
        values: fitted.flatMap { [$0.statistics.center, $0.statistics.scale, $0.statistics.fill] })
    ]
    for (place, entry) in fitted.enumerated() {
      let vocabulary = entry.statistics.vocabulary
      if vocabulary.count > 0, !entry.isShared {
        let offsets = vocabulary.offsets.map(Int64.init)
        tensors.append(SafetensorsTensor("vocabulary.\(place).offsets", shape: [offsets.count], values: offsets))
        tensors.append(SafetensorsTensor("vocabulary.\(place).bytes", shape: [vocabulary.bytes.count], values: vocabulary.bytes))
      }
      let edges = entry.statistics.edges
      if !edges.isEmpty { tensors.append(SafetensorsTensor("edges.\(place)", shape: [edges.count], values: edges)) }
    }
    let path = "\(folder)/\(TableDescription.featuresName)"
    do throws(SafetensorsError) {
      try writeSafetensors(
        path: path, metadata: ["format": Self.formatName, "version": Self.version, "list": json, "fitted_on": fittedOn],
        tensors: tensors)
      try writeFileDurably(path: "\(folder)/\(FeatureList.fileName)", text: json)
      return try SafetensorsFile(path: path, verify: .skipped).checksum ?? ""
    } catch { throw EventsError(error) }
  }
}
