// Trains a model; stops cleanly on SIGINT; goes on with --resume as if it had never stopped.
import ArgumentParser
import AugurCompute
import AugurEvents
import AugurModels
import AugurTensors
import AugurTraining
import Foundation
import Synchronization

private let interrupts = Atomic<Int>(0)

struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Trains a model of next items on a data set, or of a label on a table.",
    discussion: """
      A task sets what is not given: the model, and its loss. --task NAME is one of

      \(TaskDeclaration.all.map(\.line).joined(separator: "\n"))

      Knobs of --set: see `augur train --model NAME --list`. A run killed at any moment goes on with --resume.
      """)
  @Option(help: "Data set made by augur prepare.") var data: String?
  @Option(help: "What is asked of it.") var task: String?
  @Option(
    help: """
      \(ModelEntry.all.map(\.name).joined(separator: ", ")); of tables: \(TableMethod.all.map(\.name).joined(separator: ", ")).
      """)
  var model: String?
  @Option(help: "Run folder.") var output: String?
  @OptionGroup var place: DeviceOptions
  @Option(help: "Seed of initial weights, order, negatives and dropout.") var seed: UInt64 = 1
  @Option(help: "Passes over the data at most; the same as --set epochs=N.") var epochs: Int?
  @Option(help: "JSON object of knobs.") var config: String?
  @Option(name: .customLong("set"), help: "key=value; may be repeated.") var settings: [String] = []
  @Flag(help: "Go on with the run in --output; starts it where there is none yet.") var resume = false
  @Flag(help: "List every knob of the model and the plan, with default and range, or without a model every task, and stop.") var list = false
  @Flag(help: "Predict peak memory and time from a few steps on the data and stop; writes nothing, needs no --output.")
  var plan = false
  @Flag(help: "One JSON object an epoch.") var json = false
  @Flag(help: "With --json, one object a step too: its number, its loss, and the share of the epoch so far spent waiting for batches.")
  var eachStep = false

  func run() throws {
    let task = try task.map { name throws(TrainingError) in try TaskDeclaration.named(name) }
    guard let model = model ?? task?.model else {
      guard list else { throw UserMistake("--model: name one, or a --task that has one") }
      return TaskDeclaration.all.forEach { print($0.line) }
    }
    let method = TableMethod.named(model)
    try task?.check(method, model: model)
    if list, let method { return printKnobs(method.name, method.paper, method.modelKnobs + method.planKnobs) }
    if let method { return try runTable(method, task) }
    guard let entry = ModelEntry.all.first(where: { $0.name == model }) else {
      throw ModelError.unknownModel(model, known: ModelEntry.all.map(\.name) + TableMethod.all.map(\.name))
    }
    if list { return printKnobs(entry.name, entry.paper, entry.hyperparameters + TrainingPlan.knobs) }
    if plan, resume { throw UserMistake("--plan: is about a whole run; leave out --resume") }
    guard plan || output != nil else { throw UserMistake("--output: expected a run folder") }
    var (modelKnobs, planKnobs) = (Hyperparameters(entry.hyperparameters), Hyperparameters(TrainingPlan.knobs))
    try applyKnobs(&modelKnobs, &planKnobs)
    let start = ContinuousClock.now
    let device = try place.open()
    let dataset = try Dataset(path: try dataPath())
    guard let output, !plan else {
      let description = ModelDescription(
        model: model, hyperparameters: modelKnobs.all, itemCount: dataset.itemCount, data: dataset.fingerprint)
      let trainer = try Trainer(
        description, plan: planKnobs, data: dataset, device: device, seed: seed, folder: RunFolder("unused"), resume: false)
      return printForecast(model, try trainer.forecast(startUp: (ContinuousClock.now - start) / .seconds(1)), trainer)
    }
    let trainer = try makeTrainer(
      model, modelKnobs, planKnobs, dataset, device, seed: seed, output: output, resume: resume, task: task)
    if !json {
      print("\(model) on \(device): \(trainer.parameterCount) parameters, \(trainer.batchesPerEpoch) steps an epoch")
    }
    try runTrainer(trainer, TrainingLine(knobs: trainer.knobs), json: json, eachStep: eachStep)
  }

  func dataPath() throws -> String {
    guard let data else { throw UserMistake("--data: is missing; name a data set made by augur prepare") }
    return data
  }

  private func printForecast(_ model: String, _ forecast: RunForecast, _ trainer: Trainer) {
    let (epochs, mebibytes) = (trainer.knobs.integer("epochs"), Double(forecast.peakMemoryBytes) / 1_048_576)
    if json {
      var line: [String: Any] = [
        "peak_memory_mib": number(mebibytes, digits: 1), "seconds": number(forecast.seconds, digits: 2), "epochs": epochs,
        "steps": forecast.steps, "parameters": trainer.parameterCount, "threads": ThreadPool.shared.threads,
      ]
      if let (held, room) = forecast.deviceMemory { (line["device_memory_mib"], line["device_room_mib"]) = (held >> 20, room >> 20) }
      return printJSON(line)
    }
    let (seconds, memory) = (decimal(forecast.seconds, places: 1), decimal(mebibytes, places: 0))
    print(
      "\(model): \(trainer.parameterCount) parameters, \(epochs) epochs of \(trainer.batchesPerEpoch) steps: about \(seconds) s "
        + "unless patience ends it sooner, \(memory) MiB at the peak"
        + (forecast.deviceMemory.map { ", and \($0.held >> 20) of the \($0.room >> 20) MiB of the device" } ?? ""))
  }

  private func printKnobs(_ name: String, _ paper: String, _ knobs: [Hyperparameter]) {
    print("\(name): \(paper)")
    for knob in knobs {
      let name = knob.name.padding(toLength: 25, withPad: " ", startingAt: 0)
      print("  \(name) \(knob.standard.padding(toLength: 10, withPad: " ", startingAt: 0)) \(knob.meaning) (\(knob.domain))")
    }
  }

  func applyKnobs(_ model: inout Hyperparameters, _ plan: inout Hyperparameters) throws {
    var pairs: [(String, String)] = try config.map(readConfiguration) ?? []
    for text in settings {
      guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
        throw UserMistake("--set: expected key=value, got '\(text)'")
      }
      pairs.append((String(text[..<equals]), String(text[text.index(after: equals)...])))
    }
    if let epochs { pairs.append(("epochs", String(epochs))) }
    for (name, value) in pairs {
      if plan.knows(name) {
        try plan.set(name, value)
      } else if model.knows(name) {
        try model.set(name, value)
      } else {
        throw ModelError.unknownHyperparameter(name, known: (model.declared + plan.declared).map(\.name))
      }
    }
  }

  private func readConfiguration(_ path: String) throws -> [(String, String)] {
    guard let bytes = FileManager.default.contents(atPath: path) else { throw UserMistake("\(path): cannot be read") }
    guard let object = try? JSONSerialization.jsonObject(with: bytes) as? [String: Any] else {
      throw UserMistake("\(path): expected a JSON object of knobs, such as {\"dim\": 64}")
    }
    return object.sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") }
  }
}

