// The results of a bench run as one HTML page: the table that was printed, and charts beside it.
import ArgumentParser
import AugurTensors
import Foundation

struct BenchPage: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "page", abstract: "Writes a self-contained HTML page of what `make bench` measured.")
  @Argument(help: "JSON lines with a summary line for each work, such as Benchmarks/Results/*.jsonl.") var results: String
  @Option(help: "HTML file to write.") var output: String

  func run() throws {
    let rows = try readSummaries()
    let compared = rows.filter { $0.ratio != nil }
    var sections: [Report.Section] = [.table(table(rows))]
    if !compared.isEmpty {
      sections.insert(
        .barChart(
          Report.BarChart(
            heading: "Time beside the best peer",
            note: "Our median over that of the fastest peer and setting; 1 is the same, less is faster.",
            label: "work", xLabel: "ours / peer's best", bars: compared.map { ($0.case, $0.ratio ?? .nan) })), at: 0)
    }
    let limited = rows.filter { $0.limit_share != nil }
    if !limited.isEmpty {
      sections.append(
        .barChart(
          Report.BarChart(
            heading: "Share of the machine's limit",
            note: "Arithmetic or memory traffic, whichever is nearer, against the most measured in the run.",
            label: "op", xLabel: "share", bars: limited.map { ($0.case, $0.limit_share ?? .nan) })))
    }
    let logs = compared.reduce(0) { $0 + log($1.ratio ?? 1) } / Double(max(1, compared.count))
    let cards =
      compared.isEmpty
      ? [Report.Card(label: "Works measured", value: String(rows.count), note: "no peer was there")]
      : [
        Report.Card(label: "Faster than every peer", value: "\(compared.count { ($0.ratio ?? 1) < 1 }) of \(compared.count)"),
        Report.Card(label: "Time beside the best peer", value: decimal(exp(logs), places: 2), note: "geometric mean"),
      ]
    let report = Report(title: "Augur benchmarks", subtitle: "\(rows[0].cpu), \(rows[0].date)", cards: cards, sections: sections)
    try writeFileDurably(path: output, text: report.html())
    print(output)
  }

  /// A summary line of Benchmarks/compare.py.
  private struct Summary: Decodable {
    let bench: String, cpu: String, date: String, `case`: String, unit: String
    let ours: Double
    let peer: String?, rate_unit: String?
    let peer_best: Double?, ratio: Double?, bar: Double?, limit_share: Double?, rate: Double?, peak_memory_mib: Double?
  }

  private func readSummaries() throws -> [Summary] {
    struct Head: Decodable { let bench: String }
    guard let text = try? String(contentsOfFile: results, encoding: .utf8) else {
      throw UserMistake("\(results): cannot be read; give the results.jsonl of make bench")
    }
    var rows: [Summary] = []
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() where !line.isEmpty {
      let bytes = Data(line.utf8)
      do {
        if try JSONDecoder().decode(Head.self, from: bytes).bench == "summary" {
          rows.append(try JSONDecoder().decode(Summary.self, from: bytes))
        }
      } catch { throw UserMistake("\(results):\(index + 1): is no line of make bench; run it again") }
    }
    guard !rows.isEmpty else { throw UserMistake("\(results): holds no summary line; run make bench again") }
    return rows
  }

  private func table(_ rows: [Summary]) -> Report.Table {
    func text(_ value: Double?, _ places: Int) -> Report.Table.Cell {
      Report.Table.Cell(value.map { decimal($0, places: places) } ?? "")
    }
    return Report.Table(
      heading: "Every work", note: "Medians of two rounds, ours and the peer's in turn. Bar: the ratio that we allow ourselves.",
      columns: ["Work", "Ours", "Peer's best", "Ratio", "Bar", "Share of limit", "Rate", "Peak MiB"],
      rows: rows.map { row in
        let rate = row.rate.map { "\(decimal($0, places: 0)) \(row.rate_unit ?? "")" } ?? ""
        return Report.Table.Row(cells: [
          Report.Table.Cell(row.case), Report.Table.Cell("\(decimal(row.ours, places: 3)) \(row.unit)"),
          Report.Table.Cell(row.peer_best.map { "\(decimal($0, places: 3)) \(row.unit)" } ?? "", detail: row.peer ?? ""),
          text(row.ratio, 3), text(row.bar, 3), text(row.limit_share, 2), Report.Table.Cell(rate), text(row.peak_memory_mib, 0),
        ])
      })
  }
}
