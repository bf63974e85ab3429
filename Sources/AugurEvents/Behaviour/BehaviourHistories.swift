// The last items, or categories, of each user: what models of target attention read.

/// Of each of N users the ids met last, oldest first. Ids of one moment stand in the order of their bytes: that of the log never matters.
struct BehaviourHistories: Sendable {
  struct Entry: Sendable, Equatable {
    var time: Int64
    var index: Int32
  }

  /// Stands between the ids of a text.
  static let separator = UInt8(ascii: "|")
  /// Ids that a user has at most.
  static let longest = 10_000
  /// Ids that are kept where a description does not say how many.
  static let usual = 50

  let last: Int
  private(set) var lists: [[Entry]] = []  // [N]

  init(last: Int) { self.last = last }

  /// Takes what a file holds; nil where it does not fit `users` users, or ids below `count` met until `latest`.
  init?(last: Int, users: Int, offsets: [Int64], times: [Int64], indices: [Int32], count: Int, latest: Int64) {
    self.init(last: last)
    guard offsets.count == users + 1, offsets.first == 0, offsets.last == Int64(indices.count), times.count == indices.count,
      zip(offsets, offsets.dropFirst()).allSatisfy({ $0 <= $1 && $1 - $0 <= Int64(last) }),
      indices.allSatisfy({ $0 >= 0 && $0 < count }), times.allSatisfy({ $0 >= 0 && $0 <= latest })
    else { return nil }
    for (begin, end) in zip(offsets, offsets.dropFirst()) {
      let list = (Int(begin)..<Int(end)).map { Entry(time: times[$0], index: indices[$0]) }
      guard zip(list, list.dropFirst()).allSatisfy({ $0.time <= $1.time }) else { return nil }
      lists.append(list)
    }
  }

  /// Room for `total` users; new ones have met nothing.
  mutating func grow(to total: Int) {
    while lists.count < total { lists.append([]) }
  }

  /// Precondition: `user` in 0..<N, and no entry of the user is later.
  mutating func add(_ user: Int, _ entry: Entry, _ ids: Vocabulary) {
    var place = lists[user].count
    while place > 0, lists[user][place - 1].time == entry.time, ids.isOrdered(Int(entry.index), Int(lists[user][place - 1].index)) {
      place -= 1
    }
    lists[user].insert(entry, at: place)
    if lists[user].count > last { lists[user].removeFirst() }
  }

  /// The ids of a user; nil where one of them holds the separator, in `bad`.
  func text(_ user: Int, _ ids: Vocabulary, bad: inout Int) -> String? {
    var bytes: [UInt8] = []
    for (place, entry) in lists[user].enumerated() {
      if place > 0 { bytes.append(Self.separator) }
      let begin = bytes.count
      ids.withID(Int(entry.index)) { bytes.append(contentsOf: $0) }
      guard !bytes[begin...].contains(Self.separator) else {
        bad = Int(entry.index)
        return nil
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension Vocabulary {
  /// Whether the bytes of id `a` come before those of `b`.
  fileprivate func isOrdered(_ a: Int, _ b: Int) -> Bool {
    a != b && withID(a) { first in withID(b) { second in first.lexicographicallyPrecedes(second) } }
  }
}

extension BehaviourState {
  /// Which ids a history lists.
  func table(_ subject: BehaviourEntity) -> Vocabulary { ids[subject == .item ? Self.itemIDs : Self.categoryIDs] }

  /// The histories of an event as of its time, in the order of their columns: ids joined by `|`, oldest first.
  ///
  /// Throws for an event before `clock`, and for an id that holds `|`.
  public mutating func histories(of event: BehaviourEvent) throws(EventsError) -> [String] {
    try settle(event)
    var texts: [String] = []
    for (own, made) in zip(plan.histories, histories) {
      var bad = 0
      guard let text = made.text(Int(event.user), table(own.subject), bad: &bad) else {
        let id = table(own.subject).withID(bad) { excerpt($0) }
        throw EventsError(
          file: "features", field: plan.columns[own.place].name, problem: "the id \(id) holds '|', which stands between the ids of a history",
          advice: "rename it in the log, or leave the feature out")
      }
      texts.append(text)
    }
    return texts
  }

  /// Adds an event that has become earlier than what is asked for.
  mutating func remember(_ event: BehaviourEvent) {
    for (place, own) in plan.histories.enumerated() {
      let index = own.subject == .item ? event.item : event.category
      guard index >= 0 else { continue }
      histories[place].add(Int(event.user), BehaviourHistories.Entry(time: event.time, index: index), table(own.subject))
    }
  }
}
