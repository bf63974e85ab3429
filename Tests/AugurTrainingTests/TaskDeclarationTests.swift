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
      let table = try table(scratch, task.labels)
      try task.check(table, path: "data")
      var plan = Hyperparameters(method.planKnobs)
      for (name, value) in task.settings(for: method) { try plan.set(name, value) }
      let objective = try TableObjective(method, plan, table)
      #expect(objective.joint == task.loss || objective.losses == [task.loss])
      let known = objective.answers.flatMap { answer in
        switch answer.kind {
        case .probability: binaryMetrics().map(\.name)
        case .value: valueMetrics.map(\.name)
        case .time: [ConcordanceIndex.name]
        }
      }
      #expect(task.metrics.allSatisfy(known.contains), "\(task.name): \(task.metrics) of \(known)")
    }
  }

  @Test func whatDoesNotFitIsALine() throws {
    let scratch = try Scratch()
    let isClass = try table(scratch, [.init("left", isBinary: true)])
    let survival = try TaskDeclaration.named("churn-survival")
    let misfit = #expect(throws: TrainingError.self) { try survival.check(isClass, path: "data") }
    #expect(
      misfit?.description == "task churn-survival: reads 'days until then, or observed' (a number), then 'left' (two classes), and data has 'y0' "
        + "(two classes); prepare it with a --label for each, in that order")
    for task in TaskDeclaration.all where task.labels.map(\.isBinary) != [true] && task.isOfTables {
      #expect(throws: TrainingError.self, "\(task.name)") { try task.check(isClass, path: "data") }
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
