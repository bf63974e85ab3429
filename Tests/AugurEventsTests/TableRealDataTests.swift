// The public tables load without editing, with the counts that are published for them.
import AugurEvents
import Foundation
import Testing

private let root = ProcessInfo.processInfo.environment["AUGUR_DATA"] ?? ""

@Suite(.enabled(if: !root.isEmpty, "set AUGUR_DATA to the folder of the public data sets"))
struct TableRealDataTests {
  let folder = TestFolder()

  private func prepare(_ file: String, _ label: String, _ set: (inout TableOptions) -> Void = { _ in }) throws -> TableDataset {
    var options = TableOptions(label: label)
    set(&options)
    let input = "\(root)/\(file)"
    try #require(FileManager.default.fileExists(atPath: input), "AUGUR_DATA is set but lacks \(file)")
    _ = try prepareTable(inputs: [input], output: "\(folder.path)/data", options: options)
    return try TableDataset(path: "\(folder.path)/data")
  }

  @Test func frappe() throws {
    let data = try prepare("frappe/train_resampled_neg.csv", "label") {
      ($0.categorical, $0.minimumCount) = (["*"], 1)
      ($0.validationInputs, $0.testInputs) = (["\(root)/frappe/valid.csv"], ["\(root)/frappe/test.csv"])
    }
    #expect(data.description.parts == [202_027, 57_722, 28_860] && data.description.positives == [67_604, 19_063, 9536])
    #expect(data.features.fields.count == 10 && data.features.numberNames.isEmpty)
    // 5,382 features in all; a few do not occur in training and share row 0.
    let known = data.features.fields.reduce(0) { $0 + $1.size - 1 }
    #expect(known <= 5382 && known > 5200)
  }

  @Test(arguments: [
    ("online-shoppers", 12_330, 1908, 17), ("telco-churn", 7043, 1869, 19), ("insurance-fraud", 15_420, 923, 31),
  ])
  func folds(name: String, rows: Int, positives: Int, features: Int) throws {
    for fold in 0..<5 {
      let data = try prepare("\(name)/data.csv", "label") {
        ($0.folds, $0.testFold) = ("\(root)/\(name)/folds5.txt", fold)
      }
      #expect(data.rowCount == rows && data.description.positives.reduce(0, +) == positives)
      #expect(data.features.list.features.count == features)
      #expect(abs(data.description.parts[2] - rows / 5) <= 1)
      guard name == "telco-churn" else { continue }
      let (missing, width) = (data.features.numberNames.firstIndex(of: "total_charges:missing"), data.features.numberNames.count)
      let column = try #require(missing)
      #expect((0..<rows).count { data.numbers[$0 * width + column] == 1 } == 11)
    }
  }

  @Test(arguments: [
    ("online-shoppers/online_shoppers_intention.csv", "Revenue", 12_330, 1908), ("telco-churn/wa_churn.csv", "churn", 7043, 1869),
    ("insurance-fraud/insurance_fraud.csv", "FraudFound_P", 15_420, 923),
  ])
  func originals(file: String, label: String, rows: Int, positives: Int) throws {
    let data = try prepare(file, label)
    #expect(data.rowCount == rows && data.description.positives.reduce(0, +) == positives)
  }

  @Test func movieLens() throws {
    let ratings = try prepare("ml-100k/ml-100k.inter", "rating")
    #expect(ratings.rowCount == 100_000 && ratings.description.task == .regression && ratings.description.split.kind == .time)
    #expect(ratings.features.fields.map(\.name) == ["user_id", "item_id", "timestamp:hour", "timestamp:weekday"])
    let users = try prepare("ml-100k/ml-100k.user", "age")
    #expect(users.rowCount == 943 && users.features.list.ignored == ["user_id"])
    let items = try prepare("ml-100k/ml-100k.item", "item_id")
    #expect(items.rowCount == 1682 && items.features.fields.filter(\.isMultiValued).map(\.name) == ["movie_title", "class"])
    let events = try prepareDataset(input: "\(root)/ml-100k/ml-100k.inter", output: "\(folder.path)/events")
    #expect((events.users, events.items, events.events) == (943, 1682, 100_000))
  }

  @Test func cdnow() throws {
    let data = try prepare("cdnow/CDNOW_master.txt", "dollar_value") { $0.minimumCount = 1 }
    #expect(data.rowCount == 69_659 && data.features.list.time == RowTime("date", unit: .calendarDate))
    let all = try prepare("cdnow/CDNOW_master.txt", "dollar_value") {
      ($0.categorical, $0.minimumCount, $0.kind, $0.ratio) = (
        ["customer_id"], 1, .random, SplitRatio(parsing: "999999:0:1") ?? .standard
      )
    }
    #expect((23_569...23_571).contains(all.features.fields[0].size))
    expectLine("CDNOW_master.txt:1: item_id: no column for the item; the columns are 'customer_id', 'date'") {
      try prepareDataset(input: "\(root)/cdnow/CDNOW_master.txt", output: "\(folder.path)/events")
    }
  }
}
