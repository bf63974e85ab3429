// One run of prepare: rows to runs, runs to users, users through the rules to the columns of the data set.

struct Preparation {
  private let inputs: [String]
  private let options: PrepareOptions
  private let folder: String
  private let base: String?
  private let before: DatasetDescription?
  private var gathering: RunGathering
  private var clipping: PriceClipping
  /// What this run did to its rows.
  private(set) var report = CleaningReport()

  /// `base` is the data set that the log is added to.
  init(_ inputs: [String], _ options: PrepareOptions, folder: String, onto base: String?) throws(EventsError) {
    (self.inputs, self.options, self.folder, self.base) = (inputs, options, folder, base)
    before = try base.map { path throws(EventsError) in try DatasetDescription.read(from: path) }
    if let base, let before { try options.rules.checkAppending(to: before, at: base) }
    gathering = try RunGathering(inputs, options, folder: folder)
    clipping = PriceClipping(options.rules)
  }

  /// Writes the data set; the segments of an earlier one that it kept, the first so many.
  mutating func run() throws(EventsError) -> (description: DatasetDescription, kept: Int) {
    var streams = try gathering.streams()
    let (reader, rules) = (gathering.reader, options.rules)
    guard reader.rows > 0 else { throw emptiness(reader) }
    var names = gathering.dictionaries.names(reader.decoders)
    let (plan, kept) = try plan(&streams)
    try options.itemNames?.apply(to: &names, items: gathering.dictionaries.items)
    var cleaner = HistoryCleaner(rules, &gathering.dictionaries)
    var writer = try DatasetWriter(
      folder: folder, spans: plan.spans, kept: kept, dictionaries: gathering.dictionaries, sessions: rules.sessions,
      memory: gathering.memory / 4)
    if rules.filtersCore {
      try filterCore(streams, &cleaner, &writer)
    } else {
      try mergeUsers(streams, width: reader.layout.width) { id, history throws(EventsError) in
        cleaner.apply(to: &history)
        try keep(id, history, in: &writer)
      }
    }
    streams = []  // and their files, before the data set is written
    report.merge(reader.badRows.policy.report)
    report.merge(cleaner.report)
    guard !writer.isEmpty else {
      throw EventsError(file: inputs[0], problem: "the rules of cleaning leave no event", advice: "loosen them; --report shows what each took")
    }
    return (try finish(writer, names, plan), kept?.segments.count ?? 0)
  }

  /// What is to be written: spans of days, and the rows of each day of the whole data set.
  private struct Plan {
    var spans: [SegmentSpan]
    var rows: DayCounts
  }

  /// Decides which segments are written; older ones among them join `streams`.
  private mutating func plan(_ streams: inout [any UserStream]) throws(EventsError) -> (plan: Plan, kept: Dataset?) {
    let layout = gathering.reader.layout
    guard let base, let before else {
      let spans = layout.hasTimes ? options.segments.spans(gathering.days) : [.whole(rows: gathering.reader.rows)]
      return (Plan(spans: spans, rows: gathering.days), nil)
    }
    guard before.hasTimestamps == layout.hasTimes, before.attributes == layout.attributes else {
      throw EventsError(file: base, problem: "its columns are not those of the new log", advice: "append logs with the same columns")
    }
    let old = try Dataset(base, before, segments: 0..<before.segments.count, verify: false, checks: false)
    var rows = gathering.days
    for segment in old.segments { rows.add(segment.dayRows) }
    let spans = layout.hasTimes ? options.segments.spans(rows) : [.whole(rows: before.rows + gathering.reader.rows)]
    // A span with the days and rows that it had before has no new row.
    let same = zip(spans, before.segments).prefix { $0 == $1.span }.count
    for (place, attribute) in layout.attributes.enumerated() {
      _ = old.index.labelIDs[attribute]?.map { gathering.dictionaries.label(place, $0) }
    }
    // A file of names may know items of segments that stay.
    if options.itemNames != nil { _ = old.index.itemIDs.map { gathering.dictionaries.item($0) } }
    let again = old.segments[same...]
    // First, so that their events stay before new ones where a log has no times.
    streams.insert(
      contentsOf: try again.map { segment throws(EventsError) in
        try DatasetRun(segment, dictionaries: &gathering.dictionaries, memory: gathering.memory / 16 / again.count)
      }, at: 0)
    return (Plan(spans: Array(spans[same...]), rows: rows), Dataset(old, first: same))
  }

  private func emptiness(_ reader: LogReader) -> EventsError {
    let rejected = reader.badRows.policy.report.rowsRejected
    let problem =
      rejected > 0
      ? "all \(rejected) rows are bad" : options.format == .events ? "a header but no rows" : "no events, only blank lines"
    return EventsError(file: inputs[0], problem: problem, advice: "give a log with at least one event")
  }

