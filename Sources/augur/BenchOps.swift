// Single ops on the shapes of the peers' scripts, each with its share of the machine's limit measured in the same run.
import ArgumentParser
import AugurCompute
import AugurMetrics
import AugurOps
import AugurTensors

struct BenchOps: ParsableCommand {
  static let configuration = CommandConfiguration(commandName: "ops", abstract: "Median time of single operations.")
  @OptionGroup var place: DeviceOptions
  @Option(help: "Timed repeats.") var repeats = 15
  @Flag(help: "One JSON object an op.") var json = false
  @Option(help: "Only the ops whose names begin so.") var only = ""
  @Option(help: "engine: products, attention, softmax, lookups; models: what models do beside them; gpu: both at a GPU's sizes.")
  var of: Group?
  @Option(help: "Sizes of --of gpu: full, or small to try it.") var scale = Scale.full
  @Flag(help: "Names the works of --of gpu and times none.") var list = false

  enum Group: String, CaseIterable, ExpressibleByArgument { case engine, models, gpu }

  func run() throws {
    guard repeats > 0 else { throw UserMistake("--repeats: expected at least 1, got \(repeats)") }
    if of == .gpu { return try gpuOps() }
    guard !list, scale == .full else { throw UserMistake("--list and --scale: expected --of gpu with them") }
    let bench = OpBench(try place.open(), only: only, repeats: repeats, json: json)
    if of != .models { bench.engineOps() }
    if of != .engine { bench.modelOps() }
    guard bench.hasMatch else { throw UserMistake("--only: no op begins with '\(only)'; \(near(only, bench.names))") }
  }

  /// The names that contain what was typed or begin nearly so, or all of them.
  private func near(_ typed: String, _ names: [String]) -> String {
    let holding = names.filter { $0.lowercased().contains(typed.lowercased()) }
    if !holding.isEmpty { return "near it: \(holding.joined(separator: ", "))" }
    let words = typed.split(separator: " ").count
    func beginning(_ name: String) -> String { name.split(separator: " ").prefix(words).joined(separator: " ") }
    guard let nearest = nearestName(to: typed, in: names.map(beginning)) else { return "there are \(names.joined(separator: ", "))" }
    return "near it: \(names.filter { beginning($0) == nearest }.joined(separator: ", "))"
  }
}

/// A run over single ops on one device.
final class OpBench {
  let device: Device
  private let limits: Limits
  private let only: String
  private let repeats: Int
  private let json: Bool
  /// The ops that were there to run, each once, and whether one was wanted.
  private(set) var names: [String] = []
  private(set) var hasMatch = false

  init(_ device: Device, only: String, repeats: Int, json: Bool) {
    (self.device, limits, self.only, self.repeats, self.json) = (device, Limits(device), only, repeats, json)
  }

  /// Whether an op is to be timed; takes down its name.
  func wants(_ op: String) -> Bool {
    if !names.contains(op) { names.append(op) }
    guard op.hasPrefix(only) else { return false }
    hasMatch = true
    return true
  }

  func engineOps() {
    for (M, N, K) in [(1024, 1024, 1024), (2048, 2048, 2048), (12800, 64, 64), (12800, 256, 64), (12800, 64, 256), (1, 100_000, 64), (64, 100_000, 64)] {
      for dtype in [DataType.float32, .bfloat16] {
        let (x, w) = (converted(random([M, K], device), to: dtype), converted(random([N, K], device), to: dtype))
        let bytes = Double(dtype.bytes) * Double(M * K + N * K + M * N)
        say("gemm", [M, N, K], dtype, flops: 2.0 * Double(M * N * K), bytes: bytes) { _ = linear(x, w, transposed: true) }
      }
    }
    for (B, H, L, K) in [(128, 2, 200, 32), (128, 2, 50, 32), (16, 4, 1024, 64)] { attention(B, H, L, K) }
    softmax(2048, 20_000, 64)
    lookup(1_000_000, 64, 131_072)
  }

