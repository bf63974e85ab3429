// Logistic regression: a weight for every feature value, and a bias. The first line of every comparison.
public import AugurLayers
public import AugurTensors

/// y = w0 + sum_i w_i x_i.
public final class LogisticRegression: TableModel {
  static let entry = TableModelEntry(name: "logistic-regression", paper: "Cox 1958", hyperparameters: []) { _, shape, _ throws(ModelError) in
    LogisticRegression(shape)
  }

  public var parameters: [Parameter] { store.parameters }
  private let store = ParameterStore()
  private let first: FirstOrder

  init(_ shape: TableShape) { first = FirstOrder("first", shape, in: store) }

  public func outputs(_ input: TableInput, _ pass: Pass) -> [Tensor] { [first(input, pass)] }
}
