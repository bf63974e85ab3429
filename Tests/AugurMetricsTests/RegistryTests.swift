// Names to metrics, and suggestions for names that do not exist.

import Foundation
import Testing

@testable import AugurMetrics

@Suite("Metric registry")
struct RegistryTests {
  @Test(arguments: ["HR@10", "NDCG@5", "MRR@20", "Recall@1"])
  func namesRoundTrip(name: String) throws {
    #expect(try Metric(named: name).name == name)
    #expect(try Metric(named: name.lowercased()).name == name)
  }

  @Test func namesAreUnique() {
    #expect(Set(Metric.families.map { $0.name.lowercased() }).count == Metric.families.count)
  }

  @Test func unknownNamesGetASuggestion() {
    let known = ["HR", "NDCG", "MRR", "Recall"]
    #expect(throws: MetricsError.unknownMetric(name: "NDGC@10", suggestion: "NDCG@10", known: known)) {
      try Metric(named: "NDGC@10")
    }
    #expect(throws: MetricsError.unknownMetric(name: "quality", suggestion: nil, known: known)) {
      try Metric(named: "quality")
    }
    #expect("\(MetricsError.unknownMetric(name: "NDGC@10", suggestion: "NDCG@10", known: []))".contains("NDCG@10"))
  }

  @Test(arguments: ["HR", "HR@", "HR@0", "HR@-1", "HR@ten", "HR@5@6", "HR@99999999999999999999"])
  func badCutoffsAreRefused(name: String) {
    #expect(throws: MetricsError.badCutoff(name: name, example: "HR@10")) { try Metric(named: name) }
  }

  @Test(arguments: ["", "@", "@10", "🙂@5", String(repeating: "x", count: 10_000)])
  func strangeNamesAreRefused(name: String) {
    #expect(throws: MetricsError.self) { try Metric(named: name) }
  }

  @Test func nearestNameSuggestsOnlyWhatIsNear() {
    let models = ["SASRec", "GRU4Rec", "BERT4Rec", "HSTU"]
    #expect(nearestName(to: "sasrec", in: models) == "SASRec")
    #expect(nearestName(to: "SARSec", in: models) == "SASRec")
    #expect(nearestName(to: "gru4", in: models) == nil)
    #expect(nearestName(to: "hst", in: models) == "HSTU")
    #expect(nearestName(to: "transformer", in: models) == nil)
    #expect(nearestName(to: "", in: models) == nil)
    #expect(nearestName(to: "x", in: []) == nil)
  }

  @Test func editDistances() {
    let cases = [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("ab", "ba", 1), ("ca", "abc", 3)]
    for (a, b, expected) in cases {
      #expect(editDistance(Array(a), Array(b)) == expected)
      #expect(editDistance(Array(b), Array(a)) == expected)
    }
  }

  @Test func ownLog2AgreesWithTheCLibrary() {
    for n in Array(1...5000) + [1 << 20, (1 << 20) + 1, 12_345_678_901] {
      let reference = log2(Double(n))
      #expect(abs(NDCG.log2(n) - reference) <= 2 * reference.ulp, "\(n)")
    }
  }
}
