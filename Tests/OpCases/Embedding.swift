import AugurOps
import AugurTensors

private let sizes: [(Int, Int, Int)] = [(1, 1, 1), (5, 7, 13), (40, 20, 300), (3, 64, 0)]

let embeddingCases = sizes.map { V, D, T in
  let ids = fixedIDs(T, below: V, 1)
  let places = fixedIDs(T, below: 4, 2)
  return OpCase("Embedding", "\(V)x\(D), \(T) lookups", [.init([V, D], .parameter), .init([4, D], .parameter)]) { x, tape in
    embedding(
      x[0], Lookup(ids, rowCount: V, device: x[0].device), scale: 3, positions: x[1],
      places: Lookup(places, rowCount: 4, device: x[0].device), tape: tape)
  } reference: { x in
    (0..<T).flatMap { t in (0..<D).map { 3 * x[0][Int(ids[t]) * D + $0] + x[1][Int(places[t]) * D + $0] } }
  }
}
  + sizes.map { V, D, T in
    let (ids, drop) = (fixedIDs(T, below: V, 1), Dropout(rate: 0.4, seed: 5))
    return OpCase("Embedding", "\(V)x\(D), \(T) lookups, dropout", [.init([V, D], .parameter)]) { x, tape in
      embedding(x[0], Lookup(ids, rowCount: V, device: x[0].device), scale: 2, drop, tape: tape)
    } reference: { x in
      dropped(ids.flatMap { id in (0..<D).map { 2 * x[0][Int(id) * D + $0] } }, drop)
    }
  }
  + sizes.map { V, D, T in
    let ids = fixedIDs(T, below: V, 1)
    return OpCase("Embedding", "\(T) chosen rows of \(V)x\(D)", [.init([V, D])]) { x, _ in
      chosenRows(x[0], Lookup(ids, rowCount: V, device: x[0].device))
    } reference: { x in
      ids.flatMap { id in (0..<D).map { x[0][Int(id) * D + $0] } }
    }
  }
