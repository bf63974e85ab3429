import AugurOps
import AugurTensors

let interactionCases: [OpCase] = [(1, 1, 1), (5, 3, 7), (130, 10, 10), (0, 2, 3), (3, 1, 17)].flatMap { B, F, D in
  let shape: Shape = [B, F * D]
  return [
    OpCase("Interaction", "product \(B)x\(F * D)", [.init(shape), .init(shape), .init(shape)]) { x, _ in
      product(x[0], x[1], plus: x[2], scale: 2)
    } reference: { x in x[0].indices.map { 2 * x[0][$0] * x[1][$0] + x[2][$0] } },
    OpCase("Interaction", "square \(B)x\(F * D)", [.init(shape)]) { x, _ in
      product(x[0], x[0])
    } reference: { x in x[0].map { $0 * $0 } },
    OpCase("Interaction", "field pairs \(B)x\(F)x\(D)", [.init(shape)], flops: Double(4 * B * F * D)) { x, _ in
      fieldPairs(x[0], fields: F)
    } reference: { x in
      (0..<B).map { r in
        var sum = 0.0
        for f in 0..<F {
          for g in f + 1..<max(F, f + 1) { for d in 0..<D { sum += x[0][(r * F + f) * D + d] * x[0][(r * F + g) * D + d] } }
        }
        return sum
      }
    },
    OpCase("Interaction", "repeated \(B)x\(F * D)", [.init([1, F * D])]) { x, _ in
      repeated(x[0], B)
    } reference: { x in (0..<B).flatMap { _ in x[0] } },
    OpCase("Interaction", "side by side \(B)x\(F * D)", [.init(shape), .init([B, 1]), .init([B, 3 * D])]) { x, _ in
      sideBySide(x)
    } reference: { x in
      (0..<B).flatMap { b in zip(x, [F * D, 1, 3 * D]).flatMap { part, width in part[b * width..<(b + 1) * width] } }
    },
    OpCase("Interaction", "rows \(B)x\(F)x\(D)", [.init(shape)]) { x, _ in
      rows(product(x[0], x[0]), as: [B * F, D])
    } reference: { x in x[0].map { $0 * $0 } },
  ]
}
