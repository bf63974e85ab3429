// Demand by price, with an elasticity that is never above 0. The log-log model of demand with a slope that depends on the rest.
public import AugurLayers
import AugurOps
public import AugurTensors

/// ln y = f(rest) - softplus(g) ln (price / usual price), f a weight for every feature value plus an MLP; g one number, one for each value of a categorical
/// feature, or an MLP of the rest. The usual price, which changes the meaning of f alone, is the geometric mean of the training rows, by that feature
/// where g is: without it f and g would hold each other up. The elasticity, d ln y / d ln price = -softplus(g), is at most 0 by its form: an answer never rises with
/// the price, as long as no other feature moves with it; training refuses numbers that follow it.
///
/// y is the mean of a count or the probability of class 1 (loss poisson, the standard one); with bce it is the odds, and the elasticity of the
/// probability is -softplus(g) (1 - p); with squared it is the label itself that is linear in ln price.
public final class PriceResponse: TableModel {
  static let entry = TableModelEntry(
    name: "price-response", paper: "log-log demand, elasticity at most 0 by its form",
    hyperparameters: [
      .text("price", "price", "the name of a number", "feature that is the price, above 0"),
      .text("elasticity", "all", "one, a categorical feature", "what it depends on: nothing, the values of a feature, or all but the price"),
      .widths("elasticity-units", "16", "widths of the layers behind it, where it depends on all"),
    ] + embeddingKnobs(dim: 4) + perceptronKnobs(units: "32", dropout: 0, batchNorm: "no"), loss: "poisson"
  ) { h, shape, _ throws(ModelError) in
    guard let price = shape.price else { throw .badCombination("price-response: the table has no price; name it with price=COLUMN") }
    return PriceResponse(h, shape, price)
  }

  public var parameters: [Parameter] { store.parameters }
  public let price: TablePrice?
  private let store = ParameterStore()
  private let first: FirstOrder
  private let embedding: FeatureEmbedding
  private let deep: MLP
  private let output: Linear
  private let slope: Slope
  /// -ln of the usual price, one or by value.
  private let shift: Parameter

  /// g.
  private enum Slope {
    case one(Parameter)
    case byValue(Parameter, Parameter)
    case network(MLP, Linear)
  }

  init(_ h: Hyperparameters, _ shape: TableShape, _ price: TablePrice) {
    self.price = price
    first = FirstOrder("first", shape, in: store)
    embedding = FeatureEmbedding("features", shape, width: h.integer("dim"), deviation: embeddingDeviation, in: store)
    let width = shape.featureCount * embedding.width
    var shiftCount = 1
    if case .field(let field) = price.elasticity { shiftCount = shape.fieldSizes[field] }
    shift = store.make("price.shift", [shiftCount, 1], .zeros, isTrained: false)
    deep = MLP("deep", width, h, in: store)
    output = Linear("output", deep.width, 1, in: store)
    switch price.elasticity {
    case .one: slope = .one(store.make("elasticity.bias", [1, 1], .zeros))
    case .field(let field):
      let values = store.make("elasticity.weight", [shape.fieldSizes[field], 1], .zeros, isTable: true)
      slope = .byValue(values, store.make("elasticity.bias", [1, 1], .zeros))
    case .all:
      let hidden = MLP("elasticity.hidden", width, h.widths("elasticity-units"), batchNorm: false, dropout: 0, in: store)
      slope = .network(hidden, Linear("elasticity.output", hidden.width, 1, in: store))
    }
  }

  public func outputs(_ input: TableInput, _ pass: Pass) -> [Tensor] {
    guard let price = input.price else { preconditionFailure("price-response: expected prices") }
    let e = embedding(input, pass)
    let f = output(deep(e, pass), residual: first(input, pass))
    let shifts = price.groups.map { AugurOps.embedding(shift.value, $0, tape: nil) } ?? linear(ones(input), shift.value)
    return [product(fall(e, input, pass), add(price.logarithms, shifts), plus: f, scale: -1)]
  }

  public func shiftPrices(_ shifts: [Float]) { shift.value.assign(shifts) }

  private func ones(_ input: TableInput) -> Tensor {
    Tensor([Float](repeating: 1, count: input.rowCount), shape: [input.rowCount, 1], device: shift.value.device)
  }

  public func elasticities(_ input: TableInput, _ pass: Pass) -> [Float]? {
    fall(embedding(input, pass), input, pass).floats().map { -$0 }
  }

  /// softplus(g), `[B, 1]`.
  private func fall(_ e: Tensor, _ input: TableInput, _ pass: Pass) -> Tensor {
    let ones = recorded(ones(input), pass)
    let g: Tensor
    switch slope {
    case .one(let bias): g = linear(ones, bias.value)
    case .byValue(let values, let bias):
      guard let groups = input.price?.groups else { preconditionFailure("price-response: expected a value a row") }
      g = linear(ones, bias.value, residual: AugurOps.embedding(values.value, groups, tape: pass.tape))
    case .network(let hidden, let output): g = output(hidden(e, pass))
    }
    return activation(g, .softplus)
  }
}
