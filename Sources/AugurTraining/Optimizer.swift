// Optimiser state and one update of every parameter.
import AugurLayers
import AugurModels
import AugurOps
import AugurTensors

/// Adam, lazy Adam, SGD, Nesterov or Adagrad over the parameters of one model, and averages of them. State has their names.
final class Optimizer {
  private struct State {
    let first: Tensor?  // Adam m, or SGD momentum
    let second: Tensor?  // Adam v, or Adagrad's sum of squares
    let last: Tensor?  // lazy Adam: step of each row's last update
  }
  private struct Slot {
    let parameter: Parameter
    let state: State
    let stepState: State  // what updates see: of a table in a cache its rows in there
    let mask: Tensor?  // 1 where a matrix of blocks may change
  }
  /// Tensors of a parameter's size that training holds at most: value, gradient, two moments.
  static let copies = 4

  private let slots: [Slot]
  /// w' = ema w' + (1 - ema) w after each step, from the first weights on; running statistics among them.
  private let averages: [(parameter: Parameter, tensor: Tensor)]
  private let knobs: Hyperparameters
  let cache: RowCache?

  /// With a cache, updates of the tables outside of a GPU are those of their rows in there.
  init(_ parameters: [Parameter], _ knobs: Hyperparameters, cache: RowCache? = nil) {
    (self.knobs, self.cache) = (knobs, cache)
    let kind = knobs.choice("optimizer")
    let isAdam = ["adam", "lazy-adam"].contains(kind)
    let hasMomentum = isAdam || (["sgd", "nesterov"].contains(kind) && knobs.real("momentum") > 0)
    let hasSquares = isAdam || ["adagrad", "rowwise-adagrad"].contains(kind)
    slots = parameters.filter { $0.isTrained }.map { parameter in
      let cache = parameter.isOutside ? cache : nil
      if let cache {
        parameter.keepRows(cache.rows(of: parameter.value).asParameter(), in: cache)
      } else {
        parameter.prepareForTraining()
      }
      let (value, shape, device) = (parameter.value, parameter.shape, parameter.value.device)
      let isLazy = kind == "lazy-adam" && parameter.isTable
      let state = State(
        first: hasMomentum ? value.zerosBeside(shape) : nil,
        second: hasSquares ? value.zerosBeside(kind == "rowwise-adagrad" && parameter.isTable ? [shape.rows] : shape) : nil,
        last: isLazy ? Tensor([Int32](repeating: 0, count: shape.rows), shape: [shape.rows], device: device) : nil)
      let rows = cache.map { cache in
        State(first: state.first.map(cache.rows), second: state.second.map(cache.rows), last: state.last.map(cache.rows))
      }
      return Slot(
        parameter: parameter, state: state, stepState: rows ?? state,
        mask: parameter.blockMask.map { Tensor($0, shape: shape, device: device) })
    }
    averages =
      knobs.real("ema") > 0
      ? parameters.map { ($0, Tensor($0.value.floats(), shape: $0.shape, device: $0.value.device, isOutside: $0.isOutside)) } : []
  }

  /// Whether an update leaves rows of tables that a step did not look up as they are, and looks at nothing of them.
  static func updatesRowsAlone(_ knobs: Hyperparameters) -> Bool {
    guard knobs.real("clip") == 0, knobs.real("ema") == 0 else { return false }
    return switch knobs.choice("optimizer") {
    case "lazy-adam", "adagrad", "rowwise-adagrad": true
    case "sgd", "nesterov": knobs.real("momentum") == 0
    default: false
    }
  }

  /// Puts the averages in place of the weights; nil without averages.
  ///
  /// - Returns: what puts the weights back.
  func takeAverages() -> (() -> Void)? {
    guard !averages.isEmpty else { return nil }
    let weights = averages.map { $0.parameter.value.floats() }
    for (parameter, average) in averages { parameter.value.assign(average.floats()) }
    return { [averages] in for (place, (parameter, _)) in averages.enumerated() { parameter.value.assign(weights[place]) } }
  }

  /// Every tensor of the state with its name in a checkpoint.
  var state: [(name: String, tensor: Tensor)] {
    cache?.writeBack()
    return slots.flatMap { slot in
      [("first", slot.state.first), ("second", slot.state.second), ("last", slot.state.last)].compactMap { kind, tensor in
        tensor.map { ("optimizer.\(kind).\(slot.parameter.name)", $0) }
      }
    } + averages.map { ("optimizer.average.\($0.parameter.name)", $0.tensor) }
  }

  /// One update from the gradients collected since the last; they are zero afterwards. `step` counts from 1.
  func update(step: Int, learningRate: Float) {
    for slot in slots {
      guard let mask = slot.mask, let gradientSlot = slot.parameter.value.slot, let g = gradientSlot.gradient else { continue }
      gradientSlot.gradient = product(g, mask)
    }
    let clip = clipFactor()
    let kind = knobs.choice("optimizer")
    let isSGD = ["sgd", "nesterov"].contains(kind)
    let adamStep = AdamStep(
      learningRate: learningRate, beta1: knobs.real("beta1"), beta2: knobs.real("beta2"), epsilon: knobs.real("epsilon"), step: step)
    var updates: [AdamUpdate] = []
    for slot in slots {
      guard let gradientSlot = slot.parameter.value.slot, let g = gradientSlot.gradient else { continue }
      let (w, state, decay) = (slot.parameter.value, slot.stepState, slot.parameter.decays ? knobs.real("weight-decay") : 0)
      let touched = gradientSlot.touchedRows
      gradientSlot.touchedRows = []
      if isSGD, state.first == nil, decay == 0, let touched, !touched.isEmpty {
        sgdRows(w, g, rows: Lookup.union(touched, rowCount: w.shape.rows), clip: clip, rate: learningRate, decay: 0)
        continue
      }
      if isSGD {
        sgd(
          w, g, momentum: state.first, clip: clip, rate: learningRate, momentum: knobs.real("momentum"), decay: decay,
          nesterov: kind == "nesterov")
        continue
      }
      if state.first == nil, let squares = state.second {
        // Rows that no example touched have no gradient, and Adagrad leaves them as they are.
        let rows = decay == 0 ? touched.flatMap { $0.isEmpty ? nil : Lookup.union($0, rowCount: w.shape.rows) } : nil
        adagrad(
          w, g, squares: squares, rows: rows, clip: clip, rate: learningRate, epsilon: knobs.real("epsilon"), decay: decay)
        continue
      }
      guard let m = state.first, let v = state.second else { continue }
      if let last = state.last, let touched {
        guard !touched.isEmpty else { continue }
        adamRows(w, g, m, v, last: last, rows: Lookup.union(touched, rowCount: w.shape.rows), clip: clip, decay: decay, adamStep)
      } else {
        updates.append(AdamUpdate(w, g, m, v, decay: decay))
      }
    }
    adam(updates, clip: clip, adamStep)
    let share = knobs.real("ema")
    for (parameter, average) in averages { combine(average, times: share, parameter.value, times: 1 - share) }
  }

  private func clipFactor() -> ClipFactor {
    let limit = knobs.real("clip")
    return limit > 0 ? ClipFactor(slots.compactMap(\.parameter.value.gradient), limit: limit) : .one
  }
}
