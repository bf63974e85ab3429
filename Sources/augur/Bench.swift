// Benchmarks on the work of the peers: the same shapes, the same keys.
import ArgumentParser

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures single ops and whole training steps.", subcommands: [BenchTrainStep.self, BenchOps.self])
}
