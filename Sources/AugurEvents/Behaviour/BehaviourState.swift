// Features of behaviour, event by event: the one code path of training tables and of serving.
import AugurTensors

/// What happened so far, as far as the features of a description need it.
///
/// For each event in time order, `features(of:)` reads what came strictly before it, then `observe` counts it; a candidate is scored by
/// `features(of:)` alone. Memory: the ids and cells of all users, items and categories met, and 32 bytes for each event of the widest window.
/// Time of an event: one step for each cell that it changes, whatever the length of histories.
public struct BehaviourState: Sendable {
  public let description: BehaviourDescription
  let plan: BehaviourPlan
  /// Events and features before this time are refused: their past would hold their future. Epoch milliseconds.
  public internal(set) var clock: Int64 = 0
  var ids: [Vocabulary]  // users, items, categories, kinds
  /// Code of each kind met.
  var kindCodes: [Int32] = []
  var users, items, categories, log: BehaviourCounters
  var ring = EventRing()
  /// Where the events begin that are not counted yet, because nothing later was asked for.
  var applied = 0
  /// By window: where its events begin.
  var windowStarts: [Int]
  private var calendar: BehaviourCalendar
  /// By history of the plan.
  var histories: [BehaviourHistories]
  /// Tables and vectors, with the rows of the users and items met.
  private(set) var joins: [JoinState]

  static let (userIDs, itemIDs, categoryIDs, kindIDs) = (0, 1, 2, 3)

  /// Throws where two features make one column, and for an unknown zone.
  public init(_ description: BehaviourDescription) throws(EventsError) {
    plan = try BehaviourPlan(description)
    self.description = description
    ids = Array(repeating: Vocabulary(), count: 4)
    users = BehaviourCounters(plan.entities[0])
    items = BehaviourCounters(plan.entities[1])
    categories = BehaviourCounters(plan.entities[2])
    log = BehaviourCounters(plan.entities[3])
    log.grow(to: 1)
    windowStarts = Array(repeating: 0, count: plan.windows.count)
    joins = plan.joins
    histories = plan.histories.map { BehaviourHistories(last: $0.last) }
    calendar = BehaviourCalendar(try ClockZone(named: description.zoneName, place: "zone of the features"))
    for kind in plan.kinds { _ = self.kind(kind) }
  }

  /// Columns of a row, in order.
  public var columns: [BehaviourColumn] { plan.columns }
  /// Events kept for windows.
  public var keptEvents: Int { ring.count }

  private mutating func index(_ table: Int, _ id: String) -> Int32 {
    var id = id
    return id.withUTF8 { ids[table].index(adding: UnsafeRawBufferPointer($0)).index }
  }

  /// The index of a user, who is new where the id was never met.
  public mutating func user(_ id: String) -> Int32 {
    let index = index(Self.userIDs, id)
    if index == users.count {
      users.grow(to: Int(index) + 1)
      for place in histories.indices { histories[place].grow(to: Int(index) + 1) }
      join(.user, Self.userIDs, index)
    }
    return index
  }

  public mutating func item(_ id: String) -> Int32 {
    let index = index(Self.itemIDs, id)
    if index == items.count {
      items.grow(to: Int(index) + 1)
      join(.item, Self.itemIDs, index)
    }
    return index
  }

  private mutating func join(_ entity: BehaviourEntity, _ table: Int, _ index: Int32) {
    for place in joins.indices where joins[place].entity == entity {
      ids[table].withID(Int(index)) { joins[place].append($0) }
    }
  }

  /// Looks all users and items up again, as a state that is read from a file needs it.
  mutating func joinAgain() {
    joins = plan.joins
    for index in 0..<ids[Self.userIDs].count { join(.user, Self.userIDs, Int32(index)) }
    for index in 0..<ids[Self.itemIDs].count { join(.item, Self.itemIDs, Int32(index)) }
  }

  /// `BehaviourEvent.none` for an empty name.
  public mutating func category(_ name: String) -> Int32 {
    if name.isEmpty { return BehaviourEvent.none }
    let index = index(Self.categoryIDs, name)
    categories.grow(to: Int(index) + 1)
    return index
  }

  /// `BehaviourEvent.none` for an empty name.
  public mutating func kind(_ name: String) -> Int32 {
    if name.isEmpty { return BehaviourEvent.none }
    let index = index(Self.kindIDs, name)
    if Int(index) == kindCodes.count { kindCodes.append(Int32(plan.kinds.firstIndex(of: name) ?? plan.kinds.count)) }
    return index
  }

  /// An event by its ids, as a log has them.
  public mutating func event(
    user: String, item: String, time: Int64, kind: String = "", category: String = "", price: Float = .nan, quantity: Float = .nan
  ) -> BehaviourEvent {
    BehaviourEvent(
      user: self.user(user), item: self.item(item), time: time, kind: self.kind(kind), category: self.category(category),
      price: price, quantity: quantity)
  }

  /// The features of an event as of its time, from what was observed with strictly earlier times; NaN where there is none.
  public mutating func features(of event: BehaviourEvent) throws(EventsError) -> [Float] {
    var row = [Float](repeating: .nan, count: plan.columns.count)
    try features(of: event, into: &row)
    return row
  }

