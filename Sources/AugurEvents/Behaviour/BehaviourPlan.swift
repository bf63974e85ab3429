// A description made ready to compute: which cells each entity keeps, which of them an event changes, and what each column reads.

/// How a column is computed from the cells of its entity. Counts are cells of `BehaviourCounters.counts`, the rest of its words.
enum BehaviourRule: Sendable {
  case count(Int)
  /// 0 days: since the first event.
  case perDay(Int, days: Double)
  case sum(Int)
  case mean(sum: Int, count: Int)
  /// Word 0 is the first event.
  case since(Int)
  /// A NaN prior is the rate of the log.
  case conversion(purchases: Int, views: Int, prior: Double, strength: Double)
  case priceRatio(sum: Int, count: Int)
  /// A range of `EntityPlan.weights`.
  case weight(Int, Int)
}

/// A column of a feature table.
public struct BehaviourColumn: Sendable, Equatable {
  public let name: String
  /// Set where the numbers of the column stand for texts.
  let texts: BehaviourTexts?
}

/// Which texts the numbers of a column stand for.
enum BehaviourTexts: Sendable, Equatable {
  case category, kind
  /// Of a joined table, in the order of joins, and its column.
  case joined(Int, Int)
  /// The text itself, in the order of histories: the row holds no number.
  case history(Int)
}

/// A constant table that is read without counting references.
final class PlanTable<Element: BitwiseCopyable & Sendable>: Sendable {
  let count: Int
  private nonisolated(unsafe) let base: UnsafeMutablePointer<Element>

  init(_ elements: [Element]) {
    count = elements.count
    base = .allocate(capacity: max(1, count))
    for (place, element) in elements.enumerated() { (base + place).initialize(to: element) }
  }

  deinit { base.deallocate() }

  /// Precondition: `place` in 0..<count.
  @inline(__always)
  subscript(place: Int) -> Element {
    assert(place >= 0 && place < count)
    return base[place]
  }
}

/// What one kind of entity keeps.
struct EntityPlan: Sendable {
  struct Step: Sendable {
    var cell: Int32
    /// Of a sum: price times quantity, not the price alone.
    var isMoney = false
  }
  struct Weight: Sendable {
    var cell: Int
    var weight: Double
  }
  struct Column: Sendable {
    var place: Int32
    var rule: BehaviourRule
  }

  let countCells: Int
  /// Word 0 is the time of the first event, then the last times, then the sums.
  let lastWords: Int
  let sumWords: Int
  let words: Int
  /// Cells that an event of a class changes, by row: the rows of expiry window by window, then those of entry.
  let countStarts: PlanTable<Int32>
  let countSteps: PlanTable<Step>
  let sumStarts: PlanTable<Int32>
  let sumSteps: PlanTable<Step>
  /// Words of last times by class.
  let lastStarts: PlanTable<Int32>
  let lastSteps: PlanTable<Step>
  let weights: PlanTable<Weight>
  let columns: PlanTable<Column>
  let isUsed: Bool
}

struct BehaviourPlan: Sendable {
  /// Kinds that groups name, in byte order; a class of events is a kind (the last stands for all others) with or without a price.
  let kinds: [String]
  var classes: Int { 2 * (kinds.count + 1) }
  /// Lengths in milliseconds, different from each other.
  let windows: [Int64]
  /// By `BehaviourEntity.allCases`.
  let entities: [EntityPlan]
  let clock: [(place: Int, part: BehaviourClockPart)]
  let attributes: [(place: Int, attribute: EventAttribute)]
  let columns: [BehaviourColumn]
  /// Cells of the log that give the prior of conversion, where it is asked for.
  let logRate: (purchases: Int, views: Int)?
  /// Without keys yet.
  let joins: [JoinState]
  let histories: [(place: Int, subject: BehaviourEntity, last: Int)]

  init(_ description: BehaviourDescription) throws(EventsError) {
    var maker = BehaviourPlanMaker(description)
    let needsPrior = description.features.contains { if case .conversion(_, nil, _, _) = $0 { true } else { false } }
    logRate =
      needsPrior
      ? (maker.count(.log, BehaviourDescription.purchase, .ever), maker.count(.log, BehaviourDescription.view, .ever)) : nil
    for feature in description.features {
      if case .join(let join) = feature { maker.add(join, try JoinedRows(join, zone: description.zoneName)) } else { maker.add(feature) }
    }
    (kinds, windows, clock, attributes, joins) = (maker.kinds, maker.windows, maker.clock, maker.attributes, maker.joins)
    histories = maker.histories
    columns = maker.columns
    entities = maker.finish()
    let names = columns.map(\.name)
    var seen: Set<String> = []
    if let twice = names.first(where: { !seen.insert($0).inserted }) {
      throw EventsError(file: "features", field: twice, problem: "two features make this column", advice: "leave one of them out")
    }
    guard !names.isEmpty, names.count <= 16_384 else {
      throw EventsError(file: "features", problem: "\(names.count) columns", advice: "describe from 1 to 16384 columns")
    }
  }
}

