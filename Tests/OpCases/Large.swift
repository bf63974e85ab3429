// Sizes that fill a GPU many times over. Their definition in Double would take minutes, so the CPU's kernels, which the small cases check,
// are the reference: for what goes wrong only with more work-groups than a GPU has processors, or more rows than one axis of a grid takes.
import AugurCompute
import AugurOps
import AugurTensors

extension OpCase {
  public static let large: [OpCase] = largeProducts + largeAttention + largeTables + largeRows

  /// A case whose reference is the CPU, forward and for every element of its gradients.
  private init(
    large stem: String, _ name: String, _ inputs: [Input], isLoss: Bool = false, tolerance: Double = 1e-4, gradientTolerance: Double = 1e-3,
    run: @escaping @Sendable ([Tensor], Tape?) -> Tensor
  ) {
    self.init(
      stem, "large \(name)", inputs, isLoss: isLoss, tolerance: tolerance, gradientTolerance: gradientTolerance, comparesWithCPU: true, run: run
    ) { values in
      run(inputs.indices.map { Tensor(values[$0].map(Float.init), shape: inputs[$0].shape, device: .cpu) }, nil).floats().map(Double.init)
    }
  }

  private static var largeProducts: [OpCase] {
    [(4096, 256, 4096), (3000, 520, 2000), (1, 64, 100_000)].map { T, K, N in
      OpCase(
        large: "Matmul", "linear \(T)x\(K)x\(N) stored in bfloat16", [.init([T, K], .constant), .init([N, K], .constant)], tolerance: 1e-2
      ) { x, _ in
        converted(linear(converted(x[0], to: .bfloat16), converted(x[1], to: .bfloat16), transposed: true), to: .float32)
      }
    }
      + [(20_000, 256, 1024, DataType.bfloat16), (5001, 300, 700, .bfloat16), (20_000, 64, 256, .float32)].map { T, K, N, precision in
        OpCase(
          large: "Matmul", "linear \(T)x\(K)x\(N) gelu bias residual \(precision)",
          [.init([T, K]), .init([K, N], .parameter), .init([N], .parameter), .init([T, N])], tolerance: precision == .bfloat16 ? 1e-2 : 1e-4,
          gradientTolerance: precision == .bfloat16 ? 2e-2 : 1e-3
        ) { x, _ in linear(x[0], x[1], bias: x[2], residual: x[3], activation: .gelu, precision: precision) }
      }
  }

  /// Full sequences, and many of uneven lengths.
  private static var largeAttention: [OpCase] {
    let full = (0...8).map { Int32($0 * 1024) }
    var uneven: [Int32] = [0]
    for b in 0..<300 { uneven.append(uneven[b] + Int32(b * 7919 % 300 * (b * 7919 % 300) / 450)) }
    return [(full, 4, 64, "8 of 1024"), (uneven, 2, 128, "300 of 0 to 198")].flatMap { offsets, H, K, words in
      let (T, D) = (Int(offsets.last ?? 0), H * K)
      return [DataType.float32, .bfloat16].flatMap { precision -> [OpCase] in
        let isRounded = precision == .bfloat16
        let (tolerance, gradientTolerance) = isRounded ? (1e-2, 2e-2) : (1e-4, 1e-3)
        return [
          OpCase(
            large: "Attention", "\(words) H\(H) K\(K) \(precision)", [.init([T, 3 * D], scale: 1.5)], tolerance: tolerance,
            gradientTolerance: gradientTolerance
          ) { x, _ in attention(qkv: x[0], Jagged(offsets: offsets, device: x[0].device), heads: H, precision: precision) },
          OpCase(
            large: "HSTU", "\(words) H\(H) K\(K) \(precision)", [.init([T, D]), .init([T, 2 * D]), .init([1024], .parameter)],
            tolerance: tolerance, gradientTolerance: gradientTolerance
          ) { x, _ in
            hstuAttention(
              q: x[0], kv: x[1], Jagged(offsets: offsets, device: x[0].device), heads: H, bias: HSTUBias(position: x[2]), precision: precision)
          },
        ]
      }
    }
  }

  private static var largeTables: [OpCase] {
    let (T, V, D, N) = (2000, 30_000, 64, 500)
    let (targets, drawn) = (fixedIDs(T, below: V, 5), fixedIDs(N, below: V, 6))
    let (rows, lookups) = (5000, 300_000)
    let ids = fixedIDs(lookups, below: rows, 7)
    return [
      OpCase(
        large: "SoftmaxLoss", "T\(T) V\(V) D\(D) bfloat16", [.init([T, D]), .init([V, D], .parameter)], isLoss: true, tolerance: 1e-2,
        gradientTolerance: 2e-2
      ) { x, _ in softmaxLoss(x[0], x[1], targets: Lookup(targets, rowCount: V, device: x[0].device), precision: .bfloat16) },
      OpCase(large: "Embedding", "\(rows)x8, \(lookups) lookups", [.init([rows, 8], .parameter)]) { x, tape in
        embedding(x[0], Lookup(ids, rowCount: rows, device: x[0].device), tape: tape)
      },
    ] + [DataType.float32, .bfloat16].map { precision in
      OpCase(
        large: "SampledLoss", "T\(T) V\(V) D\(D) N\(N)\(precision == .bfloat16 ? " bfloat16" : "")", [.init([T, D]), .init([V, D], .parameter)],
        isLoss: true, tolerance: precision == .bfloat16 ? 1e-2 : 1e-4, gradientTolerance: precision == .bfloat16 ? 2e-2 : 1e-3
      ) { x, _ in
        let device = x[0].device
        return sampledLoss(
          x[0], x[1], targets: Lookup(targets, rowCount: V, device: device),
          negatives: Negatives(Lookup(drawn, rowCount: V, device: device), count: N, sharing: .batch), .softmax, precision: precision)
      }
    }
  }

  private static var largeRows: [OpCase] {
    [
      OpCase(large: "Norm", "layer norm 300000x16", [.init([300_000, 16]), .init([16], .parameter), .init([16], .parameter)]) { x, _ in
        layerNorm(x[0], gain: x[1], bias: x[2], epsilon: 1e-5)
      },
      OpCase(large: "Activation", "gelu 300001x16", [.init([300_001, 16])]) { x, _ in activation(x[0], .gelu) },
    ]
  }
}