  /// The same into a row of as many numbers as there are columns. Throws for an event before `clock`.
  public mutating func features(of event: BehaviourEvent, into row: inout [Float]) throws(EventsError) {
    precondition(row.count == plan.columns.count, "features: expected \(plan.columns.count) places, got \(row.count)")
    var failure: EventsError?
    row.withUnsafeMutableBufferPointer { row in
      guard let base = row.baseAddress else { return }
      do throws(EventsError) { try features(of: event, into: base) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  /// The same into memory for as many numbers as there are columns.
  mutating func features(of event: BehaviourEvent, into row: UnsafeMutablePointer<Float>) throws(EventsError) {
    try settle(event)
    write(event, into: row)
  }

  /// Makes the state that of the event's time.
  @inline(__always)
  mutating func settle(_ event: BehaviourEvent) throws(EventsError) {
    try check(event)
    advance(to: event.time)
  }

  /// Changes nothing but the calendar; reading parts of a state that nobody else sees spares a copy of it.
  private mutating func write(_ event: BehaviourEvent, into row: UnsafeMutablePointer<Float>) {
    var logRate = 0.0
    let (time, price) = (event.time, event.price)
    if let cells = plan.logRate {
      let views = Double(log.count(0, cells.views))
      logRate = views > 0 ? Double(log.count(0, cells.purchases)) / views : 0
    }
    if log.plan.isUsed { log.write(0, time: time, price: price, logRate: logRate, into: row) }
    users.write(Int(event.user), time: time, price: price, logRate: logRate, into: row)
    items.write(Int(event.item), time: time, price: price, logRate: logRate, into: row)
    if event.category >= 0 {
      categories.write(Int(event.category), time: time, price: price, logRate: logRate, into: row)
    } else {
      for column in 0..<categories.plan.columns.count { row[Int(categories.plan.columns[column].place)] = .nan }
    }
    for place in joins.indices {
      joins[place].write(Int(joins[place].entity == .user ? event.user : event.item), time: time, into: row)
    }
    for history in plan.histories { row[history.place] = .nan }
    if !plan.clock.isEmpty { calendar.move(to: time) }
    for (place, part) in plan.clock { row[place] = calendar[part] }
    for (place, attribute) in plan.attributes {
      switch attribute {
      case .kind: row[place] = event.kind >= 0 ? Float(event.kind) : .nan
      case .category: row[place] = event.category >= 0 ? Float(event.category) : .nan
      case .price: row[place] = event.price
      case .quantity: row[place] = event.quantity
      }
    }
  }

  /// Counts an event for all that is asked of later times. Throws for an event before `clock`.
  public mutating func observe(_ event: BehaviourEvent) throws(EventsError) {
    try settle(event)
    ring.append(event)
  }

  @inline(__always)
  func isKnown(_ event: BehaviourEvent) -> Bool {
    event.user >= 0 && event.user < users.count && event.item >= 0 && event.item < items.count
      && event.category >= BehaviourEvent.none && event.category < categories.count
      && event.kind >= BehaviourEvent.none && event.kind < kindCodes.count
  }

  @inline(__always)
  private func check(_ event: BehaviourEvent) throws(EventsError) {
    let isKnown = isKnown(event)
    guard isKnown, event.time >= clock, event.time <= 1000 * Timestamp.latestSecond else { throw refusal(of: event, isKnown) }
  }

  private func refusal(of event: BehaviourEvent, _ isKnown: Bool) -> EventsError {
    guard isKnown else {
      return EventsError(file: "event", problem: "an index that this state did not give", advice: "make events with event(user:item:time:)")
    }
    guard event.time >= clock else {
      return EventsError(
        file: "event", field: "time", problem: "\(Timestamp.text(event.time)) is before \(Timestamp.text(clock)), which was already asked for",
        advice: "give events in the order of their times")
    }
    return EventsError(file: "event", field: "time", problem: "\(event.time) ms is after the year 2200", advice: "give epoch milliseconds")
  }

  /// Counts the events before `time`, and takes back what windows that end there have left behind.
  @inline(__always)
  private mutating func advance(to time: Int64) {
    guard time > clock else { return }
    clock = time
    while applied < ring.tail {
      let event = ring[applied]
      if event.time >= time { break }
      apply(event, row: plan.windows.count, by: 1)
      if !histories.isEmpty { remember(event) }
      applied += 1
    }
    var first = applied
    for window in windowStarts.indices {
      let begin = time - plan.windows[window]
      var place = windowStarts[window]
      while place < applied {
        let event = ring[place]
        if event.time >= begin { break }
        apply(event, row: window, by: -1)
        place += 1
      }
      windowStarts[window] = place
      first = min(first, place)
    }
    ring.drop(to: first)
  }

  @inline(__always)
  private mutating func apply(_ event: BehaviourEvent, row window: Int, by sign: Int64) {
    let hasPrice = event.price.isFinite
    let code = event.kind >= 0 ? Int(kindCodes[Int(event.kind)]) : plan.kinds.count
    let eventClass = 2 * code + (hasPrice ? 1 : 0)
    let row = window * plan.classes + eventClass
    let amounts = BehaviourAmounts(price: event.price, quantity: event.quantity)
    if sign > 0 {
      users.enter(Int(event.user), row: row, eventClass: eventClass, time: event.time, amounts)
      items.enter(Int(event.item), row: row, eventClass: eventClass, time: event.time, amounts)
      if event.category >= 0, categories.plan.isUsed { categories.enter(Int(event.category), row: row, eventClass: eventClass, time: event.time, amounts) }
      if log.plan.isUsed { log.enter(0, row: row, eventClass: eventClass, time: event.time, amounts) }
    } else {
      users.change(Int(event.user), row: row, by: sign, amounts)
      items.change(Int(event.item), row: row, by: sign, amounts)
      if event.category >= 0, categories.plan.isUsed { categories.change(Int(event.category), row: row, by: sign, amounts) }
      if log.plan.isUsed { log.change(0, row: row, by: sign, amounts) }
    }
  }
}
