// Declarations of tasks: each fits what it names, and says in one line what does not fit it.
import AugurEvents
import AugurMetrics
import AugurModels
import Foundation
import Testing

@testable import AugurTraining

@Suite struct TaskDeclarationTests {
  private func table(_ scratch: Scratch, _ labels: [TableObjective.Label]) throws -> TableDescription {
    let header = "x," + labels.indices.map { "y\($0)" }.joined(separator: ",")
    let rows = (0..<40).map { row in
      "\(row * 7 % 11)," + labels.enumerated().map { place, label in "\(label.isBinary ? row >> place & 1 : row % 5)" }.joined(separator: ",")
    }
    let file = "\(scratch.path)/\(UUID().uuidString)"
    try ([header] + rows).joined(separator: "\n").write(toFile: file + ".csv", atomically: true, encoding: .utf8)
    var options = TableOptions(label: "y0")
    options.furtherLabels = labels.indices.dropFirst().map { "y\($0)" }
    options.allowsLeaks = true
    return try prepareTable(inputs: [file + ".csv"], output: file, options: options)
  }

  @Test func everyTaskFitsItsModelAndItsLabels() throws {
    let scratch = try Scratch()
    #expect(Set(TaskDeclaration.all.map(\.name)).count == TaskDeclaration.all.count)
    for task in TaskDeclaration.all {
      #expect(try TaskDeclaration.named(task.name).name == task.name)
      let method = TableMethod.named(task.model)
      try task.check(method, model: task.model)
      guard let method else {
        #expect(ModelEntry.all.contains { $0.name == task.model } && !task.isOfTables)
        continue
      }
      for form in task.forms {
        let table = try table(scratch, form.labels)
        #expect(try task.form(of: table, path: "data", method).loss == form.loss)
        var plan = Hyperparameters(method.planKnobs)
        for (name, value) in form.settings(for: method) { try plan.set(name, value) }
        let objective = try TableObjective(method, plan, table)
        #expect(objective.joint == form.loss || objective.losses == [form.loss])
        let known = objective.answers.flatMap { answer in
          switch answer.kind {
          case .probability: binaryMetrics().map(\.name)
          case .value: valueMetrics.map(\.name)
          case .time: [ConcordanceIndex.name]
          }
        }
        #expect(form.metrics.allSatisfy(known.contains), "\(task.name): \(form.metrics) of \(known)")
      }
    }
  }

  @Test func priceResponseTakesClassesAndCounts() throws {
    let task = try TaskDeclaration.named("price-response")
    #expect(task.model == "price-response" && task.forms.map(\.loss) == ["bce", "poisson"])
    let scratch = try Scratch()
    let (isClass, isCount) = (try table(scratch, [.init("bought", isBinary: true)]), try table(scratch, [.init("sold", isBinary: false)]))
    let trees = try #require(TableMethod.named("gbdt"))
    try task.check(trees, model: "gbdt")
    #expect(try task.form(of: isClass, path: "data", trees).loss == "bce")
    let noLoss = #expect(throws: TrainingError.self) { try task.form(of: isCount, path: "data", trees) }
    #expect(
      noLoss?.description == "task price-response: learns 'sold' (a number) by the loss poisson, and gbdt has no such loss; take "
        + "price-response or another network")
    let both = try table(scratch, [.init("bought", isBinary: true), .init("sold", isBinary: false)])
    let misfit = #expect(throws: TrainingError.self) { try task.form(of: both, path: "data", trees) }
    #expect(misfit?.description.contains("reads 'bought' (two classes), or 'sold' (a number), and data has 'y0' (two classes), then 'y1'") == true)
  }

  @Test func whatDoesNotFitIsALine() throws {
    let scratch = try Scratch()
    let isClass = try table(scratch, [.init("left", isBinary: true)])
    let survival = try TaskDeclaration.named("churn-survival")
    let network = try #require(TableMethod.named("mlp"))
    let misfit = #expect(throws: TrainingError.self) { try survival.form(of: isClass, path: "data", network) }
    #expect(
      misfit?.description == "task churn-survival: reads 'days until then, or observed' (a number), then 'left' (two classes), and data has 'y0' "
        + "(two classes); prepare it with a --label for each, in that order")
    for task in TaskDeclaration.all where task.isOfTables && !task.forms.contains(where: { $0.labels.map(\.isBinary) == [true] }) {
      #expect(throws: TrainingError.self, "\(task.name)") { try task.form(of: isClass, path: "data", network) }
    }
    let unknown = #expect(throws: TrainingError.self) { try TaskDeclaration.named("chrun") }
    #expect(unknown?.description.contains("there is no such task") == true && unknown?.isUserMistake == true)
    let trees = try #require(TableMethod.named("gbdt"))
    #expect(throws: TrainingError.self) { try survival.check(trees, model: "gbdt") }
    #expect(throws: TrainingError.self) { try survival.check(nil, model: "sasrec") }
    #expect(throws: TrainingError.self) { try TaskDeclaration.named("next-item").check(trees, model: "gbdt") }
    try TaskDeclaration.named("churn").check(trees, model: "gbdt")
  }
}
