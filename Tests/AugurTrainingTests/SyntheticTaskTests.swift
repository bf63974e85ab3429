// Tables of synthetic logs: inputs do not look past their time, the oracle scores as it should, and models come near it.
import AugurCompute
import AugurEvents
import AugurTensors
import Foundation
import Testing

@testable import AugurTraining

@Suite(.serialized) struct SyntheticTaskTests {
  private let scratch: Scratch
  private let small: SyntheticLog
  init() throws {
    scratch = try Scratch()
    var options = SyntheticOptions.shop
    (options.days, options.fraud) = (180, 0.05)
    small = try SyntheticLog(events: 20_000, users: 800, items: 300, seed: 5, options: options)
  }

  /// The shop as drawn, and the same without what happened from a day on.
  private func shops(from day: Int) throws -> (whole: SyntheticShop, cut: SyntheticShop) {
    let (first, second) = (scratch.path + "/whole", scratch.path + "/cut")
    let whole = try SyntheticShop(small, folder: first)
    try FileManager.default.copyItem(atPath: first, toPath: second)
    let limit = SyntheticOracle.start + day * 86_400
    let lines = try String(contentsOfFile: first + "/log.csv", encoding: .utf8).split(separator: "\n")
    let kept = lines.enumerated().filter { line, text in line == 0 || (Int(text.split(separator: ",")[3]) ?? 0) < limit }.map(\.element)
    #expect(kept.count < lines.count - 100)
    try kept.joined(separator: "\n").write(toFile: second + "/log.csv", atomically: true, encoding: .utf8)
    return (whole, try SyntheticShop(small, truth: whole.truth, folder: second))
  }

  /// Rows of an assembled table as columns by name, without labels.
  private func inputs(
    _ shop: SyntheticShop, _ name: String, _ make: (SyntheticShop, String) throws -> SyntheticTable
  ) throws -> [[String: Substring]] {
    let folder = "\(scratch.path)/\(name)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let table = try make(shop, folder)
    let lines = try String(contentsOfFile: table.path, encoding: .utf8).split(separator: "\n")
    let head = lines[0].split(separator: ",").map(String.init)
    return lines.dropFirst().map { line in
      let fields = line.split(separator: ",", omittingEmptySubsequences: false)
      return Dictionary(uniqueKeysWithValues: zip(head, fields).filter { !table.labels.contains($0.0) })
    }
  }

  @Test func tablesOfUsersDoNotLookPastTheCut() throws {
    let (whole, cut) = try shops(from: 150)
    #expect(whole.oracle.cutDay == 150)
    for (name, make) in [("churn", SyntheticTable.churn), ("time", SyntheticTable.churnTime), ("value", SyntheticTable.value)] {
      let (all, before) = (try inputs(whole, name + "-whole", make), try inputs(cut, name + "-cut", make))
      #expect(all.count > 200 && all == before, "\(name)")
    }
  }

  @Test func tablesOfVisitsAndDaysDoNotLookAhead() throws {
    let (whole, cut) = try shops(from: 140)
    let limit = SyntheticOracle.start + 139 * 86_400
    for (name, make) in [
      ("items", SyntheticTable.itemDemand), ("days", SyntheticTable.dayDemand), ("price", SyntheticTable.priceResponse),
    ] {
      func early(_ rows: [[String: Substring]]) -> [[String: Substring]] { rows.filter { (Int($0["timestamp"] ?? "") ?? 0) < limit } }
      let (all, before) = (early(try inputs(whole, name + "-whole", make)), early(try inputs(cut, name + "-cut", make)))
      #expect(all.count > 40 && all == before, "\(name)")
    }
    func early(_ rows: [[String: Substring]]) -> [[String: Substring]] { rows.filter { ($0["timestamp"] ?? "") < "2020-05-01" } }
    let all = early(try inputs(whole, "views-whole", SyntheticTable.conversion))
    let before = early(try inputs(cut, "views-cut", SyntheticTable.conversion))
    #expect(all.count > 2000 && all == before)
  }

  @Test func theOracleIsItsOwnBest() throws {
    let shop = try SyntheticShop(small, folder: scratch.path + "/whole")
    let made = try SyntheticTable.churn(shop, scratch.path)
    var options = TableOptions(label: "churned")
    options.kind = .random
    try prepareTable(inputs: [made.path], output: scratch.path + "/data", options: options)
    let table = try TableDataset(path: scratch.path + "/data")
    guard case .probability(let truth, _) = made.judge else {
      Issue.record("a judge of probabilities")
      return
    }
    let logits = table.rows(.test).map { row in
      let p = truth[Int(table.inputRows[row])]
      return Float(log(p / (1 - p)))
    }
    let scores = try made.judge.scores(([logits], []), table) { _ in nil }
    #expect(scores.map(\.metric) == ["AUC", "logloss"])
    #expect(scores.allSatisfy { abs($0.ratio - 1) < 1e-5 && $0.isNear })
    let blind = try made.judge.scores(([logits.map { _ in 0 }], []), table) { _ in nil }
    #expect(blind[0].ours == 0.5 && !blind[1].isNear)
  }

