// A run of events in memory, sorted by user and time on all threads: dealt to partitions by the highest bits of the key, then sorted
// within each partition (C: Kernels/Rows/Order.c).
import AugurCompute
import CKernels

struct SortedEvents {
  let width: Int
  private(set) var key = ck_event_key()
  /// [R], user above time.
  private(set) var keys: [UInt64] = []
  /// [R, W], as `EventChunk.words`.
  private(set) var payload: [UInt32] = []
  /// Where each user's events begin, [B].
  private(set) var starts: [UInt32] = []
  /// Ids by rank where they are not all digit strings.
  private let texts: (table: IDTable, byRank: [Int32])?
  /// Times by rank where user and time do not fit 64 bits otherwise.
  private let timeOfRank: [Int64]?
  var rows: Int { keys.count }

  /// Bytes of memory that sorting `rows` events takes beside the chunks, and the chunks themselves.
  static func bytes(rows: Int, width: Int) -> Int { rows * 2 * (16 + 4 * width) }

  /// Takes the chunks of a run; `decoders` hold the ids of its users, `dictionaries` know all their items and labels.
  init(_ chunks: consuming [EventChunk], width: Int, decoders: [EventDecoder], dictionaries: EventDictionaries, threads: Int) {
    self.width = width
    var chunks = chunks
    var span = Self.span(chunks)
    var needsRanks = chunks.contains { !$0.usersAreCodes }
    if !needsRanks, !chunks.isEmpty { needsRanks = !Self.fits(span) }
    texts = needsRanks ? Self.rankUsers(&chunks, decoders) : nil
    if needsRanks { span = Self.span(chunks) }
    timeOfRank = chunks.isEmpty || Self.fits(span) ? nil : Self.rankTimes(&chunks)
    if timeOfRank != nil { span = Self.span(chunks) }
    let rows = chunks.reduce(0) { $0 + $1.rows }
    guard rows > 0 else { return }
    key = Self.key(span, rows: rows)
    let keyBits = Self.codeBits(span) + Int(key.time_bits)
    deal(chunks, rows, partitions: Int((keyBits == 0 ? 0 : UInt64.max >> UInt64(64 - keyBits)) >> UInt64(key.shift)) + 1, dictionaries, threads)
    findUsers(threads)
  }

  private static func span(_ chunks: [EventChunk]) -> ck_event_span {
    chunks.reduce(into: EventChunk.emptySpan) { span, chunk in
      span.least_code = min(span.least_code, chunk.span.least_code)
      span.largest_code = max(span.largest_code, chunk.span.largest_code)
      span.code_bits |= chunk.span.code_bits
      span.first_time = min(span.first_time, chunk.span.first_time)
      span.last_time = max(span.last_time, chunk.span.last_time)
      span.sub_seconds |= chunk.span.sub_seconds
    }
  }

  private static func bits(_ value: UInt64) -> Int { 64 - value.leadingZeroBitCount }
  private static func timeBits(_ span: ck_event_span) -> Int {
    let length = UInt64(span.last_time - span.first_time)
    return bits(span.sub_seconds != 0 ? length : length / 1000)
  }
  private static func fits(_ span: ck_event_span) -> Bool {
    codeBits(span) + timeBits(span) <= 64
  }
  /// Zeros at the end of all codes say nothing: short ids have many.
  private static func codeShift(_ span: ck_event_span) -> Int { span.code_bits == 0 ? 0 : span.code_bits.trailingZeroBitCount }
  private static func codeBits(_ span: ck_event_span) -> Int {
    bits((span.largest_code - span.least_code) >> UInt64(codeShift(span)))
  }

  private static func key(_ span: ck_event_span, rows: Int) -> ck_event_key {
    let timeBits = timeBits(span)
    let all = codeBits(span) + timeBits
    // Partitions of about 8,000 events lie in a core's cache.
    let wanted = max(0, min(11, bits(UInt64(rows / 8192))))
    return ck_event_key(
      first_code: span.least_code, first_time: span.first_time, code_shift: Int32(codeShift(span)), time_bits: Int32(timeBits),
      whole_seconds: span.sub_seconds != 0 ? 0 : 1,
      shift: Int32(max(0, all - wanted)))
  }

