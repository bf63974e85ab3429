// How much less is bought at a higher price, as a model of tables has it: its answers at prices around those of the rows.
public import AugurEvents
import AugurTensors
import Foundation

extension SyntheticTable {
  private static let step = 0.1

  /// Whether a visit is bought, by its price relative to the middle one of its category.
  static func priceResponse(_ shop: SyntheticShop, _ folder: String) throws -> SyntheticTable {
    var prices: [Substring: [Double]] = [:]
    for item in shop.items { prices[item.category, default: []].append(item.basePrice) }
    let typical = prices.mapValues { $0.sorted()[$0.count / 2] }
    var lines = TableLines("timestamp,category_id,segment,promoted,\(relativePrice),bought")
    let end = shop.oracle.endDay * 86_400
    for visit in shop.honestVisits.sorted(by: { ($0.second, $0.user) < ($1.second, $1.user) }) {
      // Late purchases must have had their time.
      guard visit.second < end - 7 * 86_400 else { break }
      let item = shop.items[visit.item]
      lines.add([
        "\(SyntheticOracle.start + visit.second)", "\(item.category)", "\(shop.users[visit.user].segment)",
        visit.price < 0.95 * item.basePrice ? "1" : "0",
        cell(log(visit.price / (typical[item.category] ?? item.basePrice))), visit.isBought(withinDays: 7) ? "1" : "0",
      ])
    }
    try lines.write(to: folder + "/table.csv")
    let elasticity = shop.oracle.elasticity
    return SyntheticTable(
      path: folder + "/table.csv", labels: ["bought"], split: .time, categorical: ["category_id"],
      judge: .elasticity(elasticity.reduce(0, +) / Double(elasticity.count)),
      protocolText: "first views by users that are not fraudulent: bought within 7 days; the mean over categories of how the logarithm "
        + "of what the model promises falls with that of the price, 10 % up and down from the prices of the rows; inputs: category, segment, "
        + "promotion and price; split by time")
  }

  private static let relativePrice = "log_relative_price"

  /// The mean over categories of -d ln p / d ln price over the rows of the table.
  ///
  /// - Parameter answer: probabilities of the rows of a file.
  public func meanElasticity(_ answer: (TableColumns) -> [Float], features: Features, folder: String) throws -> Double {
    let lines = String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self).split(separator: "\n")
    let head = lines[0].split(separator: ",").map(String.init)
    guard let price = head.firstIndex(of: Self.relativePrice), let category = head.firstIndex(of: "category_id") else { return .nan }
    var groups: [Substring] = []
    func promised(_ change: Double) throws -> [Double] {
      let (input, output) = (folder + "/prices.csv", folder + "/promised.csv")
      var text = lines[0] + "\n"
      groups = []
      for line in lines.dropFirst() {
        var fields = line.split(separator: ",", omittingEmptySubsequences: false)
        fields[price] = Substring(cell((Double(fields[price]) ?? 0) + change))
        groups.append(fields[category])
        text += fields.joined(separator: ",") + "\n"
      }
      try writeFileDurably(path: input, text: String(text))
      _ = try writeAnsweredTable(inputs: [input], output: output, features: features, columns: ["promised"]) { [answer($0)] }
      return String(decoding: FileManager.default.contents(atPath: output) ?? Data(), as: UTF8.self).split(separator: "\n").dropFirst().map {
        $0.split(separator: ",").last.flatMap { Double($0) } ?? .nan
      }
    }
    let (low, high) = (try promised(-Self.step), try promised(Self.step))
    var sums: [Substring: (sum: Double, rows: Double)] = [:]
    for (row, group) in groups.enumerated() {
      let old = sums[group] ?? (0, 0)
      sums[group] = (old.sum + log(low[row] / high[row]) / (2 * Self.step), old.rows + 1)
    }
    return sums.values.reduce(0) { $0 + $1.sum / $1.rows } / Double(sums.count)
  }
}