  /// Squared error of what is expected of visits behind the cut, and the slope of those that came on it.
  private func fit(_ expected: [Double], _ came: [Double]) -> (error: Double, slope: Double, mean: Double) {
    func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
    let (x, y) = (mean(expected), mean(came))
    let both = mean(zip(expected, came).map { ($0 - x) * ($1 - y) })
    return (mean(zip(expected, came).map { ($0 - $1) * ($0 - $1) }), both / mean(expected.map { ($0 - x) * ($0 - x) }), x)
  }

  @Test func whatVisitsTellOfThoseToComeIsAMean() throws {
    var options = SyntheticOptions.shop
    options.fraud = 0
    let shop = try SyntheticShop(
      SyntheticLog(events: 250_000, users: 5000, items: 1000, seed: 6, options: options), folder: scratch.path + "/large")
    let users = shop.users.indices.filter { shop.users[$0].isAtRisk }
    let seen = shop.users.indices.map { shop.seen(ofUser: $0, before: shop.oracle.cutDay) }
    let came = users.map { user in Double(shop.visits[user].count { $0.day >= shop.oracle.cutDay }) }
    let (all, some) = (shop.oracle.expectedVisitsAfterCut(), shop.oracle.expectedVisitsAfterCut(seen: seen))
    let (best, known) = (fit(users.map { all[$0] }, came), fit(users.map { some[$0] }, came))
    let mean = came.reduce(0, +) / Double(came.count)
    let blind = came.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(came.count)
    // Nearer than the mean, which knows no user, and not as near as the true activity.
    #expect(users.count > 2000 && best.error < known.error && known.error < 0.95 * blind, "\(best), \(known), \(blind)")
    #expect(abs(known.mean / mean - 1) < 0.06 && abs(known.slope - 1) < 0.2, "\(known), \(mean)")
  }

  @Test func levelsOfUsersAndVisits() {
    // 1000 sign up on the first day, 10 on the last: half of one kind are left after 120 days, of the other after 350.
    let users = SyntheticTable.expectedUsers(signups: [1000] + [Double](repeating: 0, count: 349) + [10, 0])
    let left = 500 * exp2(-350.0 / 120) + 250
    #expect(users.before[0] == 0 && users.during[0] == 500)
    #expect(abs(users.before[350] - left) < 1e-9 && abs(users.during[350] - left - 5) < 1e-9 && users.before[351] > left + 8)
    // The weekdays' own levels do not count; what came last counts most.
    let week = [0.5, 1, 1.5, 1, 1, 1.25, 0.75]
    #expect(abs(SyntheticTable.logLevel((0..<84).map { 3 * week[$0 % 7] }) - log(3)) < 1e-9)
    let risen = SyntheticTable.logLevel((0..<84).map { $0 < 56 ? 1 : 2 })
    #expect(risen > log(1.4) && risen < log(1.8))
  }

  @Test func quantilesOfCounts() {
    // Poisson 2: .1353 .4060 .6767 .8571 .9473. Negative binomial of mean 2 and variance 4, r 2 and p 1/2: .25 .5 .6875 .8125 .8906 .9375.
    #expect(countQuantile(0.5, mean: 2, dispersion: 1) == 2)
    #expect(countQuantile(0.9, mean: 2, dispersion: 1) == 4)
    #expect(countQuantile(0.13, mean: 2, dispersion: 1) == 0)
    #expect(countQuantile(0.49, mean: 2, dispersion: 2) == 1)
    #expect(countQuantile(0.9, mean: 2, dispersion: 2) == 5)
    #expect(countQuantile(0.9, mean: 1000, dispersion: 9) == (1000 + 1.2815516 * 9000.0.squareRoot()).rounded())
    #expect(countQuantile(0.5, mean: 0, dispersion: 1) == 0)
    #expect(SyntheticJudge.dispersion([4, 4], [0, 8]) == 4)
  }

  @Test func nearnessIsAShareOfTheBest() {
    func score(_ ours: Double, _ isMore: Bool?) -> Bool { SyntheticScore(metric: "m", ours: ours, best: 2, isMore: isMore).isNear }
    #expect(score(1.91, true) && !score(1.89, true) && score(3, true))
    #expect(score(2.09, false) && !score(2.11, false) && score(1, false))
    #expect(score(2.09, nil) && !score(2.11, nil) && !score(1.89, nil))
  }

  @Test func everyRecipeIsDeclared() throws {
    #expect(Set(SyntheticRecipe.all.map(\.name)).count == SyntheticRecipe.all.count)
    for recipe in SyntheticRecipe.all {
      #expect(SyntheticRecipe.named("synthetic/" + recipe.name)?.name == recipe.name)
      let task = try TaskDeclaration.named(recipe.task)
      try task.check(TableMethod.named(recipe.model ?? task.model), model: recipe.model ?? task.model)
    }
  }
}