  private func lookup(_ V: Int, _ D: Int, _ n: Int) {
    var generator = RandomStream(seed: 1)
    let (table, shape, rate) = (random([V, D], device), [V, D, n], Float(0.01))
    let ids = (0..<n).map { _ in Int32.random(in: 0..<Int32(V), using: &generator) }
    let bags = Jagged(offsets: Array(stride(from: 0, to: Int32(n), by: 50)) + [Int32(n)], device: device)
    let (rows, bytes) = (Lookup(ids, rowCount: V, device: device, isGrouped: false), 4 * Double(n * D))
    say("embedding lookup", shape, flops: 0, bytes: 2 * bytes) { _ = selectedRows(table, rows) }
    say("embedding bag of 50", shape, flops: 0, bytes: bytes) { _ = embeddingBag(table, rows, bags) }
    // As the peer: from raw ids, which are grouped each time, with dy = 1.
    let dy = Tensor([Float](repeating: 1, count: bags.count * D), shape: [bags.count, D], device: device)
    func backward(_ table: Tensor) -> Lookup {
      let (tape, lookup) = (Tape(), Lookup(ids, rowCount: V, device: device))
      tape.backward(from: embeddingBag(table, lookup, bags, tape: tape), gradient: dy)
      return lookup
    }
    let stepped = table.asSteppedTable(rate: rate)
    say("embedding bag of 50 forward+backward+SGD", shape, flops: 0, bytes: 4 * bytes) { _ = backward(stepped) }
    let parameter = table.asParameter()
    say("embedding bag of 50 forward+backward, then SGD", shape, flops: 0, bytes: 4 * bytes) {
      let touched = backward(parameter)
      parameter.slot?.touchedRows = []
      if let g = parameter.gradient { sgdRows(parameter, g, rows: Lookup.union([touched], rowCount: V), clip: .one, rate: rate, decay: 0) }
    }
    say("embedding ids grouped", [n, V], flops: 0) { _ = Lookup(ids, rowCount: V, device: device) }
  }

  private func attention(_ B: Int, _ H: Int, _ L: Int, _ K: Int) {
    let rows = Jagged(offsets: (0...B).map { Int32($0 * L) }, device: device)
    let qkv = random([B * L, 3 * H * K], device)
    let flops = 2.0 * Double(B * H * L) * Double(L * K)
    say("attention forward", [B, H, L, K], flops: flops) { _ = AugurOps.attention(qkv: qkv, rows, heads: H) }
    let gradient = random([B * L, H * K], device)
    say("attention forward+backward", [B, H, L, K], flops: 3.5 * flops) {
      let tape = Tape()
      let o = AugurOps.attention(qkv: qkv.watched(by: tape), rows, heads: H)
      tape.backward(from: o, gradient: gradient)
    }
  }

  private func softmax(_ T: Int, _ V: Int, _ D: Int) {
    let (h, table) = (random([T, D], device), random([V, D], device).asParameter())
    let targets = Lookup((0..<T).map { Int32($0 * 7919 % V) }, rowCount: V, device: device)
    say("softmax cross-entropy forward+backward", [T, V, D], flops: 6.0 * Double(T * V) * Double(D)) {
      let tape = Tape()
      tape.backward(from: softmaxLoss(h.watched(by: tape), table, targets: targets))
    }
  }

  func say(
    _ op: String, _ shape: [Int], _ dtype: DataType = .float32, flops: Double,
    bytes: Double = 0, _ body: () -> Void
  ) {
    guard wants(op) else { return }
    let seconds = median(repeats, device, body)
    let (rate, traffic) = (flops / seconds / 1e9, bytes / seconds / 1e9)
    let share = max(limits.seconds(flops: flops, dtype), limits.seconds(bytes: bytes)) / seconds
    if json {
      let line: [String: Any] = [
        "op": op, "dtype": "\(dtype)", "shape": shape, "milliseconds": number(seconds * 1e3, digits: 5),
        "gflops": number(rate, digits: 1), "gb_per_s": number(traffic, digits: 1), "limit_share": number(share, digits: 3),
      ]
      printJSON(line.merging(fields(of: device)) { $1 })
    } else {
      print(
        "\(op) \(dtype) \(shape): \(decimal(seconds * 1e3, places: 3)) ms, \(decimal(rate, places: 1)) GFLOP/s, "
          + "\(decimal(traffic, places: 1)) GB/s, \(decimal(share * 100, places: 0)) % of the limit")
    }
  }
}

/// Uniform in -0.5...0.5, the same values for the same shape. What is larger than a few million repeats after a prime number of them.
func random(_ shape: Shape, _ device: Device) -> Tensor {
  let drawn = min(shape.count, 4_194_319)
  let values = [Float](unsafeUninitializedCapacity: shape.count) { buffer, filled in
    var generator = RandomStream(seed: UInt64(shape.count), stream: UInt64(shape.columns))
    for i in 0..<drawn { buffer[i] = Float.random(in: -0.5...0.5, using: &generator) }
    filled = drawn
    while filled < shape.count {
      let more = min(drawn, shape.count - filled)
      (buffer.baseAddress! + filled).update(from: buffer.baseAddress!, count: more)
      filled += more
    }
  }
  return Tensor(values, shape: shape, device: device)
}

func median(_ repeats: Int, _ device: Device, _ body: () -> Void) -> Double {
  let clock = ContinuousClock()
  for _ in 0..<3 { body() }
  device.finish()
  let seconds = (0..<repeats).map { _ in
    clock.measure {
      body()
      device.finish()
    } / .seconds(1)
  }
  return seconds.sorted()[seconds.count / 2]
}