extension TaskDeclaration {
  /// For lists of tasks.
  var line: String {
    let labels = forms.map { $0.labels.map(\.name).joined(separator: "; ") }
    let needs = isOfTables ? "labels " + labels.joined(separator: " or ") : "events"
    return "\(name.padding(toLength: 19, withPad: " ", startingAt: 0))\(question) (\(model); \(needs))"
  }
}

/// A trainer for a new run in `output`, or for the one that is there when `resume` is set.
func makeTrainer(
  _ model: String, _ modelKnobs: Hyperparameters, _ plan: Hyperparameters, _ dataset: Dataset, _ device: Device, seed: UInt64,
  output: String, resume: Bool, task: TaskDeclaration? = nil
) throws -> Trainer {
  let folder = RunFolder(output)
  let settings = RunSettings(
    model: model, hyperparameters: modelKnobs.all.merging(plan.all) { a, _ in a }, seed: seed,
    dataPath: URL(fileURLWithPath: dataset.path).path, data: dataset.fingerprint, itemCount: dataset.itemCount, task: task?.name)
  let isThere = try openRun(folder, settings, output, resume: resume)
  let description = ModelDescription(
    model: model, hyperparameters: modelKnobs.all, itemCount: dataset.itemCount, data: dataset.fingerprint)
  let trainer = try Trainer(description, plan: plan, data: dataset, device: device, seed: seed, folder: folder, resume: isThere)
  if !isThere { try folder.create(settings) }
  return trainer
}

/// Whether there is a run to go on with.
func openRun(_ folder: RunFolder, _ settings: RunSettings, _ output: String, resume: Bool) throws -> Bool {
  let isThere = resume && folder.holdsRun
  if isThere { try checkSame(settings, try folder.readSettings(), output) }
  return isThere
}

/// What the lines of a run print beside the loss.
struct TrainingLine {
  var metric: String
  /// -1 where the trainer maximises minus the metric.
  var sign = 1.0
  /// What a step reads.
  var unit = "tokens"
  var epochs: Int
  var patience: Int

  /// Of a trainer of next items, unless a metric is given.
  init(metric: String? = nil, sign: Double = 1, unit: String = "tokens", knobs: Hyperparameters) {
    (self.metric, self.sign, self.unit) = (metric ?? knobs.choice("metric"), sign, unit)
    // A search has neither.
    (epochs, patience) = knobs.knows("epochs") ? (knobs.integer("epochs"), knobs.integer("patience")) : (1, 0)
  }
}

