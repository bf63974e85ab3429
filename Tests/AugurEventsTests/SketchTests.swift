// Counts in bounded memory against counts in full.
import AugurTensors
import Testing

@testable import AugurEvents

@Suite struct SketchTests {
  private func add(_ text: String, to counts: inout ValueCounts) {
    Array(text.utf8).withUnsafeBytes { counts.add($0) }
  }

  @Test func countsAreExactWhileValuesAreFew() {
    var counts = ValueCounts(limit: 100)
    for value in 0..<1000 { add("v\(value % 100 % 37)", to: &counts) }
    #expect(counts.isExact && counts.distinct == 37 && counts.lost == 0)
    // Of the numbers below 100, remainders below 26 come three times.
    #expect(counts.top(2).map(\.text) == ["v0", "v1"] && counts.top(1)[0].count == 30)
    var unique = ValueCounts(limit: 100)
    for value in 0..<90 { add("\(value)", to: &unique) }
    #expect(unique.top(5).isEmpty)
  }

  /// Skewed values, far more than fit: the estimate within four standard errors, frequent ones within the stated loss.
  @Test(arguments: [1, 4]) func estimates(parts: Int) {
    var full: [Int: Int] = [:]
    var sketches = Array(repeating: ValueCounts(limit: 1000), count: parts)
    var random = RandomStream(seed: 5)
    for row in 0..<300_000 {
      let value = Int(1 / max(1e-6, random.uniform()))
      full[value, default: 0] += 1
      add("\(value)", to: &sketches[row % parts])
      add("only \(row)", to: &sketches[row % parts])
    }
    for part in sketches.dropFirst() { sketches[0].merge(part) }
    let exact = Double(full.count + 300_000)
    #expect(!sketches[0].isExact && abs(Double(sketches[0].distinct) - exact) < 4 * HyperLogLog.error * exact, "\(sketches[0].distinct)")
    #expect(sketches[0].lost > 0 && sketches[0].lost < 5000)
    let top = sketches[0].top(3)
    #expect(top.map(\.text) == ["1", "2", "3"])
    for (text, count) in top {
      let rows = full[Int(text) ?? 0] ?? 0
      #expect(count <= rows && count >= rows - sketches[0].lost, "\(text): \(count) of \(rows)")
    }
  }

  /// The estimate has no bias where older estimators change their formula.
  @Test(arguments: [10, 1000, 20_000, 41_000, 100_000, 1_000_000]) func distinctAtAnySize(count: Int) {
    var sketch = HyperLogLog()
    for value in 0..<UInt64(count) { sketch.add(RandomStream.mix(value &* 0x9e37_79b9)) }
    #expect(abs(sketch.estimate - Double(count)) <= 3 * HyperLogLog.error * Double(count), "\(sketch.estimate)")
  }

  /// The sample is the same however the values are shared out; ranks of quantiles are within four standard errors.
  @Test func samples() {
    var whole = ValueSample(limit: 1000)
    var parts = Array(repeating: ValueSample(limit: 1000), count: 3)
    for value in 0..<50_000 {
      let key = RandomStream.mix(UInt64(value))
      whole.add(Double(value), key: key)
      parts[value * 7 % 3].add(Double(value), key: key)
    }
    for part in parts[1...] { parts[0].merge(part) }
    #expect(parts[0].sorted() == whole.sorted() && whole.sorted().count == 1000 && !whole.isWhole)
    #expect(parts[0].count == 50_000 && parts[0].least == 0 && parts[0].largest == 49_999)
    for share in [0.05, 0.5, 0.95] {
      let value = quantile(share, of: whole.sorted()) ?? -1
      #expect(abs(value / 50_000 - share) < 4 * (share * (1 - share) / 1000).squareRoot(), "\(share): \(value)")
    }
    #expect(quantile(0.5, of: [1, 2, 3]) == 2 && quantile(1, of: [1, 2]) == 2 && quantile(0.5, of: []) == nil)
    #expect(histogram([0, 1, 2, 3, 4], bins: 4) == [1, 1, 1, 2] && histogram([1, 1], bins: 4).isEmpty)
    #expect(histogram([-1.7e308, 1.7e308], bins: 2).isEmpty)
  }

  @Test(arguments: [
    ("", ValueKind.missing, 0), ("NaN", .gap, 0), ("n/a", .gap, 0), ("\\N", .gap, 0), ("null", .gap, 0), ("7", .integer, 7),
    ("-12", .integer, -12), ("+5", .integer, 5), ("0007", .integer, 7), ("1234567890123456789", .integer, 1_234_567_890_123_456_768),
    ("12345678901234567890", .text, 0), ("1.5", .decimal, 1.5), (".5", .decimal, 0.5), ("5.", .decimal, 5),
    ("-0.125", .decimal, -0.125), ("1e3", .decimal, 1000), ("1.7976931348623157e308", .decimal, 1.7976931348623157e308),
    ("0.1234567890123456789", .decimal, 0.1234567890123456789), ("1e999", .text, 0), (".", .text, 0), ("-", .text, 0), ("+", .text, 0),
    ("1.2.3", .text, 0), ("12a", .text, 0), ("0x1F", .decimal, 31), ("1,5", .text, 0), ("true", .word, 0), ("No", .word, 0), ("y", .word, 0),
    ("nope", .text, 0), ("2024-02-29", .time, 1_709_164_800_000), ("2024-02-30", .text, 0), ("2024-02-29 12:30", .time, 1_709_209_800_000),
    ("[1,2]", .list, 0), ("[", .text, 0), ("é", .text, 0),
  ]) func kinds(text: String, kind: ValueKind, value: Double) {
    var number = 0.0
    #expect(Array(text.utf8).withUnsafeBytes { ValueKind($0, &number) } == kind)
    #expect(number == value)
  }
}
