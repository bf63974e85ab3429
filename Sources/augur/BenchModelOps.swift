// The ops of models beyond products and attention, forward and backward, each on one shape of its model.
import AugurCompute
import AugurOps
import AugurTensors

extension OpBench {
  func modelOps() {
    for (B, H, L, K) in [(128, 1, 200, 64), (128, 2, 50, 32), (16, 4, 1024, 64)] { hstu(B, H, L, K) }
    for (B, L, D) in [(128, 50, 100), (256, 20, 128), (128, 200, 64)] { gru(B, L, D) }
    targetAttention(1024, 50, 18)
    windows(128, 50, 64)
    interactions(4096)
    norms()
    for loss in Self.losses { rowLoss(loss.name, loss.loss, 1 << 20) }
    sampled(6400, 64, 256, 20_000)
  }

  private static let losses: [(name: String, loss: Loss)] = [
    ("binary", .binary()), ("focal", .focal()), ("huber", .huber()), ("quantile", .quantile(0.9)), ("poisson", .poisson), ("ranked", .ranked),
    ("entire-space", .entireSpace()), ("delayed", .delayed), ("weibull", .weibull), ("lognormal", .lognormal(positiveShare: 0.5)),
  ]

  /// Times one pass forward and backward through `body`, whose inputs `[rows, columns]` are watched; the gradient that comes in is random.
  /// `bytes` follow from reading the inputs twice and writing their gradients, and the same of the output.
  private func pass(
    _ op: String, _ shape: [Int], _ inputs: [Shape], flops: Double = 0, _ body: ([Tensor]) -> Tensor
  ) {
    let name = "\(op) forward+backward"
    guard wants(name) else { return }
    let values = inputs.map { random($0, device) }
    let y = body(values)
    let dy = random(y.shape, device)
    let traffic = 12.0 * Double(values.reduce(0) { $0 + $1.count }) + 8.0 * Double(y.count)
    say(name, shape, flops: flops, bytes: traffic) {
      let tape = Tape()
      tape.backward(from: body(values.map { $0.watched(by: tape) }), gradient: dy)
    }
  }

  private func interactions(_ B: Int) {
    let (E, D, F) = (4, 64, 10)
    pass("mixture of experts", [B, E, D], Array(repeating: [B, D], count: E) + [[B, E]]) { mixture(Array($0.dropLast()), gates: $0[E]) }
    pass("field pairs", [B, F, F], [[B, F * F]]) { fieldPairs($0[0], fields: F) }
    pass("cross", [B, 400], [[B, 400], [B, 400], [B, 400]]) { product($0[0], $0[1], plus: $0[2]) }
    pass("swiglu", [B, 512], [[B, 512]]) { swiglu($0[0]) }
  }

  private func norms() {
    let (T, B) = (25_600, 4096)
    let (gain, bias) = (random([64], device).asParameter(), random([64], device).asParameter())
    pass("layer norm", [T, 64], [[T, 64]]) { layerNorm($0[0], gain: gain, bias: bias, epsilon: 1e-5) }
    let (wide, shift) = (random([400], device).asParameter(), random([400], device).asParameter())
    pass("batch norm", [B, 400], [[B, 400]]) {
      batchNorm($0[0], gain: wide, bias: shift, ColumnStatistics($0[0], epsilon: 1e-5), isOwn: true)
    }
    let alpha = random([80], device).asParameter()
    pass("dice", [T, 80], [[T, 80]]) { dice($0[0], alpha: alpha, ColumnStatistics($0[0], epsilon: 1e-9), isOwn: true) }
  }

  /// What DIN and DIEN do around their layers, for histories of L events.
  private func targetAttention(_ B: Int, _ L: Int, _ D: Int) {
    let rows = Jagged(offsets: (0...B).map { Int32($0 * L) }, device: device)
    let T = B * L
    pass("target pairs", [B, L, D], [[T, D], [B, D]]) { targetPairs($0[0], target: $0[1], rows) }
    pass("target shares", [B, L, D], [[T, D], [B, D]]) { historyShares(targetDots($0[0], target: $0[1], rows), rows) }
    pass("weighted sums", [B, L, D], [[T, D], [T, 1]]) { weightedSums($0[0], weights: $0[1], rows) }
    let (u, c) = (random([D, 3 * D], device).asParameter(), random([3 * D], device).asParameter())
    pass("augru", [B, L, D], [[T, 3 * D], [T, 1]], flops: 18 * Double(T * D * D)) {
      AugurOps.gru($0[0], rows, weight: u, bias: c, shares: $0[1])
    }
  }

