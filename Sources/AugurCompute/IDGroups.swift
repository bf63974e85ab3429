// Equal ids brought together by a stable radix sort on all threads: plain arrays in, plain arrays out.
import CKernels

/// Where `groupEqualIDs` writes: room for `n`, `n + 1` and `n` numbers.
package struct IDGroupTargets {
  let order: UnsafeMutablePointer<Int32>
  let segments: UnsafeMutablePointer<Int32>
  let rows: UnsafeMutablePointer<Int32>

  package init(order: UnsafeMutablePointer<Int32>, segments: UnsafeMutablePointer<Int32>, rows: UnsafeMutablePointer<Int32>) {
    (self.order, self.segments, self.rows) = (order, segments, rows)
  }
}

/// Group u is `order[segments[u] ..< segments[u+1]]`, rising positions of the id `rows[u]`; ids rise with u.
///
/// Digits of at most 11 bits, least significant first: O(n). A stable sort has one result: the split over threads changes nothing.
/// - Parameters:
///   - scratch: `idGroupScratchBytes(ids.count, below: bound)` bytes, aligned for 8-byte numbers.
///   - threads: 1 leaves the pool alone: for a thread that works beside the engine.
/// - Returns: the number of groups. Precondition: ids lie in `0 ..< bound`.
package func groupEqualIDs(
  _ ids: UnsafeBufferPointer<Int32>, below bound: Int, into targets: IDGroupTargets, scratch: UnsafeMutableRawPointer, threads: Int
) -> Int {
  precondition(ids.count <= Int(Int32.max), "lookup: expected fewer than 2^31 ids, got \(ids.count)")
  targets.segments[0] = 0
  guard let base = ids.baseAddress, ids.count > 0 else { return 0 }
  let n = ids.count
  let (passes, width) = digits(below: bound)
  let chunks = IDChunks(n)
  var from = scratch.assumingMemoryBound(to: UInt64.self)
  var to = from + n
  let counts = (scratch + 16 * n).assumingMemoryBound(to: Int32.self)
  for pass in 0..<passes {
    let (shift, source, input, output) = (pass * width, pass == 0 ? base : nil, from, to)
    parallel(chunks.count, threads: threads) { chunk, _ in
      let (begin, end) = chunks.range(chunk)
      let largest = ck_radix_count(counts + chunk << width, source, input, begin, end, shift, 1 << width)
      precondition(largest < bound, "lookup: expected ids in 0..<\(bound), got \(Int32(bitPattern: largest))")
    }
    ck_radix_places(counts, chunks.count, 1 << width)
    parallel(chunks.count, threads: threads) { chunk, _ in
      let (begin, end) = chunks.range(chunk)
      ck_radix_scatter(output, counts + chunk << width, source, input, begin, end, shift, 1 << width)
    }
    (from, to) = (to, from)
  }
  return writeGroups(of: from, chunks, counts, into: targets, threads)
}

package func idGroupScratchBytes(_ count: Int, below bound: Int) -> Int {
  16 * count + 4 * (IDChunks(count).count << digits(below: bound).width)
}

/// Digits of at most 11 bits.
private func digits(below bound: Int) -> (passes: Int, width: Int) {
  let bits = max(1, Int.bitWidth - (max(1, bound) - 1).leadingZeroBitCount)
  let passes = (bits + 10) / 11
  return (passes, (bits + passes - 1) / passes)
}

/// Counts the groups of each chunk, then writes them where those before end.
private func writeGroups(
  of pairs: UnsafeMutablePointer<UInt64>, _ chunks: IDChunks, _ starts: UnsafeMutablePointer<Int32>, into targets: IDGroupTargets,
  _ threads: Int
) -> Int {
  parallel(chunks.count, threads: threads) { chunk, _ in
    let (begin, end) = chunks.range(chunk)
    starts[chunk] = Int32(truncatingIfNeeded: ck_group_count(pairs, begin, end))
  }
  var groups = 0
  for chunk in 0..<chunks.count {
    let count = Int(starts[chunk])
    starts[chunk] = Int32(truncatingIfNeeded: groups)
    groups += count
  }
  parallel(chunks.count, threads: threads) { chunk, _ in
    let (begin, end) = chunks.range(chunk)
    ck_group_write(targets.order, targets.segments, targets.rows, pairs, begin, end, Int(starts[chunk]))
  }
  targets.segments[groups] = Int32(truncatingIfNeeded: chunks.total)
  return groups
}

/// `0..<total` in at most 16 chunks, long ones: each chunk writes one stream a digit. Short lists stay on the calling thread.
private struct IDChunks {
  let total: Int
  let chunk: Int
  var count: Int { (total + chunk - 1) / chunk }

  init(_ total: Int) { (self.total, chunk) = (total, max(1 << 15, (total + 15) / 16)) }

  func range(_ index: Int) -> (begin: Int, end: Int) { (index * chunk, min(total, (index + 1) * chunk)) }
}