  /// Cleaned users by way of the disk, since who stays depends on everybody.
  private mutating func filterCore(
    _ streams: [any UserStream], _ cleaner: inout HistoryCleaner, _ writer: inout DatasetWriter
  ) throws(EventsError) {
    let cleaned = CleanedRun(path: "\(folder)/cleaned.part", width: gathering.reader.layout.width)
    let file = try RunFile(path: cleaned.path)
    try mergeUsers(streams, width: cleaned.width) { id, history throws(EventsError) in
      cleaner.apply(to: &history)
      try file.append(id, history)
    }
    try file.finish()
    var core = CoreFilter(
      minimumUserEvents: options.rules.minimumUserEvents, minimumItemEvents: options.rules.minimumItemEvents,
      itemCount: gathering.dictionaries.items.count)
    try core.fit(cleaned)
    var columns = UserColumns(gathering.dictionaries)
    try cleaned.forEachHistory { user, id, history throws(EventsError) in
      columns.change(&history) { core.apply(to: &$0, user: user) }
      try id.span.bytes.withUnsafeBytes { id throws(EventsError) in try keep(id, history, in: &writer) }
    }
    OutputFolder.removeFile(cleaned.path)
    report.merge(core.report)
  }

  private mutating func keep(_ id: UnsafeRawBufferPointer, _ history: UserHistory, in writer: inout DatasetWriter) throws(EventsError) {
    try writer.append(id, history)
    guard options.rules.clipsPrices, let early, let place = gathering.reader.layout.attributes.firstIndex(of: .price) else { return }
    let width = history.width
    for event in 0..<(early.trainingCount(of: id, count: history.count) ?? 0) {
      clipping.fit(Float(bitPattern: history.words[event * width + 1 + place]))
    }
  }

  /// The split where it needs no time; nil for a split by time.
  private var early: DatasetSplit? {
    let hasTimes = gathering.reader.layout.hasTimes
    guard (options.split.kind ?? (hasTimes ? .time : .leaveOneOut)) != .time else { return nil }
    return try? DatasetSplit(options.split, file: inputs[0], cuts: nil)
  }

  private mutating func finish(_ writer: DatasetWriter, _ names: ItemNames, _ plan: Plan) throws(EventsError) -> DatasetDescription {
    let layout = gathering.reader.layout
    try writer.finishColumns()
    let split = try DatasetSplit(options.split, file: inputs[0], cuts: layout.hasTimes ? { ratio throws(EventsError) in
      try timeCuts(ratio, writer.dayEvents, writer.visitTimes)
    } : nil)
    var clipper: PriceClipper?
    if options.rules.clipsPrices {
      if case .time(_, let first, _) = split { try writer.visitPrices { time, price in if time < first { clipping.fit(price) } } }
      clipping.settle()
      clipper = PriceClipper(clipping)
    }
    let written = try writer.write(names, rows: plan.rows, price: clipper.map { clipper in { clipper.clipping.clipped($0) } })
    if let clipper { report.merge(clipper.clipping.report) }
    func total(_ counts: [String: Int], _ earlier: [String: Int]?) -> [String: Int] {
      counts.merging(earlier ?? [:], uniquingKeysWith: +).filter { $0.value > 0 }
    }
    let description = DatasetDescription(
      format: DatasetDescription.formatName, version: DatasetDescription.currentVersion, users: written.users, items: written.items,
      events: written.events, sessions: written.sessions, split: split, hasTimestamps: layout.hasTimes,
      hasItemNames: !names.isEmpty || before?.hasItemNames == true, segments: written.segments, indexChecksum: written.indexChecksum,
      attributes: layout.attributes, rows: report.rowsIn + (before?.rows ?? 0),
      rejected: total(report.rejected, before?.rejected), dropped: total(report.dropped, before?.dropped), rules: options.rules,
      fingerprint: DatasetDescription.fingerprint(
        users: written.users, items: written.items, events: written.events, segments: written.segments,
        indexChecksum: written.indexChecksum, split: split))
    try description.write(to: folder)
    return description
  }
}

/// Counts what it clips while the columns move to their file.
private final class PriceClipper {
  var clipping: PriceClipping
  init(_ clipping: PriceClipping) { self.clipping = clipping }
}

extension CleaningRules {
  /// Refuses rules that would give another data set than cleaning both logs at once.
  fileprivate func checkAppending(to before: DatasetDescription, at path: String) throws(EventsError) {
    guard before.rules == self else {
      throw EventsError(
        file: path, problem: "was cleaned by other rules", advice: "append with the same options, or prepare both logs at once")
    }
    let needsWhole = duplicateWindow > 0 || burst != nil || maximumHistory != nil || filtersCore || clipsPrices
    if needsWhole {
      throw EventsError(
        file: path, problem: "its rules judge a user's whole history, which is not there any more", advice: "prepare both logs at once")
    }
  }
}
