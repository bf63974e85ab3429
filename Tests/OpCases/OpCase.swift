// One description of an op checks it on every device and in both directions, and gives benchmarks its cost.
public import AugurTensors

/// An op at one size: how to run it, and what it means in plain `Double` arithmetic.
public struct OpCase: Sendable {
  public enum Role: Sendable { case activation, parameter, constant }
  public struct Input: Sendable {
    public let shape: Shape
    public let role: Role
    /// Values are uniform in -scale ... scale.
    public let scale: Float
    public init(_ shape: Shape, _ role: Role = .activation, scale: Float = 1) { (self.shape, self.role, self.scale) = (shape, role, scale) }
  }
  /// The file that holds the op: `Sources/AugurOps/<stem>.swift`.
  public let stem: String
  public let name: String
  public let inputs: [Input]
  /// True where the output is the mean loss itself.
  public let isLoss: Bool
  /// Largest error of a value, relative to the largest of the output.
  public let tolerance: Double
  /// The same for a gradient, against central differences.
  public let gradientTolerance: Double
  public let flops: Double
  /// The reference is the CPU, and so is that of the gradients.
  let comparesWithCPU: Bool
  public let run: @Sendable ([Tensor], Tape?) -> Tensor
  public let reference: @Sendable ([[Double]]) -> [Double]

  public init(
    _ stem: String, _ name: String, _ inputs: [Input], isLoss: Bool = false, tolerance: Double = 2e-5, gradientTolerance: Double = 2e-3,
    flops: Double = 0, comparesWithCPU: Bool = false,
    run: @escaping @Sendable ([Tensor], Tape?) -> Tensor, reference: @escaping @Sendable ([[Double]]) -> [Double]
  ) {
    (self.stem, self.name, self.inputs, self.isLoss) = (stem, name, inputs, isLoss)
    (self.tolerance, self.gradientTolerance, self.flops) = (tolerance, gradientTolerance, flops)
    (self.comparesWithCPU, self.run, self.reference) = (comparesWithCPU, run, reference)
  }

  public static let all: [OpCase] =
    activationCases + attentionCases + batchNormCases + convolutionCases + diceCases + dropoutCases + embeddingCases + embeddingBagCases + feedForwardCases + gateCases
    + gruCases + hstuCases + interactionCases + lossCases + matmulCases + mixtureCases + normCases + optimizerCases + sampledLossCases
    + softmaxLossCases + targetAttentionCases + topKCases
}

/// Fixed pseudo-random values, the same in every run: SplitMix64 of the index.
public func fixedValue(_ index: Int, _ salt: Int) -> Double {
  var z = UInt64(index &+ 1) &* 0x9e37_79b9_7f4a_7c15 &+ UInt64(salt) &* 0xd1b5_4a32_d192_ed03
  z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
  z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
  return Double((z ^ (z >> 31)) >> 11) * 0x1p-52 - 1
}

func fixedIDs(_ count: Int, below bound: Int, _ salt: Int) -> [Int32] {
  (0..<count).map { Int32(min(bound - 1, Int((fixedValue($0, salt) + 1) / 2 * Double(bound)))) }
}
