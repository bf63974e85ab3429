// Slope and intercept of a logistic map by Newton's method with halved steps (Lin, Lin and Weng, 2007).

/// Minimises Σ w [softplus(z) - t z] over z = slope · x + intercept, slope at least 0.
///
/// The labels t are Platt's, (n₊ + 1)/(n₊ + 2) and 1/(n₋ + 2): with them the minimum is finite where the classes do not overlap.
struct LogisticFit {
  private(set) var slope = 0.0
  private(set) var intercept = 0.0

  var calibrator: Calibrator { .logistic(slope: slope, intercept: intercept) }

  init(_ examples: BinaryExamples, hasIntercept: Bool) {
    let (positive, negative) = examples.classWeights(examples.weights)
    let targets = (no: 1 / (negative + 2), yes: (positive + 1) / (positive + 2))
    // Centred and scaled, Newton's matrix is well conditioned whatever the logits are.
    let centre = hasIntercept ? weightedMean(examples.weights) { examples.scores[$0] } ?? 0 : 0
    let square = weightedMean(examples.weights) { (examples.scores[$0] - centre) * (examples.scores[$0] - centre) } ?? 0
    let scale = square > 0 ? square.squareRoot() : 1
    let problem = Problem(examples: examples, targets: targets, centre: centre, scale: scale, hasIntercept: hasIntercept)
    var (a, b) = (0.0, 0.0)
    var state = problem.state(a, b)
    for _ in 0..<100 {
      guard let step = state.newtonStep else { break }
      var (share, next) = (1.0, problem.state(a + step.a, b + step.b))
      while next.loss > state.loss + 1e-4 * share * step.slope, share > 1e-10 {
        share /= 2
        next = problem.state(a + share * step.a, b + share * step.b)
      }
      guard next.loss < state.loss else { break }
      (a, b, state) = (a + share * step.a, b + share * step.b, next)
    }
    // A model that ranks the wrong way around says nothing: its base rate is left.
    if a <= 0 {
      let mean = (positive * targets.yes + negative * targets.no) / (positive + negative)
      intercept = hasIntercept ? logit(ofProbability: mean) : 0
      return
    }
    (slope, intercept) = (a / scale, b - a * centre / scale)
  }

  private struct Problem {
    let examples: BinaryExamples
    let targets: (no: Double, yes: Double)
    let centre: Double
    let scale: Double
    let hasIntercept: Bool

    /// Loss, gradient and second derivatives at z = a (x - centre) / scale + b, each divided by the weight of all rows.
    func state(_ a: Double, _ b: Double) -> State {
      var state = State()
      var all = 0.0
      for row in examples.weights.indices where examples.weights[row] > 0 {
        let (weight, x) = (examples.weights[row], (examples.scores[row] - centre) / scale)
        let (target, z) = (examples.labels[row] == 1 ? targets.yes : targets.no, a * x + b)
        let e = exponential(-z.magnitude)
        let p = (z < 0 ? e : 1) / (1 + e)
        let (error, curvature) = (weight * (p - target), weight * p * (1 - p))
        state.loss += weight * (max(z, 0) + logarithmOfOnePlus(e) - target * z)
        state.ga += error * x
        state.gb += error
        state.haa += curvature * x * x
        state.hab += curvature * x
        state.hbb += curvature
        all += weight
      }
      state.divide(by: all)
      if !hasIntercept { (state.gb, state.hab, state.hbb) = (0, 0, 1) }
      return state
    }
  }

  private struct State {
    var (loss, ga, gb, haa, hab, hbb) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)

    mutating func divide(by all: Double) {
      (loss, ga, gb) = (loss / all, ga / all, gb / all)
      (haa, hab, hbb) = (haa / all, hab / all, hbb / all)
    }

    /// -H⁻¹ g, and the slope of the loss along it; nil at the minimum.
    var newtonStep: (a: Double, b: Double, slope: Double)? {
      guard max(ga.magnitude, gb.magnitude) > 1e-13 else { return nil }
      let (aa, bb) = (haa + 1e-12, hbb + 1e-12)
      let determinant = aa * bb - hab * hab
      let (a, b) = (-(bb * ga - hab * gb) / determinant, -(aa * gb - hab * ga) / determinant)
      return (a, b, a * ga + b * gb)
    }
  }
}