/// Gives cells to what features ask for, each once.
private struct BehaviourPlanMaker {
  struct CountKey: Hashable {
    var group: String
    var hasPrice: Bool
    var window: BehaviourWindow
  }
  struct SumKey: Hashable {
    var group: String
    var isMoney: Bool
    var window: BehaviourWindow
  }

  let kinds: [String]
  var windows: [Int64] = []
  var clock: [(place: Int, part: BehaviourClockPart)] = []
  var attributes: [(place: Int, attribute: EventAttribute)] = []
  var columns: [BehaviourColumn] = []
  var joins: [JoinState] = []
  var histories: [(place: Int, subject: BehaviourEntity, last: Int)] = []
  private let groups: [String: Set<Int>]
  private var entityColumns = BehaviourEntity.allCases.map { _ in [EntityPlan.Column]() }
  private var weights = BehaviourEntity.allCases.map { _ in [EntityPlan.Weight]() }
  private var counts = BehaviourEntity.allCases.map { _ in [CountKey]() }
  private var sums = BehaviourEntity.allCases.map { _ in [SumKey]() }
  private var lasts = BehaviourEntity.allCases.map { _ in [String]() }

  init(_ description: BehaviourDescription) {
    let kinds = Set(description.groups.values.joined()).sorted()
    self.kinds = kinds
    groups = description.groups.mapValues { names in Set(names.compactMap { kinds.firstIndex(of: $0) }) }
  }

  private func place(_ entity: BehaviourEntity) -> Int { BehaviourEntity.allCases.firstIndex(of: entity) ?? 0 }

  private static func index<Key: Equatable>(of key: Key, in keys: inout [Key]) -> Int {
    if let found = keys.firstIndex(of: key) { return found }
    keys.append(key)
    return keys.count - 1
  }

  private mutating func note(_ window: BehaviourWindow) {
    if let length = window.milliseconds, !windows.contains(length) { windows.append(length) }
  }

  mutating func count(_ entity: BehaviourEntity, _ group: String, _ window: BehaviourWindow, hasPrice: Bool = false) -> Int {
    note(window)
    return Self.index(of: CountKey(group: group, hasPrice: hasPrice, window: window), in: &counts[place(entity)])
  }

  /// The number among the sums; `finish` puts them behind the last times.
  private mutating func sum(_ entity: BehaviourEntity, _ group: String, _ window: BehaviourWindow, isMoney: Bool) -> Int {
    note(window)
    return Self.index(of: SumKey(group: group, isMoney: isMoney, window: window), in: &sums[place(entity)])
  }

  private mutating func last(_ entity: BehaviourEntity, _ group: String) -> Int {
    1 + Self.index(of: group, in: &lasts[place(entity)])
  }

  private mutating func add(_ entity: BehaviourEntity, _ name: String, _ rule: BehaviourRule) {
    entityColumns[place(entity)].append(EntityPlan.Column(place: Int32(columns.count), rule: rule))
    columns.append(BehaviourColumn(name: "\(entity.rawValue)_\(name)", texts: nil))
  }

  mutating func add(_ join: BehaviourJoin, _ rows: JoinedRows) {
    let number = joins.count
    joins.append(JoinState(rows, entity: join.entity, place: columns.count))
    for (place, column) in rows.columns.enumerated() {
      columns.append(BehaviourColumn(name: "\(join.prefix)_\(column.name)", texts: column.texts == nil ? nil : .joined(number, place)))
    }
  }

