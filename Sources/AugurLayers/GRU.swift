// A layer of gated recurrent units (Cho et al. 2014), with the weights of torch.nn.GRU.
import AugurOps
public import AugurTensors

/// h = GRU(x): `[T, D]`, one sequence at a time from a state of 0.
public struct GRU {
  let input: Linear
  let weight: Parameter
  let bias: Parameter

  public init(_ name: String, _ width: Int, hidden: Int, in store: ParameterStore) {
    input = Linear("\(name).input", width, 3 * hidden, in: store)
    weight = store.make("\(name).state.weight", [hidden, 3 * hidden], .xavierNormal)
    bias = store.make("\(name).state.bias", [3 * hidden], .zeros)
  }

  /// With `shares`, `[T]`, a row moves the state by so much of what it would.
  public func callAsFunction(_ x: Tensor, _ rows: Jagged, shares: Tensor? = nil) -> Tensor {
    gru(input(x), rows, weight: weight.value, bias: bias.value, shares: shares)
  }
}
