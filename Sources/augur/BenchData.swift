// Throughput outside the model: logs read, catalogues ranked.
import ArgumentParser
import AugurCompute
import AugurEvents
import AugurModels
import AugurOps
import AugurTensors
import Foundation

struct BenchIngest: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ingest", abstract: "Rows a second of an event log read into user-grouped, time-ordered item arrays; best of 3.")
  @Argument(help: "CSV or TSV event log.") var file: String
  @OptionGroup var place: DeviceOptions
  @Flag(help: "One JSON object.") var json = false

  func run() throws {
    _ = try place.open()
    let clock = ContinuousClock()
    var (rows, best) = (0, Double.infinity)
    for _ in 0..<3 {
      let start = clock.now
      rows = try groupEvents(inputs: [file]).rows
      best = min(best, (clock.now - start) / .seconds(1))
    }
    if json {
      printJSON([
        "op": "ingest", "rows": rows, "seconds": number(best, digits: 4), "rows_per_second": number(Double(rows) / best, digits: 0),
        "threads": ThreadPool.shared.threads, "bytes": try FileManager.default.attributesOfItem(atPath: file)[.size] as? Int ?? 0,
      ])
    } else {
      print("\(rows) rows in \(decimal(best, places: 3)) s, \(Int(Double(rows) / best)) rows/s")
    }
  }
}

struct BenchTopK: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "top-k", abstract: "Users a second ranked exactly over a catalogue.")
  @Option(help: "V, items.") var items = 1_000_000
  @Option(help: "D, width.") var dim = 64
  @Option(help: "B, users of one call.") var users = 128
  @Option(help: "k, items listed for each.") var top = 10
  @OptionGroup var place: DeviceOptions
  @Option(help: "Timed repeats.") var repeats = 9
  @Flag(help: "One JSON object.") var json = false

  func run() throws {
    guard items > 0, dim > 0, dim <= 4096, users > 0, top > 0, top <= 1024, repeats > 0, items <= 1 << 30, users <= 1 << 20 else {
      throw UserMistake("top-k: expected --items, --dim, --users, --top (at most 1024) and --repeats above 0")
    }
    let device = try place.open()
    try checkMemory(4 * (items + users) * dim, for: "\(items) items of width \(dim)", device)
    let (h, table) = (random([users, dim], device), random([items, dim], device))
    let offsets = [Int32](repeating: 0, count: users + 1)
    let seconds = median(repeats, device) { _ = topItems(h, table, seen: [], seenOffsets: offsets, k: top) }
    let bytes = 4 * Double(items * dim)
    if json {
      printJSON([
        "op": "top-k", "device": "\(device)", "items": items, "dim": dim, "users": users, "k": top,
        "threads": ThreadPool.shared.threads, "milliseconds": number(seconds * 1e3, digits: 4),
        "users_per_second": number(Double(users) / seconds, digits: 1), "gb_per_s": number(bytes / seconds / 1e9, digits: 2),
        "gflops": number(2 * Double(users) * Double(items * dim) / seconds / 1e9, digits: 1),
      ])
    } else {
      print("\(users) users, \(items) items: \(decimal(seconds * 1e3, places: 3)) ms, \(Int(Double(users) / seconds)) users/s")
    }
  }
}
