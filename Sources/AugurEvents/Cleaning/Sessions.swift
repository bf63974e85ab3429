// Sessions of a user: runs of events that gaps, caps, closing events and midnights cut.

/// When a session ends. A new one begins with an event
/// - more than `gapMinutes` after the one before (as web analytics count: 30 minutes),
/// - that would be one too many for `maximumEvents`, or later than `maximumMinutes` after the session's first event,
/// - later than an event of a kind that closes (a purchase closes its session; what has the same time still belongs to it),
/// - on a later local day, where `cutsAtMidnight` is set.
public struct SessionRules: Sendable, Equatable {
  public var gapMinutes: Double = 30
  public var maximumEvents: Int?
  public var maximumMinutes: Double?
  /// Kinds of events, as the log names them.
  public var endKinds: [String] = []
  /// Off by default: people shop past midnight.
  public var cutsAtMidnight = false
  /// IANA zone such as Europe/Berlin, or a fixed offset such as +02:00: of midnights, and of the log's times that name none.
  public var zoneName = "UTC"

  public init() {}
}

/// Cuts the events of users into sessions. Times are instants, so that a change of clocks neither lengthens nor shortens a gap.
package struct Sessionizer {
  private let gap: Int64
  private let maximumEvents: Int
  private let maximumLength: Int64
  private let endKinds: [Int32]
  private let zone: ClockZone?
  var needsKinds: Bool { !endKinds.isEmpty }
  /// The stretch of constant offset that was used last.
  private var stretch = ClockZone.Stretch(offset: 0, from: 0, until: 0)

  /// `kindNames` are the kinds of the log by index. Throws for an unknown zone, and for a closing kind that the log does not
  /// have.
  package init(_ rules: SessionRules, kindNames: [String] = []) throws(EventsError) {
    func milliseconds(_ minutes: Double) -> Int64 { Int64((min(max(0, minutes), 1e12) * 60_000).rounded()) }
    gap = milliseconds(rules.gapMinutes)
    maximumEvents = max(1, rules.maximumEvents ?? .max)
    maximumLength = rules.maximumMinutes.map(milliseconds) ?? .max
    endKinds = try rules.endKinds.map { name throws(EventsError) in
      guard let index = kindNames.firstIndex(of: name) else {
        let near = nearest(to: name, in: kindNames).map { "did you mean \($0)?" }
        let known = kindNames.prefix(16).map { excerpt($0.utf8) }.joined(separator: ", ")
        throw EventsError(
          file: "--session-end", problem: "no event of kind \(excerpt(name.utf8)) in the log",
          advice: near ?? "the kinds are \(known)")
      }
      return Int32(clamping: index)
    }
    zone = rules.cutsAtMidnight ? try ClockZone(named: rules.zoneName, place: "--time-zone") : nil
  }

  /// Indices of the events that begin a session; the first is 0 unless there are no events. Events without times are one
  /// session, cut by the cap of events alone.
  package mutating func starts(_ events: UserEvents) -> [Int] {
    var starts: [Int] = []
    findStarts(events.count, times: events.times, kinds: events.kinds, into: &starts)
    return starts
  }

  /// As `starts`, from columns and into an array that is reused; `times` [N] or empty, `kinds` [N] or empty.
  package mutating func findStarts(_ count: Int, times: [Int64], kinds: [Int32], into starts: inout [Int]) {
    starts.removeAll(keepingCapacity: true)
    guard count > 0 else { return }
    let (hasTimes, closes) = (!times.isEmpty, !endKinds.isEmpty && !kinds.isEmpty)
    var (first, isClosed) = (0, false)
    var day = hasTimes ? localDay(times[0]) : 0
    starts.append(0)
    for place in 0..<count {
      var begins = place - first >= maximumEvents
      if hasTimes, place > 0 {
        let (last, time) = (times[place - 1], times[place])
        begins = begins || time - last > gap || time - times[first] > maximumLength || isClosed && time > last
        if zone != nil {
          // Clocks set back over a midnight show the old day again: only a later day cuts.
          let today = localDay(time)
          begins = begins || today > day
          day = max(day, today)
        }
      }
      if begins {
        starts.append(place)
        (first, isClosed) = (place, false)
      }
      if closes, endKinds.contains(kinds[place]) { isClosed = true }
    }
  }

  private mutating func localDay(_ time: Int64) -> Int64 {
    guard let zone else { return 0 }
    let second = floorDivide(time, 1000)
    if !stretch.contains(second) { stretch = zone.stretch(at: second) }
    return floorDivide(second + stretch.offset, 86_400)
  }
}

/// Sessions of one user by rules alone, for a log without kinds that close.
package func sessionStarts(_ events: UserEvents, rules: SessionRules, kindNames: [String] = []) throws(EventsError) -> [Int] {
  var sessionizer = try Sessionizer(rules, kindNames: kindNames)
  return sessionizer.starts(events)
}

/// Rounds down, below zero too.
func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
  let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
  return remainder < 0 ? quotient - 1 : quotient
}
