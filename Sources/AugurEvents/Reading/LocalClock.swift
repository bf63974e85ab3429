// Local times as instants: what the clocks of a zone showed.

/// Reads the times of one zone, which most often lie in the stretch of constant offset that was used last.
///
/// When clocks go back, an hour of local times is there twice: they are taken for the first of the two, and counted. When clocks go
/// forward, an hour is not there at all: such a time is refused, for no instant is meant by it.
struct LocalClock: Sendable, Equatable {
  let name: String
  private let zone: ClockZone
  private var stretch: ClockZone.Stretch
  /// Times that could have meant two instants.
  private(set) var ambiguous = 0
  /// No two clocks of the world are further apart, so that a stretch this far around an instant leaves no doubt.
  private static let doubt: Int64 = 2 * 86_400

  /// Nil for UTC, which needs no clock. Throws for an unknown zone, naming `place`.
  init?(zone name: String, place: String = "--time-zone") throws(EventsError) {
    zone = try ClockZone(named: name, place: place)
    guard zone != ClockZone(fixed: 0) else { return nil }
    (self.name, stretch) = (name, zone.stretch(at: 0))
  }

  /// Epoch seconds of a local time, in seconds since 1970 on the local clock.
  mutating func instant(ofLocal second: Int64) throws(Timestamp.Failure) -> Int64 {
    let guess = second - stretch.offset
    if stretch.contains(guess - Self.doubt), stretch.contains(guess + Self.doubt) { return guess }
    let meant = stretches(around: second).map { (at: second - $0.offset, stretch: $0) }.filter { $0.stretch.contains($0.at) }
    guard let first = meant.first else { throw .skipped(zone: name) }
    stretch = first.stretch
    if meant.count > 1 { ambiguous += 1 }
    return first.at
  }

  /// Epoch seconds of the first instant of a day, counted from 1970: midnight, or where clocks skip it the moment in which they do.
  mutating func start(ofDay day: Int64) -> Int64 {
    let second = day * 86_400
    let guess = second - stretch.offset
    if stretch.contains(guess - Self.doubt), stretch.contains(guess + Self.doubt) { return guess }
    let around = stretches(around: second)
    let midnight = around.map { (at: second - $0.offset, stretch: $0) }.first { $0.stretch.contains($0.at) }
    if let midnight { stretch = midnight.stretch }
    return midnight?.at ?? around.first { second - $0.offset < $0.from }?.from ?? second - stretch.offset
  }

  /// In order of time, those that a local time can lie in.
  private func stretches(around second: Int64) -> [ClockZone.Stretch] {
    let middle = zone.stretch(at: second - zone.stretch(at: second).offset)
    var found = [middle]
    if middle.from > .min { found.insert(zone.stretch(at: middle.from - 1), at: 0) }
    if middle.until < .max { found.append(zone.stretch(at: middle.until)) }
    return found
  }
}
