// The knobs of a model or a training plan: declared once with default, range and meaning; set by name; stored as text.

/// One knob.
public struct Hyperparameter: Sendable {
  public enum Kind: Sendable {
    case integer(ClosedRange<Int>)
    case real(ClosedRange<Double>)
    case choice([String])
    /// Positive integers joined by `-`, such as 400-400.
    case widths
    /// What its owner reads, such as the name of a column, said in words.
    case text(String)
  }
  public let name: String
  public let kind: Kind
  public let standard: String
  public let meaning: String

  public static func integer(_ name: String, _ standard: Int, in range: ClosedRange<Int>, _ meaning: String) -> Self {
    Self(name: name, kind: .integer(range), standard: String(standard), meaning: meaning)
  }
  public static func real(_ name: String, _ standard: Double, in range: ClosedRange<Double>, _ meaning: String) -> Self {
    Self(name: name, kind: .real(range), standard: String(standard), meaning: meaning)
  }
  public static func choice(_ name: String, _ standard: String, of choices: [String], _ meaning: String) -> Self {
    Self(name: name, kind: .choice(choices), standard: standard, meaning: meaning)
  }

  public static func widths(_ name: String, _ standard: String, _ meaning: String) -> Self {
    Self(name: name, kind: .widths, standard: standard, meaning: meaning)
  }

  public static func text(_ name: String, _ standard: String, _ domain: String, _ meaning: String) -> Self {
    Self(name: name, kind: .text(domain), standard: standard, meaning: meaning)
  }

  /// What may be written, in words.
  public var domain: String {
    switch kind {
    case .integer(let range): "an integer in \(range.lowerBound)...\(range.upperBound)"
    case .real(let range): "a number in \(range.lowerBound)...\(range.upperBound)"
    case .choice(let choices): "one of " + choices.joined(separator: ", ")
    case .widths: "up to 16 widths in 1...65536 joined by -"
    case .text(let words): words + ", or " + standard
    }
  }

  fileprivate static func widths(_ text: String) -> [Int]? {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
    return (1...16).contains(parts.count) && parts.allSatisfy((1...65_536).contains) ? parts : nil
  }

  fileprivate func accepts(_ text: String) -> Bool {
    switch kind {
    case .integer(let range): Int(text).map(range.contains) ?? false
    case .real(let range): Double(text).map(range.contains) ?? false
    case .choice(let choices): choices.contains(text)
    case .widths: Hyperparameter.widths(text) != nil
    case .text: !text.isEmpty && text.utf8.count <= 4096 && !text.unicodeScalars.contains { $0.value < 32 }
    }
  }
}

/// The user's mistakes with models and their knobs.
public enum ModelError: Error, Equatable, CustomStringConvertible {
  case unknownModel(String, known: [String])
  case unknownHyperparameter(String, known: [String])
  case badValue(name: String, value: String, expected: String)
  case badCombination(String)
  case tooLarge(String)
  case damagedFile(path: String, problem: String)

  public var description: String {
    switch self {
    case .unknownModel(let name, let known): "unknown model '\(name)'; known: \(known.joined(separator: ", "))"
    case .unknownHyperparameter(let name, let known):
      "unknown hyper-parameter '\(name)'; known: \(known.joined(separator: ", "))"
    case .badValue(let name, let value, let expected): "hyper-parameter '\(name)': expected \(expected), got '\(value)'"
    case .badCombination(let problem), .tooLarge(let problem): problem
    case .damagedFile(let path, let problem): "\(path): \(problem)"
    }
  }
}

/// Values of a list of knobs; those not set have their default.
public struct Hyperparameters: Sendable, Equatable {
  public let declared: [Hyperparameter]
  private var values: [String: String] = [:]

  public init(_ declared: [Hyperparameter]) { self.declared = declared }

  public static func == (a: Self, b: Self) -> Bool { a.all == b.all }

  /// The knobs of a model and of a plan together.
  public init(_ model: Hyperparameters, and plan: Hyperparameters) throws(ModelError) {
    self.init(model.declared + plan.declared)
    for (name, value) in model.all.merging(plan.all, uniquingKeysWith: { a, _ in a }) { try set(name, value) }
  }

  public mutating func set(_ name: String, _ value: String) throws(ModelError) {
    guard let knob = declared.first(where: { $0.name == name }) else {
      throw .unknownHyperparameter(name, known: declared.map(\.name))
    }
    guard knob.accepts(value) else { throw .badValue(name: name, value: value, expected: knob.domain) }
    values[name] = value
  }

  public func knows(_ name: String) -> Bool { declared.contains { $0.name == name } }

  /// Every knob with its value, as text.
  public var all: [String: String] {
    Dictionary(uniqueKeysWithValues: declared.map { ($0.name, values[$0.name] ?? $0.standard) })
  }

  private func text(_ name: String) -> String {
    guard let knob = declared.first(where: { $0.name == name }) else { preconditionFailure("hyper-parameter \(name) is not declared") }
    return values[name] ?? knob.standard
  }
  public func integer(_ name: String) -> Int { Int(text(name)) ?? 0 }
  public func real(_ name: String) -> Float { Float(text(name)) ?? 0 }
  public func choice(_ name: String) -> String { text(name) }
  public func widths(_ name: String) -> [Int] { Hyperparameter.widths(text(name)) ?? [] }
}
