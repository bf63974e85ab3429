// The rules of cleaning and sessions by name: the same names and texts on the command line, in a rules file and in the
// description of a data set.
import AugurTensors
import FoundationEssentials

extension CleaningRules {
  /// Names of options and keys, in the order in which messages list them.
  public static let names = [
    "exact-duplicates", "duplicate-window", "missing", "impossible", "price-range", "quantity-range", "earliest-time",
    "latest-time",
    "burst", "max-history", "min-events", "min-item-events", "core", "clip-price", "session-gap", "session-cap", "session-end",
    "session-midnight", "time-zone",
  ]

  /// Sets a rule from its text, as an option gives it. Throws a line that names `place` (the option, or the file with the key).
  public mutating func set(_ name: String, _ text: String, place: String) throws(EventsError) {
    let text = RuleText(text: text, place: place)
    switch name {
    case "exact-duplicates": dropsExactDuplicates = try text.word(["drop", "keep"]) == "drop"
    case "duplicate-window": duplicateWindow = try text.number(text.text, 0...1e9, "seconds")
    case "missing": try setMissing(text)
    case "impossible":
      impossible = ImpossiblePolicy(rawValue: try text.word(ImpossiblePolicy.allCases.map(\.rawValue))) ?? .reject
    case "price-range": (leastPrice, largestPrice) = try text.range()
    case "quantity-range": (leastQuantity, largestQuantity) = try text.range()
    case "earliest-time": earliestTime = try text.time()
    case "latest-time": latestTime = try text.time()
    case "burst": burst = try text.burst()
    case "max-history": maximumHistory = try text.whole(text.text, 1...1 << 40)
    case "min-events": minimumUserEvents = try text.whole(text.text, 1...1 << 40)
    case "min-item-events": minimumItemEvents = try text.whole(text.text, 1...1 << 40)
    case "core":
      minimumUserEvents = try text.whole(text.text, 1...1 << 40)
      minimumItemEvents = minimumUserEvents
    case "clip-price": (lowPriceQuantile, highPriceQuantile) = try text.quantiles()
    case "session-gap": sessions.gapMinutes = try text.number(text.text, 0.001...1e9, "minutes")
    case "session-cap": (sessions.maximumEvents, sessions.maximumMinutes) = try text.cap()
    case "session-end": sessions.endKinds = try text.kinds()
    case "session-midnight": sessions.cutsAtMidnight = try text.word(["true", "false"]) == "true"
    case "time-zone":
      _ = try ClockZone(named: text.text, place: place)
      sessions.zoneName = text.text
    default:
      let near = nearest(to: name, in: Self.names).map { "did you mean \($0)?" }
      throw EventsError(
        file: place, problem: "no rule of this name", advice: near ?? "the rules are \(Self.names.joined(separator: ", "))")
    }
  }

  private mutating func setMissing(_ text: RuleText) throws(EventsError) {
    for part in text.text.split(separator: ",", omittingEmptySubsequences: false) {
      let pair = part.split(separator: "=", maxSplits: 1).map(String.init)
      guard pair.count == 2 else { throw text.failure("'\(part)' is not COLUMN=POLICY", "write price=drop,category=fill:none") }
      let policy = try text.missingPolicy(pair[1])
      if case .fill(let value) = policy, pair[0] == "price" || pair[0] == "quantity" {
        _ = try text.number(value, 0...Double(Float.greatestFiniteMagnitude), "the value to fill in")
      }
      switch pair[0] {
      case "event", "kind": missingKind = policy
      case "category": missingCategory = policy
      case "price": missingPrice = policy
      case "quantity": missingQuantity = policy
      default:
        throw text.failure(
          "unknown column \(excerpt(pair[0].utf8))",
          "the columns are event, category, price, quantity; rows without a user, an item or a time are bad rows")
      }
    }
  }

