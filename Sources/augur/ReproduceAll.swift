// `augur reproduce all`: every result, by seeds, in one table.
import ArgumentParser
import AugurMetrics
import AugurTensors
import AugurTraining
import Foundation

extension Reproduce {
  /// Runs what the folder does not have yet; a result is in `results.jsonl` as soon as it is known.
  func runAll() throws {
    guard keep == nil, settings.isEmpty else { throw UserMistake("\(keep == nil ? "--set" : "--keep"): is of one result, not of all") }
    guard let output else { throw UserMistake("--output: expected a folder for the tables of all results") }
    do { try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true) } catch {
      throw UserMistake("\(output): cannot be made a folder: \(error.localizedDescription)")
    }
    let (last, isTooLarge) = seed.addingReportingOverflow(UInt64(seeds) - 1)
    guard !isTooLarge else { throw UserMistake("--seeds: \(seeds) from seed \(seed) on are beyond the largest seed") }
    let path = output + "/results.jsonl"
    var lines = try readResults(path)
    var missing: [String] = []
    for name in try names() {
      for seed in seed...last where !lines.contains(where: { Self.isResult($0, name, seed) }) {
        if !json { print("\(name), seed \(seed)") }
        do {
          let result = try reproduce(name, seed: seed)
          try writeFileDurably(path: path, bytes: Array((lines + [result.line]).map { jsonText($0) + "\n" }.joined().utf8))
          lines = try readResults(path)
          if json { printJSON(result.line) } else { result.text.forEach { print("  " + $0) } }
        } catch let code as ExitCode {
          // Stopped by Ctrl-C, not failed.
          throw code
        } catch {
          writeError("augur: \(name): \(error)\n")
          missing.append(name)
          break
        }
      }
    }
    try writeTables(lines, to: output)
    if !json { print("\(output)/results.md, results.html: \(lines.count) runs") }
    guard missing.isEmpty else { throw UserMistake("no result of \(missing.joined(separator: ", ")); run it again when that is mended") }
  }

  private func names() throws -> [String] {
    let all =
      Recipe.all.map(\.name) + TableRecipe.all.flatMap { set in set.models.map { "\(set.name)/\($0)" } } + SyntheticRecipe.all.map(\.fullName)
    guard let only else { return all }
    let asked = only.split(separator: ",").map(String.init)
    if let other = asked.first(where: { !all.contains($0) }) {
      throw UserMistake("--only: '\(other)' is none of all results; did you mean '\(nearestName(to: other, in: all) ?? all[0])'?")
    }
    return all.filter(asked.contains)
  }

  private static func isResult(_ line: [String: Any], _ name: String, _ seed: UInt64) -> Bool {
    line["name"] as? String == name && (line["seed"] as? NSNumber)?.uint64Value == seed
  }

  /// None where the file is not there yet.
  private func readResults(_ path: String) throws -> [[String: Any]] {
    guard let text = FileManager.default.contents(atPath: path) else { return [] }
    return try String(decoding: text, as: UTF8.self).split(separator: "\n").enumerated().map { place, line in
      guard let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any], object["name"] is String else {
        throw UserMistake("\(path):\(place + 1): is no result; move the file away")
      }
      return object
    }
  }

  /// A row of the tables: a metric of a result over its seeds.
  private struct Row {
    let name: String, metric: String, ours: String, published: String, difference: String, seconds: String, source: String, sha: String
    var cells: [String] { [name, metric, ours, published, difference, seconds, source, sha] }
    static let heads = ["result", "metric", "ours", "published", "difference", "seconds", "published by", "data sha256"]
  }

  private func rows(_ lines: [[String: Any]]) -> [Row] {
    var names: [String] = []
    for line in lines { if let name = line["name"] as? String, !names.contains(name) { names.append(name) } }
    return names.flatMap { name in
      let runs = lines.filter { $0["name"] as? String == name }
      let published = runs[0]["published"] as? [String: Any] ?? [:]
      let known = published.keys.filter { $0 != "source" }.sorted()
      let metrics = known.isEmpty ? ["RMSE", "C-index", "AUC"].filter { runs[0][$0] is NSNumber }.prefix(1).map { $0 } : known
      func values(_ key: String) -> [Double] { runs.compactMap { ($0[key] as? NSNumber)?.doubleValue } }
      func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(max(1, values.count)) }
      return metrics.map { metric in
        let own = values(metric)
        let spread = own.count > 1 ? " ± " + decimal(deviation(own), places: 4) + " (\(own.count) seeds)" : ""
        let value = (published[metric] as? NSNumber)?.doubleValue
        return Row(
          name: name, metric: metric, ours: decimal(mean(own), places: 4) + spread, published: value.map { decimal($0, places: 4) } ?? "",
          difference: value.map { decimal(mean(own) - $0, places: 4) } ?? "", seconds: decimal(mean(values("seconds")), places: 0),
          source: published["source"] as? String ?? "", sha: String((runs[0]["data_sha256"] as? String ?? "").prefix(12)))
      }
    }
  }

  /// Standard deviation of a sample.
  private func deviation(_ values: [Double]) -> Double {
    let mean = values.reduce(0, +) / Double(values.count)
    return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)).squareRoot()
  }

  private func writeTables(_ lines: [[String: Any]], to output: String) throws {
    let rows = rows(lines)
    func line(_ cells: [String]) -> String { "| " + cells.map { $0.replacing("|", with: "/") }.joined(separator: " | ") + " |\n" }
    let markdown = line(Row.heads) + line(Row.heads.map { _ in "---" }) + rows.map { line($0.cells) }.joined()
    try writeFileDurably(path: output + "/results.md", bytes: Array(markdown.utf8))
    let table = Report.Table(
      heading: "Every result", note: "mean and standard deviation over seeds", columns: Row.heads,
      rows: rows.map { Report.Table.Row(cells: $0.cells.map { Report.Table.Cell($0) }) })
    let report = Report(title: "Published results, reproduced", subtitle: "\(lines.count) runs", sections: [.table(table)])
    try writeFileDurably(path: output + "/results.html", bytes: Array(report.html().utf8))
  }
}
