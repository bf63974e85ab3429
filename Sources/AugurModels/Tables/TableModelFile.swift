// A table model on disk: as `ModelFile.swift` has it for next-item models.
public import AugurTensors

/// What is needed to build a table model again and to refuse the wrong data.
public struct TableModelDescription: Sendable, Equatable {
  public var model: String
  public var hyperparameters: [String: String]
  public var shape: TableShape
  public var objective: TableObjective
  /// Fingerprint of the data set whose ids the tables use.
  public var data: String

  public init(model: String, hyperparameters: [String: String], shape: TableShape, objective: TableObjective, data: String) {
    (self.model, self.hyperparameters, self.shape) = (model, hyperparameters, shape)
    (self.objective, self.data) = (objective, data)
  }

  /// Whether the first answer is a logit, not a value.
  public var isBinary: Bool { objective.answers[0].kind == .probability }

  private static let knobPrefix = "hyper-parameter."

  public var metadata: [String: String] {
    var entries = [
      "model": model, "fields": shape.fieldSizes.map(String.init).joined(separator: ","), "numbers": String(shape.numberCount),
      "data": data,
    ].merging(objective.metadata) { a, _ in a }
    if !shape.histories.isEmpty { entries["histories"] = shape.histories.map { "\($0.field):\($0.target):\($0.longest)" }.joined(separator: ",") }
    if let price = shape.price {
      entries["price"] = price.name
      entries["elasticity"] =
        switch price.elasticity {
        case .one: "one"
        case .all: "all"
        case .field(let field): "\(field)"
        }
    }
    for (name, value) in hyperparameters { entries[Self.knobPrefix + name] = value }
    return entries
  }

  public init(of file: SafetensorsFile) throws(ModelError) {
    let sizes = file.metadata["fields"].map { $0.split(separator: ",").map { Int($0) ?? 0 } }
    guard let model = file.metadata["model"], let data = file.metadata["data"], let sizes,
      sizes.allSatisfy({ (1...Int(Int32.max)).contains($0) }), let numbers = file.metadata["numbers"].flatMap({ Int($0) }),
      (0...1 << 20).contains(numbers), let histories = Self.histories(file.metadata["histories"] ?? "", sizes),
      let price = Self.price(file.metadata, sizes)
    else { throw .damagedFile(path: file.path, problem: "is no file of a table model: its metadata lacks the shape of the table") }
    var knobs: [String: String] = [:]
    for (name, value) in file.metadata where name.hasPrefix(Self.knobPrefix) {
      knobs[String(name.dropFirst(Self.knobPrefix.count))] = value
    }
    self.init(
      model: model, hyperparameters: knobs,
      shape: TableShape(fieldSizes: sizes, numberCount: numbers, histories: histories, price: price.value), objective: try TableObjective(of: file), data: data)
  }

  /// Nil where the entries do not fit fields of these sizes.
  private static func price(_ entries: [String: String], _ sizes: [Int]) -> (value: TablePrice?, Void)? {
    guard let name = entries["price"] else { return (nil, ()) }
    switch entries["elasticity"] ?? "" {
    case "one": return (TablePrice(name, .one), ())
    case "all": return (TablePrice(name, .all), ())
    case let text:
      guard let field = Int(text), sizes.indices.contains(field) else { return nil }
      return (TablePrice(name, .field(field)), ())
    }
  }

  /// Nil where the text does not fit fields of these sizes.
  private static func histories(_ text: String, _ sizes: [Int]) -> [TableShape.History]? {
    var found: [TableShape.History] = []
    for part in text.split(separator: ",") {
      let numbers = part.split(separator: ":").compactMap { Int($0) }
      guard numbers.count == 3, sizes.indices.contains(numbers[0]), sizes.indices.contains(numbers[1]),
        sizes[numbers[0]] == sizes[numbers[1]], (1...1 << 20).contains(numbers[2])
      else { return nil }
      found.append(TableShape.History(field: numbers[0], target: numbers[1], longest: numbers[2]))
    }
    let fields = Set(found.map(\.field))
    return fields.count == found.count && fields.isDisjoint(with: found.map(\.target)) ? found : nil
  }

  /// A new model with these knobs; `copies` as in `TableModelEntry.makeModel`.
  public func makeModel(device: Device, seed: UInt64, copies: Int = 1) throws(ModelError) -> (any TableModel, Hyperparameters) {
    let entry = try TableModelEntry.named(model)
    var knobs = Hyperparameters(entry.hyperparameters)
    for (name, value) in hyperparameters.sorted(by: { $0.key < $1.key }) { try knobs.set(name, value) }
    return (try entry.makeModel(knobs, shape, outputs: objective.outputs, device: device, seed: seed, copies: copies), knobs)
  }
}
