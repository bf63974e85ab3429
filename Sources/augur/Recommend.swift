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
  @Option(help: ArgumentHelp("When: a moment for each item of --history, where the model reads times: 2024-05-31T12:00:00Z, or epoch seconds.",
    valueName: "times")) var times: String?
  @Option(help: "Items of the history: removed from the list, or ranked again; as the run evaluates by default.") var seen: SeenItems?
  @Flag(help: "Of the model mixed with what is counted first: popularity, chain of items, nearest sessions, returns, tastes where the log has categories.")
  var mixture = false
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
    let model = try folder.loadModel(settings, for: dataset, device: device)
    let recommender = Recommender(model, itemCount: dataset.itemCount, device: device)
    let (items, moments) = try known(dataset, readsTimes: recommender.readsTimes)
    let seen = seen ?? TrainingPlan.seenItems(settings.hyperparameters)
    let found =
      mixture
      ? try makeMixture(settings, model, dataset, seen: seen).likeliest(after: items, top: top).map { Suggestion(item: $0.item, score: $0.probability) }
      : recommender.suggestions(after: items, times: moments, top: top, includingSeen: seen == .ranked)
    for (rank, suggestion) in found.enumerated() {
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

  /// Item indices of what was asked, with the seconds between them where the model reads times; unknown ids are named and left out.
  private func known(_ dataset: Dataset, readsTimes: Bool) throws -> (items: [Int32], times: [Int32]?) {
    switch (user, history) {
    case (let user?, nil):
      guard times == nil else { throw UserMistake("--times: are those of --history; the events of --user have their own") }
      guard let index = dataset.userIndex(ofRawID: user) else {
        throw UserMistake("--user: '\(user.prefix(80))' is not in \(dataset.path); give --history with the items seen so far")
      }
      return (Array(dataset.history(index)), readsTimes ? try dataset.seconds(index) : nil)
    case (nil, let history?):
      let ids = history.split(separator: ",").map(String.init)
      let moments = try moments(ids.count, readsTimes)
      let unknown = ids.filter { dataset.itemIndex(ofRawID: $0) == nil }
      let places = ids.indices.filter { dataset.itemIndex(ofRawID: ids[$0]) != nil }
      guard !places.isEmpty else {
        throw UserMistake("--history: none of \(ids.count) ids is an item of \(dataset.path) (\(unknown.prefix(3).map { String($0.prefix(40)) }))")
      }
      if !unknown.isEmpty { writeError("augur: left out \(unknown.count) unknown items: \(unknown.prefix(3).joined(separator: ", "))\n") }
      return (places.compactMap { dataset.itemIndex(ofRawID: ids[$0]).map { Int32($0) } }, moments.map { all in secondsSinceFirst(places.map { all[$0] }) })
    default: throw UserMistake("recommend: expected either --user or --history")
    }
  }

  /// Epoch milliseconds of the items of --history.
  private func moments(_ count: Int, _ readsTimes: Bool) throws -> [Int64]? {
    guard readsTimes else {
      guard times == nil else { throw UserMistake("--times: this model does not read times; leave the option out") }
      return nil
    }
    guard let times else { throw UserMistake("--history: this model reads times; give --times, a moment for each of the \(count) items") }
    let found = try times.split(separator: ",", omittingEmptySubsequences: false).map { text throws(EventsError) in
      try moment(String(text), option: "--times")
    }
    guard found.count == count else { throw UserMistake("--times: expected a moment for each of the \(count) items of --history, got \(found.count)") }
    if let place = (1..<max(1, count)).first(where: { found[$0] < found[$0 - 1] }) {
      throw UserMistake("--times: expected the oldest first; moment \(place + 1) is earlier than the one before it")
    }
    return found
  }
}

extension Dataset {
  /// Seconds between the events of a user, for models that read times.
  func seconds(_ user: Int) throws -> [Int32] {
    guard let moments = timestamps(user) else { throw UserMistake("\(path): the model reads times, and this data set has none") }
    return secondsSinceFirst(moments)
  }
}