/// A resumed run must ask for what it was started with.
private func checkSame(_ asked: RunSettings, _ started: RunSettings, _ output: String) throws {
  func refuse(_ what: String, _ new: String, _ old: String) -> UserMistake {
    UserMistake("\(output): was started with \(what) \(old), not \(new); resume with the same, or train into another --output")
  }
  if asked.data != started.data { throw refuse("data set", asked.data, started.data) }
  if asked.model != started.model { throw refuse("model", asked.model, started.model) }
  if asked.seed != started.seed { throw refuse("seed", String(asked.seed), String(started.seed)) }
  // Runs from before a knob have had its default.
  let declared =
    try TableMethod.named(asked.model).map { $0.modelKnobs + $0.planKnobs } ?? ModelEntry.named(asked.model).hyperparameters + TrainingPlan.knobs
  for (name, value) in asked.hyperparameters.sorted(by: { $0.key < $1.key }) {
    let old = started.hyperparameters[name] ?? declared.first { $0.name == name }?.standard ?? "none"
    if old != value { throw refuse(name, value, old) }
  }
}

/// Runs to the end or to SIGINT, printing a line an epoch that took its time or was evaluated; throws exit code 130 when interrupted.
func runTrainer(
  _ trainer: some RunnableTrainer, _ words: TrainingLine, json: Bool, isQuiet: Bool = false, eachStep: Bool = false
) throws {
  let before = signal(SIGINT) { _ in if interrupts.add(1, ordering: .relaxed).oldValue > 0 { _exit(130) } }
  defer { signal(SIGINT, before) }
  let isTerminal = isatty(2) == 1
  let clock = ContinuousClock()
  var (lastLine, lastEpochLine) = (clock.now, clock.now)
  let end = try trainer.run(shouldStop: { interrupts.load(ordering: .relaxed) > 0 }) { event in
    switch event {
    case .step(let step):
      if eachStep, json {
        printJSON(["step": step.step, "loss": number(step.loss, digits: 9), "wait_share": number(step.waitShare, digits: 4)])
      }
      guard isTerminal, clock.now - lastLine > .milliseconds(200) else { return }
      lastLine = clock.now
      writeError(
        "\r\u{1B}[Kepoch \(step.epoch)  batch \(step.batch)/\(step.batches)  loss \(decimal(step.loss, places: 4))  "
          + "\(Int(step.tokensPerSecond)) \(words.unit)/s")
    case .candidate(let record):
      if json, !isQuiet { printJSON(["candidate": record.folder, "loss": number(record.loss), "auc": record.auc.map { number($0) } ?? NSNull()]) }
      if !json, !isQuiet { print(record.words(isBinary: record.auc != nil)) }
    case .epoch(let record):
      if isTerminal { writeError("\r\u{1B}[K") }
      // Of thousands of short epochs that nothing is told of, one a second.
      guard json || record.metric != nil || record.epoch == words.epochs || clock.now - lastEpochLine > .seconds(1) else { return }
      lastEpochLine = clock.now
      if !isQuiet { printEpoch(record, words, json: json) }
    }
  }
  if end == .interrupted {
    writeError("augur: stopped and saved; go on with the same command and --resume\n")
    throw ExitCode(130)
  }
  if end == .stoppedEarly, !json, !isQuiet { print("stopped early: no better \(words.metric) for \(words.patience) evaluations") }
}

func writeError(_ text: String) { try? FileHandle.standardError.write(contentsOf: Data(text.utf8)) }

private func printEpoch(_ record: EpochRecord, _ words: TrainingLine, json: Bool) {
  let metric = record.metric.map { $0 * words.sign }
  if json {
    var line: [String: Any] = [
      "epoch": record.epoch, "loss": number(record.loss), "\(words.unit)_per_second": number(record.tokensPerSecond, digits: 0),
      "wait_share": number(record.waitShare, digits: 4), "seconds": number(record.seconds, digits: 3), "is_best": record.isBest,
    ]
    if let metric { line["validation \(words.metric)"] = number(metric) }
    return printJSON(line)
  }
  let quality = metric.map { "  \(words.metric) \(decimal($0, places: 4))\(record.isBest ? " best" : "")" } ?? ""
  let left = Int(record.seconds * Double(words.epochs - record.epoch))
  print(
    "epoch \(record.epoch)/\(words.epochs)  loss \(decimal(record.loss, places: 4))\(quality)  "
      + "\(Int(record.tokensPerSecond)) \(words.unit)/s  "
      + "waiting \(decimal(record.waitShare * 100, places: 1)) %  \(left / 60):\(left % 60 < 10 ? "0" : "")\(left % 60) left")
  fflush(nil)
}
