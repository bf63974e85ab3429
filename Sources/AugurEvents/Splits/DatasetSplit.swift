// How a data set is divided into training, validation and test: what `--split` asks for and what dataset.json keeps.

/// The ways to divide; raw values as `--split` names them.
public enum SplitKind: String, Codable, Sendable, CaseIterable {
  /// At two moments, the same for everybody: nothing later than a prediction was learnt from, nor what belongs to its session.
  case time
  /// At two places of each user's own history.
  case user
  /// The last event of each user tests, the second last validates.
  case leaveOneOut = "leave-one-out"
  /// Whole users are drawn for one of the three parts.
  case random
}

/// Shares of training, validation and test, such as 70:15:15.
public struct SplitRatio: Sendable, Equatable, CustomStringConvertible {
  public let training: Int, validation: Int, test: Int

  /// 70:15:15.
  public static let standard = SplitRatio(training: 70, validation: 15, test: 15)
  /// 90:10:0, for logs whose test part is a file of its own.
  public static let tenthForValidation = SplitRatio(training: 90, validation: 10, test: 0)
  static let largest = 1_000_000

  private init(training: Int, validation: Int, test: Int) {
    (self.training, self.validation, self.test) = (training, validation, test)
  }

  /// Parses three whole numbers up to a million; nil unless training and one of the others are above 0.
  public init?(parsing text: String) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false).map { Int($0) ?? -1 }
    guard parts.count == 3, parts.allSatisfy({ (0...Self.largest).contains($0) }), parts[0] > 0, parts[1] + parts[2] > 0
    else { return nil }
    self.init(training: parts[0], validation: parts[1], test: parts[2])
  }

  public var description: String { "\(training):\(validation):\(test)" }
  var sum: Int { training + validation + test }

  /// How many of `count` things in order are for training, and how many for training and validation: rounded down.
  func places(of count: Int) -> (first: Int, second: Int) {
    func share(_ part: Int) -> Int {
      let (high, low) = count.multipliedFullWidth(by: part)
      return sum.dividingFullWidth((high, low)).quotient
    }
    return (share(training), share(training + validation))
  }
}

/// What a user asks for; without a kind, `time` for logs that have times and leave-one-out for others.
public struct SplitOptions: Sendable, Equatable {
  public var kind: SplitKind?
  public var ratio: SplitRatio
  /// Of `random`.
  public var seed: UInt64

  public init(_ kind: SplitKind? = nil, ratio: SplitRatio = .standard, seed: UInt64 = 1) {
    (self.kind, self.ratio, self.seed) = (kind, ratio, seed)
  }
}

/// The division of one data set, with all that is needed to do it again.
public enum DatasetSplit: Sendable, Equatable {
  /// Training is before the first moment, validation before the second, test is the rest, sessions are not cut; epoch milliseconds.
  case time(SplitRatio, first: Int64, second: Int64)
  case user(SplitRatio)
  case leaveOneOut
  case random(SplitRatio, seed: UInt64)

  /// - Parameters:
  ///   - file: the log, for the error.
  ///   - cuts: finds the two moments of a split by time; nil for logs without times.
  /// - Throws: where `time` is asked of a log without times, and what `cuts` throws.
  init(
    _ options: SplitOptions, file: String, cuts: ((SplitRatio) throws(EventsError) -> (first: Int64, second: Int64))?
  ) throws(EventsError) {
    switch options.kind ?? (cuts == nil ? .leaveOneOut : .time) {
    case .time:
      guard let cuts else {
        throw EventsError(
          file: file, problem: "the log has no times to split at", advice: "use --split leave-one-out, user or random")
      }
      let (first, second) = try cuts(options.ratio)
      self = .time(options.ratio, first: first, second: second)
    case .user: self = .user(options.ratio)
    case .leaveOneOut: self = .leaveOneOut
    case .random: self = .random(options.ratio, seed: options.seed)
    }
  }

  public var kind: SplitKind {
    switch self {
    case .time: .time
    case .user: .user
    case .leaveOneOut: .leaveOneOut
    case .random: .random
    }
  }

  /// Part of a data set's fingerprint: runs on different divisions of one log do not mix.
  var fingerprint: String {
    switch self {
    case .time(let ratio, let first, let second): "time-\(ratio)-\(first)-\(second)-whole-sessions"
    case .user(let ratio): "user-\(ratio)"
    case .leaveOneOut: "leave-one-out"
    case .random(let ratio, let seed): "random-\(ratio)-\(seed)"
    }
  }

  /// The division in words.
  public var words: String {
    switch self {
    case .time(let ratio, let first, let second):
      "global time \(ratio), training before \(Timestamp.text(first)), validation before \(Timestamp.text(second)), sessions in one part"
    case .user(let ratio): "each user's events \(ratio)"
    case .leaveOneOut: "leave-one-out"
    case .random(let ratio, let seed): "users drawn \(ratio) by seed \(seed)"
    }
  }
}

extension DatasetSplit: Codable {
  private enum Key: String, CodingKey { case kind, ratio, cuts, seed }

  public func encode(to encoder: any Encoder) throws {
    var object = encoder.container(keyedBy: Key.self)
    try object.encode(kind, forKey: .kind)
    switch self {
    case .time(let ratio, let first, let second):
      try object.encode(ratio.description, forKey: .ratio)
      try object.encode([first, second], forKey: .cuts)
    case .user(let ratio): try object.encode(ratio.description, forKey: .ratio)
    case .leaveOneOut: break
    case .random(let ratio, let seed):
      try object.encode(ratio.description, forKey: .ratio)
      try object.encode(seed, forKey: .seed)
    }
  }

  public init(from decoder: any Decoder) throws {
    let object = try decoder.container(keyedBy: Key.self)
    func ratio() throws -> SplitRatio {
      guard let ratio = SplitRatio(parsing: try object.decode(String.self, forKey: .ratio)) else {
        throw DecodingError.dataCorruptedError(forKey: .ratio, in: object, debugDescription: "not three shares")
      }
      return ratio
    }
    switch try object.decode(SplitKind.self, forKey: .kind) {
    case .time:
      let cuts = try object.decode([Int64].self, forKey: .cuts)
      guard cuts.count == 2, cuts[0] <= cuts[1] else {
        throw DecodingError.dataCorruptedError(forKey: .cuts, in: object, debugDescription: "not two rising times")
      }
      self = .time(try ratio(), first: cuts[0], second: cuts[1])
    case .user: self = .user(try ratio())
    case .leaveOneOut: self = .leaveOneOut
    case .random: self = .random(try ratio(), seed: try object.decode(UInt64.self, forKey: .seed))
    }
  }
}
