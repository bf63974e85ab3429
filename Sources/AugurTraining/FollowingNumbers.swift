// Numbers that are told by one with a direction, such as the price: an answer that falls with the price could rise by way of them.
import AugurEvents
import AugurModels

/// A number of a table that is a monotone function of another one, the leader, in the training rows, or nearly so.
struct FollowingNumber: Equatable {
  /// Rows in which it follows: all, or any that have one value of a feature.
  enum Scope: Equatable {
    case all
    case field(String), number(String)
  }
  let name: String
  let scope: Scope
  /// Share of the variance of its ranks that the function leaves open.
  let rest: Double
  let rises: Bool
  /// Whether it has two values, as a flag that may well be set with the leader and still mean something of its own.
  let isFlag: Bool

  /// What rounding of both numbers leaves open, at most.
  static let exact = 1e-6
  /// What a copy with some noise leaves open; so may a number of its own that is alike.
  static let near = 0.01
}

/// Looks for the numbers that follow one of them.
///
/// Ranks of a number are explained by the best rising and the best falling function of the leader (isotonic regression), in all training rows
/// and in those of one value of each categorical feature and of each other number: a price over the usual one of its category follows the price in
/// the rows of a category, a discount in those of one list price. What is constant while the leader changes is of its own: a list price. Rows are
/// up to 5,000 of the largest groups.
struct FollowingNumbers {
  private static let mostRows = 5000
  /// Rows from which a group counts.
  private static let fewestOfGroup = 10
  /// Rows that must have another value than the most common one.
  private static let fewestUnlike = 20

  private let data: TableDataset
  private let leader: Column
  private let columns: [Column]

  private struct Column {
    let name: String
    let value: (Int) -> Float
  }

  /// Rows of one scope: those of a group together, by rising leader.
  private struct Order {
    let scope: FollowingNumber.Scope
    var groups: [[Int]] = []
  }

  /// Precondition: `name` is a number of the table.
  init(of name: String, _ data: TableDataset) {
    let (features, numbers) = (data.features, data.numbers)
    func number(_ place: Int) -> Column {
      let stride = features.numberNames.count
      return Column(name: features.numberNames[place]) { numbers[$0 * stride + place] }
    }
    let all = features.numberNames.indices.map(number)
    let buckets = features.list.features.compactMap { feature -> Column? in
      guard case .numeric(.quantileBuckets, _) = feature.kind, let field = features.fields.firstIndex(where: { $0.name == feature.name }) else {
        return nil
      }
      let ids = data.ids(field)
      return Column(name: feature.name) { Float(ids[$0]) }
    }
    guard let leader = all.first(where: { $0.name == name }) else { preconditionFailure("FollowingNumbers: no number \(name)") }
    (self.data, self.leader) = (data, leader)
    columns = (all + buckets).filter { $0.name != name && $0.name != "\(name):missing" }
  }

  /// Those that follow it exactly or nearly, each in the scope where it does best.
  func found() -> [FollowingNumber] {
    let orders = orders()
    return columns.compactMap { column in
      var best: FollowingNumber?
      for order in orders where order.scope != .number(column.name) && order.scope != .field(column.name) {
        guard let fit = fit(column, order) else { continue }
        guard fit.isConstant == false else { return nil }
        if fit.found.rest < (best?.rest ?? FollowingNumber.near) - FollowingNumber.exact { best = fit.found }
      }
      return best
    }
  }

  // MARK: Scopes

  private func orders() -> [Order] {
    let (rows, fields) = (data.rows(.training), data.features.fields)
    let spaced = stride(from: rows.lowerBound, to: rows.upperBound, by: step(rows.count, Self.mostRows))
    var orders = [order(.all, [Array(spaced)])]
    for (place, field) in fields.enumerated() where !field.isMultiValued {
      orders.append(order(.field(field.name), groups(rows, of: data.ids(place), size: field.size)))
    }
    for column in columns where !fields.contains(where: { $0.name == column.name }) {
      var groups: [UInt32: [Int]] = [:]
      for row in stride(from: rows.lowerBound, to: rows.upperBound, by: step(rows.count, 10 * Self.mostRows)) {
        groups[column.value(row).bitPattern, default: []].append(row)
      }
      orders.append(order(.number(column.name), largest(groups.sorted { $0.key < $1.key }.map(\.value))))
    }
    return orders.filter { !$0.groups.isEmpty }
  }

  /// Rows of the most common values of a field.
  private func groups(_ rows: Range<Int>, of ids: DatasetSlice<Int32>, size: Int) -> [[Int]] {
    var counts = [Int](repeating: 0, count: size)
    for row in rows { counts[Int(ids[row])] += 1 }
    var (groupOf, groups, left): ([Int], [[Int]], Int) = (Array(repeating: -1, count: size), [], Self.mostRows)
    for id in counts.indices.sorted(by: { (counts[$0], $1) > (counts[$1], $0) }) where counts[id] >= Self.fewestOfGroup && left > 0 {
      groupOf[id] = groups.count
      groups.append([])
      left -= counts[id]
    }
    for row in rows {
      let group = groupOf[Int(ids[row])]
      if group >= 0 { groups[group].append(row) }
    }
    return largest(groups)
  }

  /// Of so many rows every how many-th is enough.
  private func step(_ count: Int, _ most: Int) -> Int { max(1, (count + most - 1) / most) }

  /// The largest groups, as many as have the rows; of one that has more, some.
  private func largest(_ groups: [[Int]]) -> [[Int]] {
    var (kept, left): ([[Int]], Int) = ([], Self.mostRows)
    for group in groups.filter({ $0.count >= Self.fewestOfGroup }).sorted(by: { ($0.count, $1[0]) > ($1.count, $0[0]) }) where left > 0 {
      kept.append(stride(from: 0, to: group.count, by: step(group.count, left)).map { group[$0] })
      left -= kept[kept.count - 1].count
    }
    return kept
  }

