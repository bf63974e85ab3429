// Numbers that tell the price are found, named and refused; those with a life of their own are not.
import AugurCompute
import AugurEvents
import AugurModels
import AugurTensors
import Foundation
import OpCases
import Testing

@testable import AugurTraining

@Suite struct FollowingNumberTests {
  /// A view: 40 items of 4 categories, each with a list price, sold with discounts; what else is known is made of it.
  private struct Row {
    let item: Int
    let listPrice: Double
    let price: Double
    let noise: Double
    var category: Int { item % 4 }
    /// Of the category.
    var typical: Double { [8.0, 15, 40, 90][category] }
  }

  private func rows(_ count: Int) -> [Row] {
    (0..<count).map { row in
      let item = row * 7 % 40
      let list = [8.0, 15, 40, 90][item % 4] * exp(0.8 * fixedValue(item, 3))
      let discount = [0, 0, 0.1, 0.2, 0.3, 0.4][row * 11 % 6]
      return Row(
        item: item, listPrice: (list * 100).rounded() / 100, price: (list * 100 * (1 - discount)).rounded() / 100, noise: fixedValue(row, 5))
    }
  }

  private func table(
    _ scratch: Scratch, rows count: Int = 6000, items: Bool = false, _ columns: [(name: String, of: (Row) -> Double)], _ transform: String? = nil
  ) throws -> TableDataset {
    var text = (["category"] + (items ? ["item"] : []) + ["x", "price"] + columns.map(\.name) + ["y"]).joined(separator: ",") + "\n"
    for (place, row) in rows(count).enumerated() {
      let cells = ["c\(row.category)"] + (items ? ["i\(row.item)"] : []) + ["\(Float(row.noise))", "\(row.price)"]
      let more = columns.map { "\($0.of(row))" }
      text += (cells + more + ["\(fixedValue(place, 9) * row.price < 0.2 * row.typical ? 1 : 0)"]).joined(separator: ",") + "\n"
    }
    let (file, folder) = ("\(scratch.path)/\(UUID().uuidString).csv", "\(scratch.path)/\(UUID().uuidString)")
    try text.write(toFile: file, atomically: true, encoding: .utf8)
    var options = TableOptions(label: "y")
    options.allowsLeaks = true
    try prepareTable(inputs: [file], output: folder, options: options)
    guard let transform else { return try TableDataset(path: folder) }
    let list = try String(contentsOfFile: folder + "/features.json", encoding: .utf8)
      .replacingOccurrences(of: "\"transform\" : \"standardise\"", with: "\"transform\" : \"\(transform)\"")
    try list.write(toFile: file + ".json", atomically: true, encoding: .utf8)
    options.features = file + ".json"
    try prepareTable(inputs: [file], output: folder, options: options)
    return try TableDataset(path: folder)
  }

  private func found(_ data: TableDataset) -> [FollowingNumber] { FollowingNumbers(of: "price", data).found() }

  @Test func copiesOfThePriceAreFoundOverAll() throws {
    let scratch = try Scratch()
    for transform in [nil, "log"] {
      let data = try table(
        scratch,
        [
          ("log_price", { log($0.price) }), ("change", { -3 * $0.price }), ("tier", { ($0.price / 20).rounded(.down) }),
          ("is_cheap", { $0.price < 12 ? 1 : 0 }), ("alike", { $0.price * (1 + 0.02 * $0.noise) }),
        ], transform)
      let found = found(data)
      #expect(Set(found.map(\.name)) == ["log_price", "change", "tier", "is_cheap", "alike"], "\(found)")
      for follower in found {
        #expect(follower.scope == .all && follower.rises == !["change", "is_cheap"].contains(follower.name), "\(follower)")
        #expect(follower.isFlag == (follower.name == "is_cheap"))
        #expect((follower.rest <= FollowingNumber.exact) == (follower.name != "alike"), "\(follower)")
      }
    }
  }

