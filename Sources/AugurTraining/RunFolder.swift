// A run on disk: run.json (what was asked), last.safetensors (to go on), best.safetensors (the model), history.json (curves).
public import AugurEvents
public import AugurModels
public import AugurTensors
import Foundation

/// What a run was started with.
public struct RunSettings: Codable, Sendable, Equatable {
  public var model: String
  /// Of the model and the training plan.
  public var hyperparameters: [String: String]
  public var seed: UInt64
  public var dataPath: String
  /// Fingerprint of the data set.
  public var data: String
  public var itemCount: Int
  /// The declaration that it follows; nil where there is none.
  public var task: String?

  public init(
    model: String, hyperparameters: [String: String], seed: UInt64, dataPath: String, data: String, itemCount: Int, task: String? = nil
  ) {
    self.task = task
    (self.model, self.hyperparameters, self.seed) = (model, hyperparameters, seed)
    (self.dataPath, self.data, self.itemCount) = (dataPath, data, itemCount)
  }
}

public struct RunFolder: Sendable {
  public let path: String
  public var checkpointPath: String { path + "/last.safetensors" }
  public var modelPath: String { path + "/best.safetensors" }
  /// What encoded the rows of a table, so that a run answers new rows without its data set.
  public var featuresPath: String { path + "/features.safetensors" }
  /// Whether there is a run to go on with: a checkpoint, or the models of a search.
  public var holdsRun: Bool { holdsCheckpoint || FileManager.default.fileExists(atPath: path + "/members") }
  var holdsCheckpoint: Bool { FileManager.default.fileExists(atPath: checkpointPath) }
  public var hasFeatures: Bool { FileManager.default.fileExists(atPath: featuresPath) }
  var settingsPath: String { path + "/run.json" }
  var historyPath: String { path + "/history.json" }

  public init(_ path: String) { self.path = path }

  /// Makes the folder for a new run. Throws where it holds a run already or something else.
  public func create(_ settings: RunSettings) throws(TrainingError) {
    var isFolder: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) {
      guard isFolder.boolValue else { throw .run(path: path, problem: "is a file", advice: "choose another --output") }
      if holdsRun {
        throw .run(path: path, problem: "holds a run already", advice: "give --resume to go on with it, or another --output")
      }
      let entries = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
      let own = ["run.json", "history.json", "best.safetensors", "features.safetensors", "calibration.json", "search.json", "members"]
      if let other = entries.first(where: { !own.contains($0) && !$0.hasPrefix(".") }) {
        throw .run(path: path, problem: "holds '\(other)', which is no part of a run", advice: "choose another --output")
      }
    }
    do { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) } catch {
      throw .run(path: path, problem: "cannot be created (\(error.localizedDescription))", advice: "choose another --output")
    }
    try write(settings, to: settingsPath)
  }

  /// Keeps the features of a table beside its run.
  public func keepFeatures(of table: TableDataset) throws(TrainingError) {
    do { try table.writeFeatures(to: featuresPath) } catch { throw .save("\(error)") }
  }

  public func readSettings() throws(TrainingError) -> RunSettings {
    guard let bytes = FileManager.default.contents(atPath: settingsPath) else {
      throw .run(path: path, problem: "is no run folder: run.json is missing", advice: "give the --output of an augur train")
    }
    do { return try JSONDecoder().decode(RunSettings.self, from: bytes) } catch {
      throw .run(path: settingsPath, problem: "is damaged", advice: "train again with another --output")
    }
  }

  func openCheckpoint() throws(TrainingError) -> SafetensorsFile {
    try open(checkpointPath, advice: "train again without --resume and with another --output")
  }

  /// The best model so far.
  public func openModel() throws(TrainingError) -> SafetensorsFile {
    try open(modelPath, advice: "train until the first evaluation, or again with another --output")
  }

  /// The best model of the run that `settings` started, on its data set. Throws where the file is another run's: its item indices would
  /// not be those of `data`.
  public func loadModel(_ settings: RunSettings, for data: Dataset, device: Device) throws -> any SequenceModel {
    let file = try openModel()
    let found = try ModelDescription(of: file)
    let items = [found.itemCount, settings.itemCount, data.itemCount]
    guard found.model == settings.model, found.data == settings.data, data.fingerprint == settings.data, Set(items).count == 1,
      found.hyperparameters.allSatisfy({ settings.hyperparameters[$0.key] == $0.value })
    else {
      throw ModelError.damagedFile(
        path: file.path, problem: "belongs to another run: a \(found.model) of \(found.data), and run.json names a \(settings.model) of "
          + "\(settings.data); put the run's own file back, or train again with another --output")
    }
    let (model, _) = try found.makeModel(device: device, seed: 0)
    guard !model.readsTimes || data.description.hasTimestamps else {
      throw ModelError.damagedFile(path: file.path, problem: "belongs to another run: it reads times, and \(data.path) has none")
    }
    try model.load(from: file)
    return model
  }

  private func open(_ path: String, advice: String) throws(TrainingError) -> SafetensorsFile {
    do { return try SafetensorsFile(path: path) } catch {
      throw .run(path: error.path, problem: error.problem, advice: advice)
    }
  }

  /// The records of the first `epochs` epochs; a missing or damaged file costs the curves, not the run.
  public func readHistory(epochs: Int = .max) -> [EpochRecord] {
    guard let bytes = FileManager.default.contents(atPath: historyPath),
      let records = try? JSONDecoder().decode([EpochRecord].self, from: bytes)
    else { return [] }
    return records.filter { $0.epoch <= epochs }
  }

  func writeHistory(_ records: [EpochRecord]) throws(TrainingError) { try write(records, to: historyPath) }

  func write(_ value: some Encodable, to path: String) throws(TrainingError) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    do {
      let bytes = try encoder.encode(value)
      try writeFileDurably(path: path, bytes: Array(bytes))
    } catch { throw .save("\(error)") }
  }
}
