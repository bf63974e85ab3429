import AugurOps
import AugurTensors

let regressionCases = [1, 7, 1000].map { (n: Int) in
  OpCase("Regression", "mse \(n)", [.init([n]), .init([n], .constant)], isLoss: true) { x, _ in meanSquaredError(x[0], x[1]) } reference: { x in
    [zip(x[0], x[1]).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } / Double(n)]
  }
}
