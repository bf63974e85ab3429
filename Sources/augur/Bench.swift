// Benchmarks on the work of the peers: the same shapes, the same keys.
import ArgumentParser

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures ops, training steps, answers and ingestion.",
    subcommands: [
      BenchTrainStep.self, BenchEpoch.self, BenchOps.self, BenchInfer.self, BenchTopK.self, BenchIngest.self, BenchFeatures.self,
      BenchSuite.self, BenchPage.self,
    ])
}
