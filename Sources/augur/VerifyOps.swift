// Parity of a device: every op at every size of the tests, against its reference in Double.
import ArgumentParser
import AugurCompute
import Foundation
import OpCases

struct VerifyOps: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ops", abstract: "Every op on a device against its definition in Double, its gradient against central differences.",
    discussion: "Prints the worst element of each case and, last, how many missed their tolerance: exit code 1 where any did.")
  @OptionGroup var place: DeviceOptions
  @Option(help: "Only the cases whose op and name, as printed, hold this text.") var only = ""
  @Option(help: "Cases of these to leave out from the first on: to go on behind one that ended the process.") var skip = 0
  @Flag(help: "Names the cases and runs none.") var list = false
  @Flag(help: "One JSON object a case, and one at the end.") var json = false

  func run() throws {
    guard skip >= 0 else { throw UserMistake("--skip: expected at least 0, got \(skip)") }
    let named = OpCase.all.filter { only.isEmpty || "\($0.stem) \($0.name)".contains(only) }
    guard !named.isEmpty else { throw UserMistake("--only: no case of an op holds \"\(only)\"; --list names them all") }
    let cases = Array(named.dropFirst(skip))
    if list {
      for op in cases { json ? printJSON(["op": op.stem, "case": op.name]) : print("\(op.stem) \(op.name)") }
      return
    }
    let device = try place.open()
    let clock = ContinuousClock()
    var missed = 0
    let seconds = clock.measure { for op in cases { if !isWithin(op, device) { missed += 1 } } } / .seconds(1)
    if json {
      printJSON(
        ["verify": "ops", "cases": cases.count, "missed": missed, "seconds": number(seconds, digits: 2)].merging(fields(of: device)) { $1 })
    } else {
      print("\(cases.count) cases on \(device): \(missed == 0 ? "all within their tolerances" : "\(missed) missed their tolerances")")
    }
    if missed > 0 { throw ExitCode(1) }
  }

  private func isWithin(_ op: OpCase, _ device: Device) -> Bool {
    let found = [op.forward(on: device)].compactMap { $0 } + op.backward(on: device)
    let isWithin = found.allSatisfy(\.isWithin)
    let worst = found.max { $0.share < $1.share }
    if json {
      var line: [String: Any] = ["op": op.stem, "case": op.name, "device": "\(device)", "within": isWithin]
      if let worst {
        line.merge(
          [
            "worst": "\(worst.place)[\(worst.index)]", "value": number(worst.value, digits: 9), "expected": number(worst.expected, digits: 9),
            "share": number(worst.share, digits: 4),
          ]) { $1 }
      }
      printJSON(line)
    } else {
      let words = worst.map { "\($0), \(decimal($0.share, places: 3)) of the tolerance" } ?? "empty, as expected"
      print("\(isWithin ? "ok  " : "MISS") \(op.stem) \(op.name): \(words)")
      fflush(nil)
    }
    return isWithin
  }
}