  /// The text of a rule; nil where it is as by default.
  func text(of name: String) -> String? {
    let standard = CleaningRules()
    func changed(_ isChanged: Bool, _ text: @autoclosure () -> String) -> String? { isChanged ? text() : nil }
    switch name {
    case "exact-duplicates": return changed(!dropsExactDuplicates, "keep")
    case "duplicate-window": return changed(duplicateWindow > 0, short(duplicateWindow))
    case "missing":
      let all = [("event", missingKind), ("category", missingCategory), ("price", missingPrice), ("quantity", missingQuantity)]
      let parts = all.filter { $0.1 != .keep }.map { "\($0.0)=\($0.1.text)" }
      return changed(!parts.isEmpty, parts.joined(separator: ","))
    case "impossible": return changed(impossible != standard.impossible, impossible.rawValue)
    case "price-range":
      return changed(
        leastPrice != standard.leastPrice || largestPrice != standard.largestPrice, bounds(leastPrice, largestPrice))
    case "quantity-range":
      return changed(
        leastQuantity != standard.leastQuantity || largestQuantity != standard.largestQuantity,
        bounds(leastQuantity, largestQuantity))
    case "earliest-time": return earliestTime.map(thousandths)
    case "latest-time": return latestTime.map(thousandths)
    case "burst": return burst.map { "\($0.events)/\(short($0.seconds)):\($0.action.rawValue)" }
    case "max-history": return maximumHistory.map(String.init)
    case "min-events": return changed(minimumUserEvents > 1, String(minimumUserEvents))
    case "min-item-events": return changed(minimumItemEvents > 1, String(minimumItemEvents))
    case "clip-price": return changed(clipsPrices, "\(short(lowPriceQuantile)):\(short(highPriceQuantile))")
    case "session-gap": return changed(sessions.gapMinutes != standard.sessions.gapMinutes, short(sessions.gapMinutes))
    case "session-cap":
      let minutes = sessions.maximumMinutes.map { "/" + short($0) } ?? ""
      return changed(sessions.maximumEvents != nil || !minutes.isEmpty, (sessions.maximumEvents.map(String.init) ?? "") + minutes)
    case "session-end": return changed(!sessions.endKinds.isEmpty, sessions.endKinds.joined(separator: ","))
    case "session-midnight": return changed(sessions.cutsAtMidnight, "true")
    case "time-zone": return changed(sessions.zoneName != standard.sessions.zoneName, sessions.zoneName)
    default: return nil
    }
  }
}

extension MissingPolicy {
  var text: String {
    switch self {
    case .keep: "keep"
    case .drop: "drop"
    case .fill(let value): "fill:\(value)"
    }
  }
}

/// A number without the `.0` of a whole one.
func short<Value: BinaryFloatingPoint & CustomStringConvertible>(_ value: Value) -> String {
  let text = value.description
  return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
}

/// `LEAST:LARGEST`, without what is no bound.
private func bounds(_ least: Float, _ largest: Float) -> String {
  let limit = Float.greatestFiniteMagnitude
  return (least == -limit ? "" : short(least)) + ":" + (largest == limit ? "" : short(largest))
}

/// Epoch milliseconds as `latest-time` takes them, whatever their size: seconds with thousandths.
private func thousandths(_ time: Int64) -> String {
  let rest = String(time % 1000)
  return "\(time / 1000)." + String(repeating: "0", count: 3 - rest.count) + rest
}

extension CleaningRules: Codable {
  private struct Name: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  /// A value of a rules file: a text, a number, true or false, or a list of texts.
  private struct Value: Decodable {
    let text: String?
    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let word = try? container.decode(String.self) {
        text = word
      } else if let flag = try? container.decode(Bool.self) {
        text = String(flag)
      } else if let number = try? container.decode(Double.self) {
        text = short(number)
      } else {
        text = (try? container.decode([String].self))?.joined(separator: ",")
      }
    }
  }

  /// Reads an object of rules: absent ones are as by default. Throws `EventsError` for an unknown rule and for a wrong value.
  public init(from decoder: any Decoder) throws {
    self.init()
    let container = try decoder.container(keyedBy: Name.self)
    for key in container.allKeys.sorted(by: { $0.stringValue < $1.stringValue }) {
      let place = "rules file: \(excerpt(key.stringValue.utf8))"
      guard let text = try container.decode(Value.self, forKey: key).text else {
        throw EventsError(file: place, problem: "neither a text, a number, true, false nor a list of texts", advice: "correct it")
      }
      try set(key.stringValue, text, place: place)
    }
  }

  /// Writes the rules that are not as by default.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Name.self)
    for name in Self.names {
      guard let text = text(of: name) else { continue }
      if let whole = Int(text) {
        try container.encode(whole, forKey: Name(stringValue: name))
      } else {
        try container.encode(text, forKey: Name(stringValue: name))
      }
    }
  }

  /// Reads a rules file: a JSON object whose keys are the names of the options.
  public init(file path: String) throws(EventsError) {
    let file: MappedFile
    do throws(SafetensorsError) { file = try MappedFile(path: path) } catch { throw EventsError(error) }
    guard file.bytes.count <= 1 << 20 else {
      throw EventsError(
        file: path, problem: "\(file.bytes.count) bytes are too many for rules", advice: "is this the rules file?")
    }
    do { self = try JSONDecoder().decode(CleaningRules.self, from: Data(file.bytes)) } catch let error as EventsError {
      throw EventsError(file: path, field: error.file, problem: error.problem, advice: error.advice)
    } catch {
      throw EventsError(
        file: path, problem: "not a JSON object of rules", advice: "write for example {\"core\": 5, \"missing\": \"price=drop\"}")
    }
  }
}
