// Demand by price: planted elasticities are found, and no answer rises with the price.
import AugurCompute
import AugurEvents
import AugurMetrics
import AugurModels
import AugurTensors
import Foundation
import OpCases
import Testing

@testable import AugurTraining

@Suite(.serialized) struct PriceResponseTests {
  private let planted = [0.8, 1.1, 1.4, 1.8, 2.2]

  /// Categories with elasticities and typical prices of their own, and what else sells. A probability, or a count.
  private func table(_ scratch: Scratch, rows: Int, isBinary: Bool) throws -> TableDataset {
    var text = "category,price,season,y\n"
    var random = RandomStream(seed: 12, stream: 0)
    for row in 0..<rows {
      let (category, season) = (row % 5, fixedValue(row, 1))
      let typical = [6.0, 12, 25, 50, 110][category]
      let relative: Double = fixedValue(row, 2)
      let price = typical * exp(relative)
      // The cheapest is bought by 6 of 10: no probability is cut at 1.
      let level: Double = isBinary ? log(0.6) - planted[category] : 0.5
      let logarithm = level - planted[category] * log(price / typical) + 0.3 * season
      let y: Int
      if isBinary { y = Double(random.uniform()) < exp(logarithm) ? 1 : 0 } else { y = poisson(exp(logarithm), &random) }
      text += "c\(category),\(Float(price)),\(Float(season)),\(y)\n"
    }
    try text.write(toFile: scratch.path + "/t.csv", atomically: true, encoding: .utf8)
    var options = TableOptions(label: "y")
    options.allowsLeaks = true
    try prepareTable(inputs: [scratch.path + "/t.csv"], output: scratch.path + "/data", options: options)
    return try TableDataset(path: scratch.path + "/data")
  }

  private func poisson(_ mean: Double, _ random: inout RandomStream) -> Int {
    var (product, count) = (Double(random.uniform()), 0)
    while product > exp(-mean) {
      product *= Double(random.uniform())
      count += 1
    }
    return count
  }

  private let settings = [
    "elasticity": "category", "batch": "512", "learning-rate": "0.02", "schedule": "cosine", "final-share": "0.01", "epochs": "15",
    "patience": "0", "units": "8", "dim": "2",
  ]

  @Test(arguments: [false, true])
  func plantedElasticitiesAreFoundWithinFivePercent(_ isBinary: Bool) throws {
    let scratch = try Scratch()
    let data = try table(scratch, rows: isBinary ? 250_000 : 60_000, isBinary: isBinary)
    let model = try scratch.trained("price-response", data, "run", settings).model
    #expect(model.answers[0].kind == (isBinary ? .probability : .value))
    let found = try #require(PriceElasticities(model, data, .validation))
    #expect(found.column == "category" && found.price == "price")
    for (category, truth) in planted.enumerated() {
      let group = try #require(found.groups.first { $0.value == "c\(category)" })
      #expect(abs(group.mean / -truth - 1) < 0.05, "\(group), planted \(-truth)")
    }
    let mean = planted.reduce(0, +) / Double(planted.count)
    #expect(abs(found.meanOfGroups / -mean - 1) < 0.03, "\(found.meanOfGroups), planted \(-mean)")
    if isBinary {
      let logits = outputs(of: model.predictor, on: data, .validation)[0].map(Double.init)
      let labels = data.rows(.validation).map { Double(data.labels[$0]) }
      let ratio = try #require(CalibrationRatio().value(try BinaryExamples(logits: logits, labels: labels)))
      #expect(abs(ratio - 1) < 0.03, "\(ratio)")
    }
  }

  /// Training rows, and as test rows 150 random ones, each at 12 rising prices. What sells is no falling function of the price.
  private func risingPrices(_ scratch: Scratch, isBinary: Bool) throws -> TableDataset {
    func line(_ row: Int, price: Double, _ y: Double) -> String {
      "k\(row * 7 % 4),\(fixedValue(row, 1)),\(Float(price)),\(isBinary ? (y > 0 ? 1 : 0) : y)\n"
    }
    var (training, validation, test) = ("kind,x,price,y\n", "kind,x,price,y\n", "kind,x,price,y\n")
    for row in 0..<1500 {
      let price = 5 + 4.5 * fixedValue(row, 2)
      let y = sin(price * (1 + fixedValue(row, 1))) + 0.3 * fixedValue(row, 3) + (isBinary ? 0 : 2)
      if row % 5 == 0 { validation += line(row, price: price, y) } else { training += line(row, price: price, max(isBinary ? -9 : 0, y)) }
    }
    for row in 2000..<2150 { for step in 0..<12 { test += line(row, price: 0.2 + Double(step * step) / 8, Double(row % 2)) } }
    let files = ["a", "b", "c"].map { "\(scratch.path)/\($0).csv" }
    for (file, text) in zip(files, [training, validation, test]) { try text.write(toFile: file, atomically: true, encoding: .utf8) }
    var options = TableOptions(label: "y")
    (options.validationInputs, options.testInputs, options.allowsLeaks) = ([files[1]], [files[2]], true)
    try prepareTable(inputs: [files[0]], output: scratch.path + "/data", options: options)
    return try TableDataset(path: scratch.path + "/data")
  }

  /// Pairs of neighbouring prices of one row at which the answer rises.
  private func rises(_ model: TrainedTableModel, _ data: TableDataset) -> Int {
    let answers = outputs(of: model.predictor, on: data, .test)[0]
    return answers.indices.count { $0 % 12 > 0 && answers[$0] > answers[$0 - 1] }
  }

