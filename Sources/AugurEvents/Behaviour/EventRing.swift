// Events in time order between the widest window's end and now: a queue whose places are counted from the beginning of time.

struct EventRing: Sendable {
  private var storage: [BehaviourEvent]
  private(set) var head: Int
  private(set) var tail: Int

  init() { (storage, head, tail) = ([], 0, 0) }

  /// Holds `events`, the first of them at place `head`.
  init(_ events: [BehaviourEvent], head: Int) {
    self.init()
    (self.head, tail) = (head, head)
    for event in events { append(event) }
  }

  var count: Int { tail - head }

  /// Precondition: `place` in `head..<tail`.
  subscript(place: Int) -> BehaviourEvent {
    @inline(__always) get { storage[place & (storage.count - 1)] }
  }

  @inline(__always)
  mutating func append(_ event: BehaviourEvent) {
    if count == storage.count { grow() }
    storage[tail & (storage.count - 1)] = event
    tail += 1
  }

  mutating func drop(to place: Int) { head = max(head, min(place, tail)) }

  private mutating func grow() {
    var larger = [BehaviourEvent](
      repeating: BehaviourEvent(user: 0, item: 0, time: 0, kind: 0), count: max(1024, 2 * storage.count))
    for place in head..<tail { larger[place & (larger.count - 1)] = self[place] }
    storage = larger
  }
}