  /// Ranks in byte order take the place of users' codes and indices.
  private static func rankUsers(_ chunks: inout [EventChunk], _ decoders: [EventDecoder]) -> (IDTable, [Int32]) {
    var table = IDTable()
    let maps = decoders.map { decoder in
      (0..<decoder.users.count).map { index in decoder.users.withID(index) { table.index(adding: $0) } }
    }
    for place in chunks.indices {
      let chunk = chunks[place]
      for row in chunk.users.indices {
        let user = chunk.users[row]
        chunks[place].users[row] = UInt64(chunk.usersAreCodes ? table.index(addingCode: user) : maps[chunk.decoder][Int(user)])
      }
    }
    let order = table.byteOrder()
    var rank = [UInt64](repeating: 0, count: order.count)
    for (place, index) in order.enumerated() { rank[Int(index)] = UInt64(place) }
    for place in chunks.indices {
      for row in chunks[place].users.indices { chunks[place].users[row] = rank[Int(chunks[place].users[row])] }
      chunks[place].measure()
    }
    return (table, order)
  }

  private static func rankTimes(_ chunks: inout [EventChunk]) -> [Int64] {
    let distinct = Set(chunks.flatMap(\.times)).sorted()
    let rank = Dictionary(uniqueKeysWithValues: distinct.enumerated().map { ($1, Int64($0)) })
    for place in chunks.indices {
      chunks[place].times = chunks[place].times.map { rank[$0] ?? 0 }
      chunks[place].measure()
    }
    return distinct
  }

  private mutating func deal(_ all: [EventChunk], _ rows: Int, partitions: Int, _ dictionaries: EventDictionaries, _ threads: Int) {
    let (width, key) = (width, key)
    let groups = min(all.count, 4 * threads)
    func range(_ group: Int) -> Range<Int> { group * all.count / groups..<(group + 1) * all.count / groups }
    var places = [UInt32](repeating: 0, count: groups * partitions)
    places.withUnsafeMutableBufferPointer { places in
      let counts = Shared(places)
      parallel(groups, threads: threads) { group, _ in
        for chunk in all[range(group)] {
          withUnsafePointer(to: key) { ck_event_count(counts.base + group * partitions, chunk.users, chunk.times, chunk.rows, $0) }
        }
      }
    }
    var (begins, next) = ([Int](repeating: 0, count: partitions + 1), UInt32(0))
    for partition in 0..<partitions {
      begins[partition] = Int(next)
      for group in 0..<groups { (places[group * partitions + partition], next) = (next, next + places[group * partitions + partition]) }
    }
    begins[partitions] = Int(next)
    keys = uninitialized(rows)
    payload = uninitialized(rows * width)
    keys.withUnsafeMutableBufferPointer { keys in
      payload.withUnsafeMutableBufferPointer { payload in
        places.withUnsafeMutableBufferPointer { places in
          let (keys, payload, places) = (Shared(keys), Shared(payload), Shared(places))
          parallel(groups, threads: threads) { group, _ in
            for chunk in all[range(group)] {
              var chunk = chunk
              dictionaries.translate(&chunk)
              chunk.withWords { words in
                withUnsafePointer(to: key) {
                  ck_event_deal(
                    places.base + group * partitions, keys.base, payload.base, chunk.users, chunk.times, words, width, chunk.rows, $0)
                }
              }
            }
          }
          Self.sort(keys, payload, width, begins, timeBits: key.time_bits, threads)
        }
      }
    }
  }

  private static func sort(
    _ keys: Shared<UInt64>, _ payload: Shared<UInt32>, _ width: Int, _ begins: [Int], timeBits: Int32, _ threads: Int
  ) {
    let largest = zip(begins, begins.dropFirst()).reduce(0) { max($0, $1.1 - $1.0) }
    // A thread's scratch: keys, payload and, for wider payloads, two index arrays.
    var (keyScratch, wordScratch) = ([UInt64](), [UInt32]())
    let words = largest * (width == 1 ? 1 : width + 2)
    keyScratch = [UInt64](unsafeUninitializedCapacity: largest * threads) { $1 = largest * threads }
    wordScratch = [UInt32](unsafeUninitializedCapacity: words * threads) { $1 = words * threads }
    keyScratch.withUnsafeMutableBufferPointer { keyScratch in
      wordScratch.withUnsafeMutableBufferPointer { wordScratch in
        let (keyScratch, wordScratch) = (Shared(keyScratch), Shared(wordScratch))
        parallel(begins.count - 1, threads: threads) { partition, thread in
          let (begin, count) = (begins[partition], begins[partition + 1] - begins[partition])
          guard count > 1 else { return }
          let scratch = wordScratch.base + thread * words
          ck_event_sort(
            keys.base + begin, payload.base + begin * width, width, count, keyScratch.base + thread * largest, scratch,
            scratch + largest * width, timeBits)
        }
      }
    }
  }

