// Parity of a device: every op at every size of the tests, against its reference in Double; sizes of a GPU against the CPU.
import ArgumentParser
import AugurCompute
import Foundation
import OpCases

struct VerifyOps: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ops", abstract: "Every op on a device against its definition in Double, its gradient against central differences.",
    discussion: "Prints the worst element of each case and, last, how many missed their tolerance: exit code 1 where any did.")
  @OptionGroup var checks: CheckOptions
  @Flag(help: "Sizes that fill a GPU many times over, forward and backward against the CPU.") var large = false

  func run() throws {
    try checks.run(
      "ops",
      (large ? OpCase.large : OpCase.all).map { op in
        DeviceCheck(op: op.stem, name: op.name) { device in [op.forward(on: device)].compactMap { $0 } + op.backward(on: device) }
      })
  }
}

/// Something that a device has to get right.
struct DeviceCheck {
  let op: String, name: String
  /// The worst elements of its results.
  let deviations: (Device) throws -> [Deviation]
}

/// What every check of a device takes: which of its cases, and how to print them.
struct CheckOptions: ParsableArguments {
  @OptionGroup var place: DeviceOptions
  @Option(help: "Only the cases whose op and name, as printed, hold this text.") var only = ""
  @Option(help: "Cases of these to leave out from the first on: to go on behind one that ended the process.") var skip = 0
  @Flag(help: "Names the cases and runs none.") var list = false
  @Flag(help: "One JSON object a case, and one at the end.") var json = false

  func run(_ what: String, _ all: [DeviceCheck]) throws {
    guard skip >= 0 else { throw UserMistake("--skip: expected at least 0, got \(skip)") }
    let named = all.filter { only.isEmpty || "\($0.op) \($0.name)".contains(only) }
    guard !named.isEmpty || only.isEmpty else { throw UserMistake("--only: no case holds \"\(only)\"; --list names them all") }
    let cases = Array(named.dropFirst(skip))
    if list {
      for check in cases { json ? printJSON(["op": check.op, "case": check.name]) : print("\(check.op) \(check.name)") }
      return
    }
    let device = try place.open()
    let clock = ContinuousClock()
    var missed = 0
    let seconds = try clock.measure { for check in cases where !(try isWithin(check, device)) { missed += 1 } } / .seconds(1)
    if json {
      let line: [String: Any] = ["verify": what, "cases": cases.count, "missed": missed, "seconds": number(seconds, digits: 2)]
      printJSON(line.merging(fields(of: device)) { $1 })
    } else {
      let words = missed == 0 ? "all within their tolerances" : "\(missed) missed their tolerances"
      print("\(cases.count) cases on \(device): \(words)")
    }
    if missed > 0 { throw ExitCode(1) }
  }

  private func isWithin(_ check: DeviceCheck, _ device: Device) throws -> Bool {
    let found = try check.deviations(device)
    let isWithin = found.allSatisfy(\.isWithin)
    let worst = found.max { $0.share < $1.share }
    if json {
      var line: [String: Any] = ["op": check.op, "case": check.name, "device": "\(device)", "within": isWithin]
      if let worst {
        let words: [String: Any] = [
          "worst": "\(worst.place)[\(worst.index)]", "value": number(worst.value, digits: 9), "expected": number(worst.expected, digits: 9),
          "share": number(worst.share, digits: 4),
        ]
        line.merge(words) { $1 }
      }
      printJSON(line)
    } else {
      let words = worst.map { "\($0), \(decimal($0.share, places: 3)) of the tolerance" } ?? "empty, as expected"
      print("\(isWithin ? "ok  " : "MISS") \(check.op) \(check.name): \(words)")
      fflush(nil)
    }
    return isWithin
  }
}
