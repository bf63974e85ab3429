// A model on disk: one safetensors file, tensors under the names of the parameters, everything else in its metadata.
public import AugurLayers
public import AugurTensors

/// What is needed to build a model again and to refuse the wrong data.
public struct ModelDescription: Sendable, Equatable {
  public var model: String
  public var hyperparameters: [String: String]
  public var itemCount: Int
  /// Fingerprint of the data set whose item indices the tables use.
  public var data: String

  public init(model: String, hyperparameters: [String: String], itemCount: Int, data: String) {
    (self.model, self.hyperparameters) = (model, hyperparameters)
    (self.itemCount, self.data) = (itemCount, data)
  }

  private static let knobPrefix = "hyper-parameter."

  public var metadata: [String: String] {
    var entries = ["model": model, "items": String(itemCount), "data": data]
    for (name, value) in hyperparameters { entries[Self.knobPrefix + name] = value }
    return entries
  }

  public init(of file: SafetensorsFile) throws(ModelError) {
    guard let model = file.metadata["model"], let data = file.metadata["data"],
      let items = file.metadata["items"].flatMap({ Int($0) }), (1...Int(Int32.max)).contains(items)
    else { throw .damagedFile(path: file.path, problem: "is no model file: its metadata lacks model, items or data") }
    var knobs: [String: String] = [:]
    for (name, value) in file.metadata where name.hasPrefix(Self.knobPrefix) {
      knobs[String(name.dropFirst(Self.knobPrefix.count))] = value
    }
    self.init(model: model, hyperparameters: knobs, itemCount: items, data: data)
  }

  /// A new model with these knobs; `copies` as in `ModelEntry.makeModel`.
  public func makeModel(device: Device, seed: UInt64, copies: Int = 1) throws(ModelError) -> (any SequenceModel, Hyperparameters) {
    let entry = try ModelEntry.named(model)
    var knobs = Hyperparameters(entry.hyperparameters)
    for (name, value) in hyperparameters.sorted(by: { $0.key < $1.key }) { try knobs.set(name, value) }
    return (try entry.makeModel(knobs, itemCount: itemCount, device: device, seed: seed, copies: copies), knobs)
  }
}

/// Copies the tensors named after the parameters out of `file`.
public func load(_ parameters: [Parameter], from file: SafetensorsFile) throws(ModelError) {
  for parameter in parameters {
    do {
      let entry = try file.tensor(parameter.name)
      guard entry.shape == parameter.shape.sizes, entry.dtype == .f32 else {
        throw ModelError.damagedFile(
          path: file.path, problem: "tensor \(parameter.name): expected F32 \(parameter.shape), got \(entry.shape)")
      }
      parameter.value.upload(try file.bytes(parameter.name))
    } catch {
      throw error as? ModelError ?? .damagedFile(path: file.path, problem: "\(error)")
    }
  }
}

extension SequenceModel {
  /// Copies the tensors named after the parameters out of `file`.
  public func load(from file: SafetensorsFile) throws(ModelError) { try AugurModels.load(parameters, from: file) }
}