  private mutating func findUsers(_ threads: Int) {
    let (keys, key) = (keys, key)
    let pieces = 4 * threads
    func range(_ piece: Int) -> Range<Int> { piece * keys.count / pieces..<(piece + 1) * keys.count / pieces }
    var begins = [Int](repeating: 0, count: pieces + 1)
    begins.withUnsafeMutableBufferPointer { begins in
      let counts = Shared(begins)
      parallel(pieces, threads: threads) { piece, _ in
        counts.base[piece + 1] = withUnsafePointer(to: key) { ck_event_users(nil, keys, range(piece).lowerBound, range(piece).upperBound, $0) }
      }
    }
    for piece in 0..<pieces { begins[piece + 1] += begins[piece] }
    let users = begins[pieces]
    starts = [UInt32](unsafeUninitializedCapacity: users) { starts, count in
      let target = Shared(starts)
      parallel(pieces, threads: threads) { piece, _ in
        _ = withUnsafePointer(to: key) { ck_event_users(target.base + begins[piece], keys, range(piece).lowerBound, range(piece).upperBound, $0) }
      }
      count = users
    }
  }

  // MARK: - Reading

  func events(ofUser user: Int) -> Range<Int> {
    Int(starts[user])..<(user + 1 < starts.count ? Int(starts[user + 1]) : rows)
  }

  func withUserID<R>(_ user: Int, _ body: (UnsafeRawBufferPointer) -> R) -> R {
    let code = (keys[Int(starts[user])] >> UInt64(key.time_bits)) << UInt64(key.code_shift) + key.first_code
    guard let texts else { return withDigits(code, body) }
    return texts.table.withID(Int(texts.byRank[Int(code)]), body)
  }

  func time(_ row: Int) -> Int64 {
    let part = keys[row] & ((1 << UInt64(key.time_bits)) - 1)
    let time = key.first_time + Int64(part) * (key.whole_seconds != 0 ? 1000 : 1)
    return timeOfRank.map { $0[Int(time)] } ?? time
  }

  /// Epoch milliseconds of all rows, [R].
  func times() -> [Int64] {
    if timeOfRank != nil { return keys.indices.map(time) }
    let (keys, key) = (keys, key)
    var times: [Int64] = uninitialized(keys.count)
    times.withUnsafeMutableBufferPointer { times in
      let target = Shared(times)
      parallel(keys.count, grain: 1 << 18) { begin, end in
        withUnsafePointer(to: key) { ck_event_times(target.base, keys, begin, end, $0) }
      }
    }
    return times
  }
}

/// An array whose elements are still to be written, on large pages where it is large.
func uninitialized<Element: BitwiseCopyable>(_ count: Int) -> [Element] {
  [Element](unsafeUninitializedCapacity: count) { buffer, written in
    adviseLargePages(UnsafeMutableRawBufferPointer(buffer))
    written = count
  }
}

/// Memory that the tasks of a loop write to, each at places of its own.
struct Shared<Element>: @unchecked Sendable {
  let base: UnsafeMutablePointer<Element>
  init(_ buffer: UnsafeMutableBufferPointer<Element>) {
    base = buffer.baseAddress ?? UnsafeMutablePointer(bitPattern: MemoryLayout<Element>.alignment)!
  }
  init(_ pointer: UnsafeMutablePointer<Element>) { base = pointer }
}

extension EventChunk {
  /// Calls `body` with a pointer to each word's column.
  fileprivate func withWords(_ body: (UnsafePointer<UnsafePointer<UInt32>?>) -> Void) {
    func collect(_ place: Int, _ pointers: [UnsafePointer<UInt32>?]) {
      guard place < words.count else { return pointers.withUnsafeBufferPointer { body($0.baseAddress!) } }
      words[place].withUnsafeBufferPointer { collect(place + 1, pointers + [$0.baseAddress]) }
    }
    collect(0, [])
  }
}
