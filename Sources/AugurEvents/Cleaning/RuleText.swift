// The text of one rule, and how its parts are read.

/// Reads the values that rules are written in; every failure names the option or key.
struct RuleText {
  let text: String
  let place: String

  func failure(_ problem: String, _ advice: String) -> EventsError { EventsError(file: place, problem: problem, advice: advice) }

  func word(_ words: [String]) throws(EventsError) -> String {
    guard words.contains(text) else { throw failure("expected \(words.joined(separator: ", ")), got \(excerpt(text.utf8))", "") }
    return text
  }

  func whole(_ part: some StringProtocol, _ range: ClosedRange<Int>) throws(EventsError) -> Int {
    guard let value = Int(part), range.contains(value) else {
      throw failure("expected a whole number from \(range.lowerBound), got \(excerpt(part.utf8))", "")
    }
    return value
  }

  func number(_ part: some StringProtocol, _ range: ClosedRange<Double>, _ what: String) throws(EventsError) -> Double {
    guard let value = Double(part), range.contains(value) else {
      throw failure("expected \(what) from \(range.lowerBound) to \(range.upperBound), got \(excerpt(part.utf8))", "")
    }
    return value
  }

  /// `LEAST:LARGEST`; either may be left out.
  private func bounds(_ least: Double, _ largest: Double, _ what: String) throws(EventsError) -> (Double, Double) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2 else {
      throw failure("expected LEAST:LARGEST, got \(excerpt(text.utf8))", "either may be left out, as in 0:")
    }
    let low = parts[0].isEmpty ? least : try number(parts[0], least...largest, what)
    let high = parts[1].isEmpty ? largest : try number(parts[1], least...largest, what)
    guard low < high else { throw failure("\(excerpt(text.utf8)) leaves no value between", "write the smaller number first") }
    return (low, high)
  }

  func range() throws(EventsError) -> (Float, Float) {
    let limit = Double(Float.greatestFiniteMagnitude)
    let (low, high) = try bounds(-limit, limit, "a number")
    return (Float(low), Float(high))
  }

  func quantiles() throws(EventsError) -> (Double, Double) { try bounds(0, 1, "a quantile") }

  func time() throws(EventsError) -> Int64 {
    do throws(Timestamp.Failure) {
      return try Array(text.utf8).span.bytes.withUnsafeBytes { raw throws(Timestamp.Failure) in try Timestamp.milliseconds(raw) }
    } catch {
      let (_, problem, advice) = error.explanation(text.utf8)
      throw failure(problem, advice)
    }
  }

  /// `EVENTS/SECONDS` and, after a colon, what to do.
  func burst() throws(EventsError) -> BurstRule {
    let (head, tail) = cut(":")
    let parts = head.split(separator: "/", omittingEmptySubsequences: false)
    let actions = BurstRule.Action.allCases.map(\.rawValue)
    guard parts.count == 2, let action = tail.map({ BurstRule.Action(rawValue: String($0)) }) ?? .flag else {
      throw failure(
        "expected EVENTS/SECONDS[:ACTION], got \(excerpt(text.utf8))", "the actions are \(actions.joined(separator: ", "))")
    }
    return BurstRule(events: try whole(parts[0], 1...1 << 40), seconds: try number(parts[1], 0...1e9, "seconds"), action: action)
  }

  /// `EVENTS`, `EVENTS/MINUTES` or `/MINUTES`.
  func cap() throws(EventsError) -> (Int?, Double?) {
    let (head, tail) = cut("/")
    guard !(head.isEmpty && tail == nil) else { throw failure("expected EVENTS, EVENTS/MINUTES or /MINUTES, got ''", "") }
    let events = head.isEmpty ? nil : try whole(head, 1...1 << 40)
    guard let tail else { return (events, nil) }
    return (events, try number(tail, 0.001...1e9, "minutes"))
  }

  func kinds() throws(EventsError) -> [String] {
    let kinds = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    guard kinds.allSatisfy({ !$0.isEmpty }) else { throw failure("a name of an event kind is empty", "write purchase,checkout") }
    return kinds
  }

  func missingPolicy(_ part: String) throws(EventsError) -> MissingPolicy {
    if part == "keep" { return .keep }
    if part == "drop" { return .drop }
    if part.hasPrefix("fill:"), part.utf8.count > 5 { return .fill(String(part.dropFirst(5))) }
    throw failure("unknown policy \(excerpt(part.utf8))", "the policies are keep, drop and fill:VALUE")
  }

  private func cut(_ separator: Character) -> (Substring, Substring?) {
    guard let place = text.firstIndex(of: separator) else { return (text[...], nil) }
    return (text[..<place], text[text.index(after: place)...])
  }
}