  @Test(arguments: ["poisson", "bce", "squared"], ["one", "kind", "all"])
  func noAnswerRisesWithThePrice(_ loss: String, _ elasticity: String) throws {
    let scratch = try Scratch()
    let data = try risingPrices(scratch, isBinary: loss == "bce")
    let own = ["loss": loss, "elasticity": elasticity, "epochs": "6", "batch": "64", "learning-rate": "0.05", "patience": "0"]
    let model = try scratch.trained("price-response", data, "run", own).model
    #expect(rises(model, data) == 0)
    let elasticities = try #require(model.predictor.elasticities(data.columns, data.rows(.test)))
    #expect(elasticities.allSatisfy { $0 <= 0 } && elasticities.contains { $0 < 0 })
    // As central differences of the answers have them.
    let (rows, prices) = (data.rows(.test), try #require(data.features.scale(ofNumber: "price")))
    let answers = outputs(of: model.predictor, on: data, .test)[0].map(Double.init)
    for place in 0..<answers.count where place % 12 == 6 {
      let logs = [place - 1, place + 1].map { log(prices.cell(data.numbers[(rows.lowerBound + $0) * data.features.numberNames.count + prices.place])) }
      let ends = [place - 1, place + 1].map { place in
        loss == "squared" ? answers[place] : loss == "bce" ? -log1p(exp(-answers[place])) : log(answers[place])
      }
      let slope = (ends[1] - ends[0]) / (logs[1] - logs[0])
      let meant = Double(elasticities[place])
      #expect(abs(slope - meant) <= (loss == "bce" ? 0.06 : 0.002) * max(0.05, abs(meant)), "\(loss) \(elasticity): \(slope), \(meant)")
    }
  }

  @Test(arguments: [true, false])
  func treesKeepToADirection(_ isBinary: Bool) throws {
    let scratch = try Scratch()
    let data = try risingPrices(scratch, isBinary: isBinary)
    let own = ["epochs": "80", "patience": "0", "leaf-rows": "3", "learning-rate": "0.2", "leaves": "24"]
    #expect(rises(try scratch.trained("gbdt", data, "free", own).model, data) > 100)
    let falling = try scratch.trained("gbdt", data, "falling", own.merging(["monotone": "price:-1"]) { $1 }).model
    #expect(rises(falling, data) == 0)
    let answers = outputs(of: falling.predictor, on: data, .test)[0]
    #expect(Set(answers).count > 20)
    let rising = try scratch.trained("gbdt", data, "rising", own.merging(["monotone": "price:1,x:-1"]) { $1 }).model
    let values = outputs(of: rising.predictor, on: data, .test)[0]
    #expect(values.indices.allSatisfy { $0 % 12 == 0 || values[$0] >= values[$0 - 1] })
    // Trees that see a part of the rows and of the inputs each.
    let drawn = try scratch.trained(
      "gbdt", data, "drawn", own.merging(["monotone": "price:-1", "row-fraction": "0.5", "feature-fraction": "0.6"]) { $1 }).model
    #expect(rises(drawn, data) == 0)
  }

  @Test func anAskedDirectionCostsLittleWhereItIsTrue() throws {
    let scratch = try Scratch()
    let data = try table(scratch, rows: 20_000, isBinary: false)
    func error(_ monotone: String) throws -> Double {
      let model = try scratch.trained("gbdt", data, "\(monotone)", ["monotone": monotone, "epochs": "150"]).model
      return try #require(TableQuality(outputs(of: model.predictor, on: data, .test)[0], data, .test, model.answers[0], intervals: false)["RMSE"])
    }
    let (free, held) = (try error("none"), try error("price:-1"))
    #expect(held < free * 1.01, "\(held), \(free)")
  }

  @Test(arguments: [
    ("price-response", "price", "cost", "the table has no number 'cost'"), ("price-response", "price", "prise", "did you mean 'price'?"),
    ("price-response", "price", "category", "is no number that is kept as it is"), ("price-response", "elasticity", "season", "is a number"),
    ("gbdt", "monotone", "price", "expected numbers with a direction"), ("gbdt", "monotone", "price:2", "expected numbers with a direction"),
    ("gbdt", "monotone", "category:-1", "'category' is no number of the table"), ("gbdt", "monotone", "prise:-1", "did you mean 'price'?"),
  ])
  func whatIsNoPriceIsNamed(_ model: String, _ knob: String, _ value: String, _ words: String) throws {
    let scratch = try Scratch()
    let data = try table(scratch, rows: 500, isBinary: true)
    let error = #expect(throws: ModelError.self) { try scratch.trained(model, data, "none", [knob: value]) }
    #expect(error?.description.contains(words) == true, "\(String(describing: error))")
  }

  @Test func aPriceOfNothingIsRefused() throws {
    let scratch = try Scratch()
    let lines = (0..<200).map { "\($0 == 77 ? 0 : Double($0 % 9) + 0.5),\(fixedValue($0, 1)),\($0 % 3)" }
    try ("price,x,y\n" + lines.joined(separator: "\n") + "\n").write(toFile: scratch.path + "/t.csv", atomically: true, encoding: .utf8)
    try prepareTable(inputs: [scratch.path + "/t.csv"], output: scratch.path + "/data", options: TableOptions(label: "y"))
    let data = try TableDataset(path: scratch.path + "/data")
    let training = data.rows(.training).contains { data.inputRows[$0] == 77 }
    guard training else { return try #require(training, "row 78 is no training row") }
    let error = #expect(throws: TrainingError.self) { try scratch.trained("price-response", data, "none", ["elasticity": "one"]) }
    #expect(error?.description.contains("in row 78") == true, "\(String(describing: error))")
  }
}
