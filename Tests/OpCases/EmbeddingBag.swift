import AugurOps
import AugurTensors

/// Bag lengths with empty bags at the start, in the middle and at the end.
private let bagLengths: [[Int32]] = [[1], [0, 3, 0, 1, 17, 0], [50, 50, 22], [0], Array(repeating: 2, count: 40)]

let embeddingBagCases = zip(bagLengths, [(1, 1), (5, 7), (70, 64), (3, 16), (20, 131)]).flatMap { lengths, size in
  let (V, D) = size
  let offsets = lengths.reduce(into: [Int32(0)]) { $0.append($0[$0.count - 1] + $1) }
  let n = Int(offsets[lengths.count])
  let ids = fixedIDs(n, below: V, 1)
  return [(false, false), (true, false), (false, true), (true, true)].map { isWeighted, isMean in
    let name = "\(V)x\(D), \(n) lookups, \(lengths.count) bags, \(isWeighted ? "weighted " : "")\(isMean ? "mean" : "sum")"
    let inputs = [OpCase.Input([V, D], .parameter), .init([n], isWeighted ? .activation : .constant)]
    return OpCase("EmbeddingBag", name, inputs) { x, tape in
      let device = x[0].device
      return embeddingBag(
        x[0], Lookup(ids, rowCount: V, device: device), Jagged(offsets: offsets, device: device),
        weights: isWeighted ? x[1] : nil, isMean: isMean, tape: tape)
    } reference: { x in
      lengths.indices.flatMap { b in
        (0..<D).map { d in
          let bag = Int(offsets[b])..<Int(offsets[b + 1])
          let sum = bag.reduce(0.0) { $0 + (isWeighted ? x[1][$1] : 1) * x[0][Int(ids[$1]) * D + d] }
          return isMean && !bag.isEmpty ? sum / Double(bag.count) : sum
        }
      }
    }
  }
}