  mutating func add(_ feature: BehaviourFeature) {
    switch feature {
    case .count(let entities, let events, let windows):
      each(entities, events, windows) { maker, entity, group, window in
        maker.add(entity, "\(group)_count_\(window.name)", .count(maker.count(entity, group, window)))
      }
    case .frequency(let entities, let events, let windows):
      each(entities, events, windows) { maker, entity, group, window in
        let days = Double(window.milliseconds ?? 0) / 86_400_000
        maker.add(entity, "\(group)_per_day_\(window.name)", .perDay(maker.count(entity, group, window), days: days))
      }
    case .money(let entities, let statistics, let windows):
      each(entities, statistics.map(\.rawValue), windows) { maker, entity, statistic, window in
        let sum = maker.sum(entity, BehaviourDescription.purchase, window, isMoney: true)
        let name = "money_\(statistic)_\(window.name)"
        guard statistic == BehaviourMoney.mean.rawValue else { return maker.add(entity, name, .sum(sum)) }
        let count = maker.count(entity, BehaviourDescription.purchase, window, hasPrice: true)
        maker.add(entity, name, .mean(sum: sum, count: count))
      }
    case .recency(let entities, let events):
      each(entities, events, [.ever]) { maker, entity, group, _ in
        maker.add(entity, "seconds_since_\(group)", .since(maker.last(entity, group)))
      }
    case .age(let entities): for entity in entities { add(entity, "seconds_since_first", .since(0)) }
    case .conversion(let entities, let prior, let strength, let windows):
      each(entities, [""], windows) { maker, entity, _, window in
        let purchases = maker.count(entity, BehaviourDescription.purchase, window)
        let views = maker.count(entity, BehaviourDescription.view, window)
        let rule = BehaviourRule.conversion(purchases: purchases, views: views, prior: prior ?? .nan, strength: strength)
        maker.add(entity, "conversion_\(window.name)", rule)
      }
    case .priceRatio(let entities):
      for entity in entities {
        let sum = sum(entity, BehaviourDescription.any, .ever, isMoney: false)
        let count = count(entity, BehaviourDescription.any, .ever, hasPrice: true)
        add(entity, "price_ratio", .priceRatio(sum: sum, count: count))
      }
    case .weight(let entities, let weights, let windows):
      each(entities, [""], windows) { maker, entity, _, window in
        let parts = weights.sorted { $0.key < $1.key }.map { EntityPlan.Weight(cell: maker.count(entity, $0.key, window), weight: $0.value) }
        let first = maker.weights[maker.place(entity)].count
        maker.weights[maker.place(entity)] += parts
        maker.add(entity, "weight_\(window.name)", .weight(first, first + parts.count))
      }
    case .clock(let parts):
      for part in parts {
        clock.append((columns.count, part))
        columns.append(BehaviourColumn(name: part.rawValue, texts: nil))
      }
    case .join: break  // has files, and an `add` of its own
    case .history(let subject, let last):
      columns.append(BehaviourColumn(name: "\(subject.rawValue)_history", texts: .history(histories.count)))
      histories.append((columns.count - 1, subject, last))
    case .event(let names):
      for attribute in names {
        attributes.append((columns.count, attribute))
        let texts: BehaviourTexts? = attribute == .category ? .category : attribute == .kind ? .kind : nil
        columns.append(BehaviourColumn(name: attribute == .kind ? "event" : attribute.rawValue, texts: texts))
      }
    }
  }

  private mutating func each(
    _ entities: [BehaviourEntity], _ names: [String], _ windows: [BehaviourWindow],
    _ body: (inout BehaviourPlanMaker, BehaviourEntity, String, BehaviourWindow) -> Void
  ) {
    for entity in entities {
      for name in names {
        for window in windows { body(&self, entity, name, window) }
      }
    }
  }

  /// Whether an event of a class is of a group.
  private func holds(_ group: String, _ eventClass: Int) -> Bool {
    group == BehaviourDescription.any || groups[group]?.contains(eventClass / 2) == true
  }

  func finish() -> [EntityPlan] { BehaviourEntity.allCases.indices.map(entityPlan) }

  private func entityPlan(_ place: Int) -> EntityPlan {
    let (counts, sums, lasts) = (counts[place], sums[place], lasts[place])
    let firstSum = 1 + lasts.count
    let classes = 0..<2 * (kinds.count + 1)
    var (countStarts, sumStarts, lastStarts): ([Int32], [Int32], [Int32]) = ([0], [0], [0])
    var (countSteps, sumSteps, lastSteps): ([EntityPlan.Step], [EntityPlan.Step], [EntityPlan.Step]) = ([], [], [])
    for row in 0...windows.count {
      func isChanged(_ window: BehaviourWindow) -> Bool { row == windows.count || window.milliseconds == windows[row] }
      for eventClass in classes {
        for (cell, key) in counts.enumerated() where isChanged(key.window) && holds(key.group, eventClass) {
          if !key.hasPrice || eventClass % 2 == 1 { countSteps.append(EntityPlan.Step(cell: Int32(cell))) }
        }
        for (cell, key) in sums.enumerated() where isChanged(key.window) && holds(key.group, eventClass) && eventClass % 2 == 1 {
          sumSteps.append(EntityPlan.Step(cell: Int32(firstSum + cell), isMoney: key.isMoney))
        }
        countStarts.append(Int32(countSteps.count))
        sumStarts.append(Int32(sumSteps.count))
      }
    }
    for eventClass in classes {
      for (cell, group) in lasts.enumerated() where holds(group, eventClass) { lastSteps.append(EntityPlan.Step(cell: Int32(1 + cell))) }
      lastStarts.append(Int32(lastSteps.count))
    }
    let columns = entityColumns[place].map { EntityPlan.Column(place: $0.place, rule: $0.rule.movingSums(by: firstSum)) }
    return EntityPlan(
      countCells: counts.count, lastWords: lasts.count, sumWords: sums.count, words: firstSum + sums.count,
      countStarts: PlanTable(countStarts), countSteps: PlanTable(countSteps), sumStarts: PlanTable(sumStarts), sumSteps: PlanTable(sumSteps),
      lastStarts: PlanTable(lastStarts), lastSteps: PlanTable(lastSteps), weights: PlanTable(weights[place]), columns: PlanTable(columns),
      isUsed: !counts.isEmpty || !columns.isEmpty)
  }
}

extension BehaviourRule {
  fileprivate func movingSums(by first: Int) -> BehaviourRule {
    switch self {
    case .sum(let sum): .sum(first + sum)
    case .mean(let sum, let count): .mean(sum: first + sum, count: count)
    case .priceRatio(let sum, let count): .priceRatio(sum: first + sum, count: count)
    default: self
    }
  }
}
