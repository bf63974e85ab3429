// The nearest training sessions, where they met what this one met (Jannach and Ludewig, 2017), weighed by places as STAN does (Garg et al., 2019).
import Glibc

/// score(j) = Σ over the N nearest sessions n of sim(n) · Σ over the events of j in n of exp(-|place - anchor(n)| / decay), with
/// sim(n) = Σ over items i of both of exp(-age(i) / decay) / √(events of n).
///
/// age(i) is the number of events since the last of i in the history; anchor(n) is the last place in n of an item of both, and says
/// nothing of its own item.
public struct SessionKNN: Scorer {
  public let itemCount: Int
  private let neighbourCount: Int
  /// exp(-k / decay) of k events away, as far as it counts.
  private let fade: [Float]
  /// Session `s` is `items[offsets[s]..<offsets[s + 1]]`, all in the catalogue.
  private var offsets = [0]
  private var items: [Int32] = []
  /// Sessions with item `i`, and its last place in each: `postings[rows[i]..<rows[i + 1]]`.
  private var rows: [Int]
  private var postings: [(session: Int32, place: Int32)] = []

  /// Decays beyond which an event counts for less than 5e-5 of one next to it.
  private static let reach: Float = 10
  /// Of an item that more sessions have, the last ones are asked: an answer costs no more.
  private static let postingLimit = 10_000

  /// Cost: O(T) for T events; of an answer O(sessions), and for each of the newest 10 decay items at most 10,000 postings.
  ///
  /// - Parameters:
  ///   - neighbourCount: N, at least 1.
  ///   - decay: in events, above 0.
  public init(_ histories: Histories, neighbourCount: Int = 1500, decay: Float = 3) {
    precondition(neighbourCount >= 1, "SessionKNN: expected neighbourCount >= 1, got \(neighbourCount)")
    precondition(decay > 0 && decay <= 100, "SessionKNN: expected a decay in 0...100 events, got \(decay)")
    (itemCount, self.neighbourCount) = (histories.itemCount, neighbourCount)
    fade = (0...Int(Self.reach * decay)).map { exp(-Float($0) / decay) }
    rows = [Int](repeating: 0, count: itemCount + 1)
    for user in 0..<histories.userCount {
      items += histories[user].lazy.filter { histories.isKnown($0) }
      offsets.append(items.count)
    }
    var lastSession = [Int](repeating: -1, count: itemCount)
    func forEachLastPlace(_ visit: (_ item: Int, _ session: Int, _ place: Int) -> Void) {
      lastSession.withUnsafeMutableBufferPointer { $0.update(repeating: -1) }
      for session in 0..<offsets.count - 1 {
        for place in (offsets[session]..<offsets[session + 1]).reversed() where lastSession[Int(items[place])] != session {
          lastSession[Int(items[place])] = session
          visit(Int(items[place]), session, place - offsets[session])
        }
      }
    }
    var counts = [Int](repeating: 0, count: itemCount)
    forEachLastPlace { item, _, _ in counts[item] += 1 }
    for item in 0..<itemCount { rows[item + 1] = rows[item] + min(counts[item], Self.postingLimit) }
    var found = [(session: Int32, place: Int32)](repeating: (0, 0), count: rows[itemCount])
    forEachLastPlace { item, session, place in
      counts[item] -= 1
      guard counts[item] < Self.postingLimit else { return }
      found[rows[item + 1] - 1 - counts[item]] = (Int32(truncatingIfNeeded: session), Int32(truncatingIfNeeded: place))
    }
    postings = found
  }

  public func scores(history: Span<Int32>, into: UnsafeMutableBufferPointer<Float>) {
    checkSize(into, "SessionKNN")
    into.update(repeating: 0)
    for (session, similarity, anchor) in nearest(history) {
      let own = offsets[session]..<offsets[session + 1]
      let middle = own.lowerBound + anchor
      for place in max(own.lowerBound, middle + 1 - fade.count)..<min(own.upperBound, middle + fade.count) where place != middle {
        into[Int(items[place])] += similarity * fade[abs(place - middle)]
      }
    }
  }

  /// The most similar sessions, of equal ones those that come first, each with its anchor.
  private func nearest(_ history: Span<Int32>) -> [(session: Int, similarity: Float, anchor: Int)] {
    var shared = [(similarity: Float, anchor: Int32)](repeating: (0, -1), count: offsets.count - 1)
    var met: [Int] = [], asked: [Int32] = []
    for age in 0..<min(history.count, fade.count) {
      let item = history[history.count - 1 - age]
      guard item >= 0, Int(item) < itemCount, !asked.contains(item) else { continue }
      asked.append(item)
      for posting in postings[rows[Int(item)]..<rows[Int(item) + 1]] {
        let session = Int(posting.session)
        if shared[session].anchor < 0 { met.append(session) }
        shared[session].similarity += fade[age]
        shared[session].anchor = max(shared[session].anchor, posting.place)
      }
    }
    var found = met.map { session in
      (session, shared[session].similarity / Float(offsets[session + 1] - offsets[session]).squareRoot(), Int(shared[session].anchor))
    }
    guard found.count > neighbourCount else { return found }
    found.sort { (-$0.1, $0.0) < (-$1.1, $1.0) }
    return Array(found.prefix(neighbourCount))
  }
}
