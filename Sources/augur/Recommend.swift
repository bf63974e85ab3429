// The items most likely to come next, for a known user or a given history.
import ArgumentParser
import AugurCompute
import AugurEvents
import AugurServing
import AugurTensors
import AugurTraining

struct Recommend: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "The best next items for a user or a history.")
  @Option(name: .customLong("run"), help: "Run folder.") var runFolder: String
  @Option(help: "Raw id of a user of the data set.") var user: String?
  @Option(help: "Raw item ids, oldest first, separated by commas.") var history: String?
  @Option(help: "Items to list.") var top = 10
  @Option(help: "Data set; the one of the run by default.") var data: String?
  @OptionGroup var place: DeviceOptions
  @Flag(help: "One JSON object an item.") var json = false

  func run() throws {
    guard (1...100_000).contains(top) else { throw UserMistake("--top: expected 1...100000, got \(top)") }
    let device = try place.open()
    // The smallest list that every device kernel of top-k can select.
    guard device == .cpu || top <= 1024 else { throw UserMistake("--top: expected at most 1024 on \(device), got \(top)") }
    let folder = RunFolder(runFolder)
    let settings = try folder.readSettings()
    let dataset = try openDataset(data ?? settings.dataPath, of: settings)
    let items = try known(dataset)
    let model = try folder.loadModel(settings, for: dataset, device: device)
    let recommender = try Recommender(model, itemCount: dataset.itemCount, device: device)
    for (rank, suggestion) in recommender.suggestions(after: items, top: top).enumerated() {
      let (id, name) = (dataset.itemID(suggestion.item), dataset.itemName(suggestion.item))
      if json {
        var line: [String: Any] = ["rank": rank + 1, "item": id, "score": number(Double(suggestion.score))]
        if let name { line["name"] = name }
        printJSON(line)
      } else {
        print("\(rank + 1)\t\(id)\t\(decimal(Double(suggestion.score), places: 4))\(name.map { "\t\($0)" } ?? "")")
      }
    }
  }

  /// Item indices of what was asked; unknown ids are named and left out.
  private func known(_ dataset: Dataset) throws -> [Int32] {
    switch (user, history) {
    case (let user?, nil):
      guard let index = dataset.userIndex(ofRawID: user) else {
        throw UserMistake("--user: '\(user.prefix(80))' is not in \(dataset.path); give --history with the items seen so far")
      }
      return Array(dataset.history(index))
    case (nil, let history?):
      let ids = history.split(separator: ",").map(String.init)
      let unknown = ids.filter { dataset.itemIndex(ofRawID: $0) == nil }
      let items = ids.compactMap { dataset.itemIndex(ofRawID: $0).map { Int32($0) } }
      guard !items.isEmpty else {
        throw UserMistake("--history: none of \(ids.count) ids is an item of \(dataset.path) (\(unknown.prefix(3).map { String($0.prefix(40)) }))")
      }
      if !unknown.isEmpty { writeError("augur: left out \(unknown.count) unknown items: \(unknown.prefix(3).joined(separator: ", "))\n") }
      return items
    default: throw UserMistake("recommend: expected either --user or --history")
    }
  }
}
