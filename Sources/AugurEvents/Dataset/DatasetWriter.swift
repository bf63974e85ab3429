// The data set as it is written: each user's events go to the segments of their days. Older segments stay as they are.
import AugurTensors

struct DatasetWriter {
  private let folder: String
  private let layout: EventLayout
  private let dictionaries: EventDictionaries
  /// The data set that is added to, with just the segments that stay.
  private let kept: Dataset?
  private let memory: Int
  private var segments: [SegmentWriter]
  private var sessionizer: Sessionizer
  private var tail: SessionTail?
  private var starts: [Int] = []
  private(set) var isEmpty = true

  /// `memory` bytes in all are kept out of temporary files. Throws for a closing kind that the log does not have.
  init(
    folder: String, spans: [SegmentSpan], kept: Dataset?, dictionaries: EventDictionaries, sessions: SessionRules, memory: Int
  ) throws(EventsError) {
    (self.folder, layout, self.dictionaries, self.kept, self.memory) = (folder, dictionaries.layout, dictionaries, kept, memory)
    sessionizer = try Sessionizer(sessions, kindNames: dictionaries.names(of: .kind))
    if let kept, !kept.segments.isEmpty { tail = SessionTail(kept, dictionaries, needsKinds: sessionizer.needsKinds) }
    let first = kept?.segments.count ?? 0
    var segments: [SegmentWriter] = []
    for (place, span) in spans.enumerated() {
      segments.append(
        try SegmentWriter(span, number: first + place, folder: folder, dictionaries: dictionaries, memory: memory / spans.count))
    }
    self.segments = segments
  }

  mutating func append(_ id: UnsafeRawBufferPointer, _ history: UserHistory) throws(EventsError) {
    guard history.count > 0 else { return }
    isEmpty = false
    try findStarts(id, history)
    var first = 0
    for number in segments.indices {
      guard first < history.count else { return }
      var end = history.count
      if number < segments.count - 1 {
        let moment = segments[number].span.end
        end = history.times[first...].firstIndex { $0 >= moment } ?? end
      }
      if end > first { try segments[number].append(id, history, first..<end, starts: starts) }
      first = end
    }
  }

  /// Where sessions begin among these events, which may go on with one of an older segment.
  private mutating func findStarts(_ id: UnsafeRawBufferPointer, _ history: UserHistory) throws(EventsError) {
    var (times, kinds): ([Int64], [Int32]) = (layout.hasTimes ? history.times : [], [])
    if sessionizer.needsKinds, let place = layout.attributes.firstIndex(of: .kind) {
      kinds = (0..<history.count).map { Int32(bitPattern: history.words[$0 * layout.width + 1 + place]) }
    }
    let open = try tail?.openSession(id) ?? UserEvents()
    if open.times.isEmpty { return sessionizer.findStarts(history.count, times: times, kinds: kinds, into: &starts) }
    (times, kinds) = (open.times + times, open.kinds + kinds)
    sessionizer.findStarts(times.count, times: times, kinds: kinds, into: &starts)
    starts = starts.compactMap { $0 >= open.times.count ? $0 - open.times.count : nil }
  }

  /// Nothing more is appended; times and prices can be visited.
  func finishColumns() throws(EventsError) { for segment in segments { try segment.finishColumns() } }

  /// The segments that stay and those that were written, oldest days first.
  var dayEvents: [DayCounts] { (kept?.segments.map(\.dayEvents) ?? []) + segments.map(\.dayEvents) }

  /// Shows the times of all events of a segment, by its place in `dayEvents`.
  func visitTimes(_ number: Int, _ body: (UnsafeBufferPointer<Int64>) -> Void) throws(EventsError) {
    let old = kept?.segments.count ?? 0
    guard number < old else { return try segments[number - old].visitTimes(body) }
    guard let times = kept?.segments[number].times else { return }
    times.forEachPieceReleasing(body)
  }

  /// Shows time and price of all new events.
  func visitPrices(_ body: (Int64, Float) -> Void) throws(EventsError) { for segment in segments { try segment.visitPrices(body) } }

  /// Writes all files but the description.
  func write(_ names: ItemNames, rows: DayCounts, price: ((Float) -> Float)?) throws(EventsError) -> WrittenDataset {
    var written: [DatasetSegment] = []
    if let kept {
      for number in kept.segments.indices {
        try OutputFolder.share(DatasetDescription.segmentName(number), from: kept.path, to: folder)
      }
      written += kept.description.segments[..<kept.segments.count]
    }
    for segment in segments { written.append(try segment.write(dictionaries, rows: rows, price: price)) }
    let files = try segments.indices.map { place throws(EventsError) in
      let number = written.count - segments.count + place
      return try Segment(written[number], number, in: folder, layout: layout, verify: false, checks: false)
    }
    var index = IndexWriter(folder: folder, attributes: layout.attributes, base: kept, fresh: files, memory: memory)
    let (checksum, users, items) = try index.write(names, dictionaries)
    return WrittenDataset(segments: written, indexChecksum: checksum, users: users, items: items)
  }
}

/// What lies in the folder of a data set.
struct WrittenDataset {
  let segments: [DatasetSegment]
  let indexChecksum: String
  let users: Int
  let items: Int
  var events: Int { segments.reduce(0) { $0 + $1.events } }
  var sessions: Int { segments.reduce(0) { $0 + $1.sessions } }
}

/// The last session of a user in the segments that stay: new events may belong to it.
struct SessionTail {
  private let kept: Dataset
  /// What the labels of kinds are in the dictionaries.
  private let kinds: [Int32]
  private var lookups = 0

  init(_ kept: Dataset, _ dictionaries: EventDictionaries, needsKinds: Bool) {
    self.kept = kept
    var known: [String: Int32] = [:]
    for (index, name) in dictionaries.names(of: .kind).enumerated() { known[name] = Int32(truncatingIfNeeded: index) }
    kinds = needsKinds ? (0..<kept.labelCount(.kind)).map { known[kept.label(.kind, $0)] ?? -1 } : []
  }

  /// Times and, where sessions need them, kinds of its events; empty for a user that is new.
  mutating func openSession(_ id: UnsafeRawBufferPointer) throws(EventsError) -> UserEvents {
    var events = UserEvents()
    // Each lookup brings some pages of large files into the process.
    lookups += 1
    if lookups % 512 == 0 { for segment in kept.segments { segment.releaseColumns() } }
    guard let user = kept.index.userIDs.place(of: id) else { return events }
    for (number, segment) in kept.segments.enumerated().reversed() {
      guard let place = kept.place(of: user, in: number), let times = segment.times else { continue }
      guard let range = segment.checkedRange(place) else { throw damaged(segment) }
      let begin = segment.sessionStarts(in: range).last { range.contains($0) }
      let open = (begin ?? range.lowerBound)..<range.upperBound
      events.times = times[open] + events.times
      if !kinds.isEmpty, let labels = segment.labels[.kind] {
        let own = try labels[open].map { label throws(EventsError) in
          guard label >= 0, label < segment.labelIDs[.kind]?.count ?? 0 else { throw damaged(segment) }
          return kinds[kept.label(Int(label), .kind, ofSegment: number)]
        }
        events.kinds = own + events.kinds
      }
      if begin != nil { break }
    }
    return events
  }

  private func damaged(_ segment: Segment) -> EventsError {
    EventsError(file: segment.file.path, problem: "a column is damaged", advice: "make the data set again with augur prepare")
  }
}