  @Test func whatFollowsInsideAGroupIsFoundThere() throws {
    let scratch = try Scratch()
    let relative = try table(scratch, [("relative", { $0.price / $0.typical }), ("log_relative", { log($0.price / $0.typical) })])
    #expect(found(relative).map(\.scope) == [.field("category"), .field("category")], "\(found(relative))")
    let discount: (Row) -> Double = { ((1 - $0.price / $0.listPrice) * 100).rounded() }
    let ofItems = try table(scratch, items: true, [("list_price", { $0.listPrice }), ("discount", discount)])
    // The list price is the same at every price of an item.
    #expect(found(ofItems).map(\.name) == ["discount"] && found(ofItems).allSatisfy { !$0.rises && $0.scope == .field("item") })
    let ofPrices = try table(scratch, [("list_price", { $0.listPrice }), ("discount", discount)])
    let pair = found(ofPrices)
    #expect(pair.contains { $0.name == "discount" && $0.scope == .number("list_price") && $0.rest <= FollowingNumber.exact }, "\(pair)")
  }

  @Test func whatMovesByItselfIsNot() throws {
    let scratch = try Scratch()
    let own = try table(
      scratch, items: true,
      [
        ("list_price", { $0.listPrice }), ("rating", { 3 + 2 * $0.noise }), ("stock", { Double(Int($0.noise * 1000) % 7) }),
        ("rival_price", { $0.listPrice * (1 + 0.3 * $0.noise) }),
      ])
    #expect(found(own).isEmpty, "\(found(own))")
    // Some rows are monotone in anything.
    #expect(found(try table(scratch, rows: 60, items: true, [("u", { $0.noise }), ("v", { $0.noise * $0.noise })])).isEmpty)
  }

  @Test func aCopyIsRefusedAndAFlagIsSaid() throws {
    let scratch = try Scratch()
    let short = ["epochs": "1", "batch": "1024"]
    let data = try table(scratch, [("relative", { $0.price / $0.typical }), ("is_cheap", { $0.price < 12 ? 1 : 0 })])
    let refused = #expect(throws: ModelError.self) { try scratch.trained("price-response", data, "none", short) }
    #expect(
      refused?.description == "hyper-parameter 'price': 'relative' follows 'price' in the training rows of one 'category', and by way of it an "
        + "answer could turn the other way; move 'relative' from \"features\" to \"ignored\" in features.json and prepare again with --features")
    let trees = #expect(throws: ModelError.self) { try scratch.trained("gbdt", data, "none", ["epochs": "2", "monotone": "price:-1"]) }
    #expect(trees?.description.hasPrefix("hyper-parameter 'monotone': 'relative' follows 'price'") == true)
    _ = try scratch.trained("gbdt", data, "free", ["epochs": "2"])
    // All of them falling, or a copy that rises against the price.
    _ = try scratch.trained("gbdt", data, "both", ["epochs": "2", "monotone": "price:-1,relative:-1"])
    #expect(throws: ModelError.self) { try scratch.trained("gbdt", data, "none", ["epochs": "2", "monotone": "price:-1,relative:1"]) }

    let flagged = try table(scratch, [("is_cheap", { $0.price < 12 ? 1 : 0 })])
    let run = try scratch.trained("price-response", flagged, "flagged", short).run
    #expect(
      run.warnings == [
        "'is_cheap' follows 'price' in all training rows: if it is made of it, move 'is_cheap' from \"features\" to \"ignored\" in "
          + "features.json and prepare again with --features"
      ])
    #expect(try scratch.trained("price-response", try table(scratch, []), "plain", short).run.warnings.isEmpty)
    let pair = try table(scratch, [("list_price", { $0.listPrice }), ("discount", { ((1 - $0.price / $0.listPrice) * 100).rounded() })])
    let either = #expect(throws: ModelError.self) { try scratch.trained("price-response", pair, "none", short) }
    let words = either?.description ?? ""
    #expect(words.contains("move 'discount' or 'list_price' from") || words.contains("move 'list_price' or 'discount' from"), "\(words)")
  }
}
