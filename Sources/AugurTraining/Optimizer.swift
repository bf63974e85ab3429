// Optimiser state and one update of every parameter.
import AugurLayers
import AugurModels
import AugurOps
import AugurTensors

/// Adam, lazy Adam or SGD over the parameters of one model. State has the names of the parameters.
final class Optimizer {
  private struct Slot {
    let parameter: Parameter
    let first: Tensor?  // Adam m, or SGD momentum
    let second: Tensor?  // Adam v
    let last: Tensor?  // lazy Adam: step of each row's last update
  }
  /// Tensors of a parameter's size that training holds at most: value, gradient, two moments.
  static let copies = 4

  private let slots: [Slot]
  private let knobs: Hyperparameters

  init(_ parameters: [Parameter], _ knobs: Hyperparameters) {
    self.knobs = knobs
    let kind = knobs.choice("optimizer")
    let hasMomentum = kind != "sgd" || knobs.real("momentum") > 0
    slots = parameters.filter { $0.isTrained }.map { parameter in
      parameter.prepareForTraining()
      let (shape, device) = (parameter.value.shape, parameter.value.device)
      let isLazy = kind == "lazy-adam" && parameter.isTable
      return Slot(
        parameter: parameter, first: hasMomentum ? .zeros(shape, device: device) : nil,
        second: kind != "sgd" ? .zeros(shape, device: device) : nil,
        last: isLazy ? Tensor([Int32](repeating: 0, count: shape.rows), shape: [shape.rows], device: device) : nil)
    }
  }

  /// Every tensor of the state with its name in a checkpoint.
  var state: [(name: String, tensor: Tensor)] {
    slots.flatMap { slot in
      [("first", slot.first), ("second", slot.second), ("last", slot.last)].compactMap { kind, tensor in
        tensor.map { ("optimizer.\(kind).\(slot.parameter.name)", $0) }
      }
    }
  }

  /// One update from the gradients collected since the last; they are zero afterwards. `step` counts from 1.
  func update(step: Int, learningRate: Float) {
    let clip = clipFactor()
    let isSGD = knobs.choice("optimizer") == "sgd"
    for slot in slots {
      guard let gradientSlot = slot.parameter.value.slot, let g = gradientSlot.gradient else { continue }
      let (w, decay) = (slot.parameter.value, slot.parameter.decays ? knobs.real("weight-decay") : 0)
      let touched = gradientSlot.touchedRows
      gradientSlot.touchedRows = []
      if isSGD, slot.first == nil, decay == 0, let touched, !touched.isEmpty {
        sgdRows(w, g, rows: Lookup.union(touched, rowCount: w.shape.rows), clip: clip, rate: learningRate, decay: 0)
        continue
      }
      if isSGD {
        sgd(w, g, momentum: slot.first, clip: clip, rate: learningRate, momentum: knobs.real("momentum"), decay: decay)
        continue
      }
      guard let m = slot.first, let v = slot.second else { continue }
      let adamStep = AdamStep(
        learningRate: learningRate, beta1: knobs.real("beta1"), beta2: knobs.real("beta2"), epsilon: knobs.real("epsilon"),
        decay: decay, step: step)
      if let last = slot.last, let touched {
        guard !touched.isEmpty else { continue }
        adamRows(w, g, m, v, last: last, rows: Lookup.union(touched, rowCount: w.shape.rows), clip: clip, adamStep)
      } else {
        adam(w, g, m, v, clip: clip, adamStep)
      }
    }
  }

  /// min(1, clip / norm of the whole gradient).
  private func clipFactor() -> Float {
    let limit = knobs.real("clip")
    guard limit > 0 else { return 1 }
    let norm = sumOfSquares(slots.compactMap(\.parameter.value.gradient)).squareRoot()
    return norm > Double(limit) ? Float(Double(limit) / norm) : 1
  }
}