  /// Groups in which the leader changes, sorted by it.
  private func order(_ scope: FollowingNumber.Scope, _ groups: [[Int]]) -> Order {
    let sorted = groups.filter { $0.count >= Self.fewestOfGroup }.map { group in
      group.map { (row: $0, value: leader.value($0)) }.sorted { ($0.value, $0.row) < ($1.value, $1.row) }
    }
    return Order(scope: scope, groups: sorted.filter { $0[0].value < $0[$0.count - 1].value }.map { $0.map(\.row) })
  }

  // MARK: Functions

  /// How well a function of the leader explains a number, and whether nothing is to explain; nil where too few rows tell.
  private func fit(_ column: Column, _ order: Order) -> (found: FollowingNumber, isConstant: Bool)? {
    let values = order.groups.map { $0.map(column.value) }
    guard let (ranks, count) = ranks(values) else { return nil }
    var (all, inside, rising, falling) = (0.0, 0.0, 0.0, 0.0)
    for (group, ranks) in zip(order.groups, ranks) {
      let (sum, squares) = (ranks.reduce(0, +), ranks.reduce(0) { $0 + $1 * $1 })
      let blocks = blocks(group, ranks)
      all += squares
      inside += squares - sum * sum / Double(ranks.count)
      rising += squares - explained(blocks)
      falling += squares - explained(blocks.map { (-$0.mean, $0.weight) })
    }
    let isConstant = inside <= 1e-9 * all
    let rest = isConstant ? 1 : max(0, min(rising, falling) / inside)
    let found = FollowingNumber(name: column.name, scope: order.scope, rest: rest, rises: rising <= falling, isFlag: count == 2)
    return (found, isConstant)
  }

  /// Mean ranks around 0, and how many values there are; nil where nearly all rows have one value.
  private func ranks(_ values: [[Float]]) -> (ranks: [[Double]], count: Int)? {
    let flat = values.flatMap { $0 }
    let places = flat.indices.sorted { flat[$0] < flat[$1] }
    var (ranks, start, count, most) = ([Double](repeating: 0, count: flat.count), 0, 0, 0)
    while start < places.count {
      var end = start + 1
      while end < places.count, flat[places[end]] == flat[places[start]] { end += 1 }
      for place in places[start..<end] { ranks[place] = (Double(start + end - 1) - Double(flat.count - 1)) / 2 }
      (count, most, start) = (count + 1, max(most, end - start), end)
    }
    guard flat.count - most >= Self.fewestUnlike else { return nil }
    var next = 0
    return (
      values.map { group in
        defer { next += group.count }
        return Array(ranks[next..<next + group.count])
      }, count
    )
  }

  /// Means of the ranks of rows with one value of the leader, by rising leader.
  private func blocks(_ group: [Int], _ ranks: [Double]) -> [(mean: Double, weight: Double)] {
    var (blocks, last): ([(mean: Double, weight: Double)], Float?) = ([], nil)
    for (row, rank) in zip(group, ranks) {
      let value = leader.value(row)
      if value == last {
        let old = blocks[blocks.count - 1]
        blocks[blocks.count - 1] = ((old.mean * old.weight + rank) / (old.weight + 1), old.weight + 1)
      } else {
        blocks.append((rank, 1))
      }
      last = value
    }
    return blocks
  }

  /// The sum of squares of the rising function with the least error: neighbours that fall are pooled.
  private func explained(_ blocks: [(mean: Double, weight: Double)]) -> Double {
    var pools: [(mean: Double, weight: Double)] = []
    for block in blocks {
      var pool = block
      while let last = pools.last, last.mean >= pool.mean {
        pool = ((last.mean * last.weight + pool.mean * pool.weight) / (last.weight + pool.weight), last.weight + pool.weight)
        pools.removeLast()
      }
      pools.append(pool)
    }
    return pools.reduce(0) { $0 + $1.weight * $1.mean * $1.mean }
  }
}

/// What is to be said of numbers that follow one with a direction, a line each.
///
/// - Parameter isSafe: whether an answer keeps to its direction by way of a number too.
/// - Throws: where one follows exactly and is no flag.
func followingWarnings(
  of name: String, knob: String, _ data: TableDataset, isSafe: (FollowingNumber) -> Bool = { _ in false }
) throws(ModelError) -> [String] {
  let found = FollowingNumbers(of: name, data).found().filter { !isSafe($0) }
  if let copy = found.first(where: { $0.rest <= FollowingNumber.exact && !$0.isFlag }) {
    throw .badCombination(
      "hyper-parameter '\(knob)': \(copy.words(name, "follows")), and by way of it an answer could turn the other way; \(copy.advice)")
  }
  return found.map { "\($0.words(name, $0.rest <= FollowingNumber.exact ? "follows" : "nearly follows")): if it is made of it, \($0.advice)" }
}

extension FollowingNumber {
  fileprivate func words(_ leader: String, _ verb: String) -> String {
    let rows =
      switch scope {
      case .all: "all training rows"
      case .field(let other), .number(let other): "the training rows of one '\(other)'"
      }
    return "'\(name)' \(verb) '\(leader)' in \(rows)"
  }

  fileprivate var advice: String {
    let other = if case .number(let other) = scope { " or '\(other)'" } else { "" }
    return "move '\(name)'\(other) from \"features\" to \"ignored\" in features.json and prepare again with --features"
  }
}