  private func windows(_ B: Int, _ L: Int, _ D: Int) {
    let (T, N) = (B * L, 5)
    let places = RowPlaces(Jagged(offsets: (0...B).map { Int32($0 * L) }, device: device))
    pass("window maximum", [B, L, 16, N], [[T, 16]]) { windowMaximum($0[0], places, length: N) }
    let g = random([4, N], device).asParameter()
    pass("window sums", [B, L, D, N], [[T, D]]) { windowSums($0[0], places, weights: g) }
  }

  private func rowLoss(_ name: String, _ loss: Loss, _ T: Int) {
    // Labels that every loss takes: 0 and 1, and steps or amounts from 0 to 8.
    let (choice, amount) = (Tensor((0..<T).map { Float($0 % 2) }, shape: [T], device: device), Tensor((0..<T).map { Float($0 % 9) }, shape: [T], device: device))
    let form = (loss.outputs, loss.labels)
    let (y, y1): (Tensor?, Tensor?) =
      switch loss {
      case .weibull: (amount, choice)
      case .poisson, .lognormal, .quantile, .huber: (amount, nil)
      default: (form.1 > 0 ? choice : nil, form.1 > 1 ? (loss == .delayed ? amount : choice) : nil)
      }
    let outputs = (0..<form.0).map { _ in random([T], device) }
    say(
      "\(name) loss forward+backward", [T], flops: 0, bytes: 4 * Double(T * (2 * form.0 + form.1 + 2))
    ) {
      let tape = Tape()
      let x = outputs.map { $0.watched(by: tape) }
      tape.backward(from: meanLoss(loss, x[0], x.count > 1 ? x[1] : nil, x.count > 2 ? x[2] : nil, labels: y, y1))
    }
  }

  /// Softmax against negatives that the batch shares.
  private func sampled(_ T: Int, _ D: Int, _ N: Int, _ V: Int) {
    let (h, table) = (random([T, D], device), random([V, D], device).asParameter())
    let targets = Lookup((0..<T).map { Int32($0 * 7919 % V) }, rowCount: V, device: device)
    let negatives = Negatives(Lookup((0..<N).map { Int32($0 * 104_729 % V) }, rowCount: V, device: device), count: N, sharing: .batch)
    say("sampled softmax forward+backward", [T, D, N, V], flops: 6.0 * Double(T * D) * Double(N)) {
      let tape = Tape()
      tape.backward(from: sampledLoss(h.watched(by: tape), table, targets: targets, negatives: negatives, .softmax))
    }
  }

  private func hstu(_ B: Int, _ H: Int, _ L: Int, _ K: Int) {
    let rows = Jagged(offsets: (0...B).map { Int32($0 * L) }, device: device)
    let (q, kv, gradient) = (random([B * L, H * K], device), random([B * L, 2 * H * K], device), random([B * L, H * K], device))
    let bias = HSTUBias(position: random([L], device).asParameter())
    let flops = 2.0 * Double(B * H * L) * Double(L * K)
    say("hstu forward", [B, H, L, K], flops: flops) { _ = hstuAttention(q: q, kv: kv, rows, heads: H, bias: bias) }
    say("hstu forward+backward", [B, H, L, K], flops: 3.5 * flops) {
      let tape = Tape()
      let o = hstuAttention(q: q.watched(by: tape), kv: kv.watched(by: tape), rows, heads: H, bias: bias)
      tape.backward(from: o, gradient: gradient)
    }
  }

  /// With the product of the inputs, as torch.nn.GRU.
  private func gru(_ B: Int, _ L: Int, _ D: Int) {
    let rows = Jagged(offsets: (0...B).map { Int32($0 * L) }, device: device)
    let (x, gradient) = (random([B * L, D], device), random([B * L, D], device))
    let (w, u) = (random([D, 3 * D], device).asParameter(), random([D, 3 * D], device).asParameter())
    let (b, c) = (random([3 * D], device).asParameter(), random([3 * D], device).asParameter())
    let flops = 12.0 * Double(B * L) * Double(D * D)
    say("gru forward", [B, L, D], flops: flops) { _ = AugurOps.gru(linear(x, w, bias: b), rows, weight: u, bias: c) }
    say("gru forward+backward", [B, L, D], flops: 3 * flops) {
      let tape = Tape()
      let h = AugurOps.gru(linear(x.watched(by: tape), w, bias: b), rows, weight: u, bias: c)
      tape.backward(from: h, gradient: gradient)
    }
  }
}
