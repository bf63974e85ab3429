// The command line: one file per subcommand, one place where errors become a line and an exit code.
import ArgumentParser
import AugurCompute
import AugurEvents
import AugurMetrics
import AugurModels
import AugurTensors
import AugurTraining
import Foundation

@main
struct Augur: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "augur", abstract: "Predicts what shoppers do next, from event logs.",
    discussion: "Results go to standard output, progress to standard error. Exit codes: 0 done, 2 your mistake, 1 anything else.",
    subcommands: [
      Doctor.self, Synth.self, Schema.self, Prepare.self, FeaturesCommand.self, Train.self, Evaluate.self, Recommend.self, Predict.self, Calibrate.self,
      ReportCommand.self,
      Reproduce.self, Bench.self, Verify.self, ParquetToCSV.self,
    ])

  static func main() {
    signal(SIGXFSZ, SIG_IGN)  // a write over the limit is an error to report, not a death
    signal(SIGPIPE, SIG_IGN)
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch { Foundation.exit(ending(with: error)) }
  }

  /// Prints what there is to say about `error` and returns the exit code.
  private static func ending(with error: any Error) -> Int32 {
    let code: Int32
    switch error {
    case let error as TrainingError: code = error.isUserMistake ? 2 : 1
    case is EventsError, is ModelError, is MetricsError, is ComputeError, is SafetensorsError, is UserMistake: code = 2
    case let error as ExitCode: return error.rawValue
    default:
      let isHelp = exitCode(for: error).isSuccess
      print(fullMessage(for: error), to: isHelp ? 1 : 2, firstLineOnly: !isHelp)
      return isHelp ? 0 : 2
    }
    var text = "\(error)"
    if let suggestion = suggestion(for: error) { text += "; did you mean '\(suggestion)'?" }
    print("augur: \(text)", to: 2)
    return code
  }

  private static func suggestion(for error: any Error) -> String? {
    switch error {
    case ModelError.unknownModel(let name, let known), ModelError.unknownHyperparameter(let name, let known):
      nearestName(to: name, in: known)
    default: nil
    }
  }

  private static func print(_ text: String, to descriptor: Int32, firstLineOnly: Bool = false) {
    let line = firstLineOnly ? String(text.split(separator: "\n").first ?? "") : text
    try? FileHandle(fileDescriptor: descriptor).write(contentsOf: Data((line + "\n").utf8))
  }
}

/// A mistake in the arguments that only the command itself can see.
struct UserMistake: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// `--device` and `--threads`, the same everywhere.
struct DeviceOptions: ParsableArguments {
  @Option(help: "auto, cpu, gpu or gpu:n. auto takes a real GPU where there is one.")
  var device = "auto"
  @Option(help: "Threads of the engine on the CPU; results do not depend on it.")
  var threads: Int?

  func open() throws -> Device {
    if let threads {
      guard (1...64).contains(threads) else { throw UserMistake("--threads: expected 1...64, got \(threads)") }
      ThreadPool.shared.threads = threads
    }
    // Read where devices are made and planned for, which cannot throw.
    let environment = ProcessInfo.processInfo.environment
    if let most = environment["AUGUR_DEVICE_MIB"], !most.isEmpty, Int(most).map({ $0 < 0 }) ?? true {
      throw UserMistake("AUGUR_DEVICE_MIB: expected a number of MiB of at least 0, got '\(most.prefix(40))'")
    }
    try check("AUGUR_TENSOR_CORES", environment, among: ["none", "mma", "wgmma"])
    try check("AUGUR_LOADER", environment, among: ["opencl", "driver"])
    return try Device.named(device)
  }

  private func check(_ name: String, _ environment: [String: String], among values: [String]) throws {
    guard let value = environment[name], !value.isEmpty, !values.contains(value) else { return }
    throw UserMistake("\(name): expected \(values.dropLast().joined(separator: ", ")) or \(values.last ?? ""), got '\(value.prefix(40))'")
  }
}

/// One JSON object on one line of standard output.
func printJSON(_ object: [String: Any]) {
  print(jsonText(object))
  fflush(nil)
}

func jsonText(_ object: [String: Any]) -> String {
  let bytes = try? JSONSerialization.data(withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes])
  return String(decoding: bytes ?? Data(), as: UTF8.self)
}

/// A number of a JSON line: rounded to what was measured; no number where there is none.
func number(_ value: Double, digits: Int = 6) -> Any {
  guard value.isFinite else { return NSNull() }
  let scale = pow(10, Double(digits))
  return (value * scale).rounded() / scale
}

/// The data set of a run, refused when it is not the one the run was trained on.
func openDataset(_ path: String, of settings: RunSettings) throws -> Dataset {
  let data = try Dataset(path: path)
  guard data.fingerprint == settings.data else {
    throw UserMistake(
      "\(path): is not the data set of this run (\(data.fingerprint), trained on \(settings.data)); give --data \(settings.dataPath)")
  }
  return data
}
