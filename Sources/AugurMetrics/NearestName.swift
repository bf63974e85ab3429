// "Did you mean ...?" for names that a person typed.

/// The known name with the least edit distance to `name`, upper and lower case the same; nil when none is near.
///
/// Near is at most a third of the longer name, and at least 1 change. The first of several equally near names is given.
package func nearestName(to name: String, in names: [String]) -> String? {
  let typed = Array(name.lowercased())
  var best: (name: String, distance: Int)?
  for candidate in names {
    let known = Array(candidate.lowercased())
    let limit = max(1, max(typed.count, known.count) / 3)
    // The lengths alone already cost this much.
    guard abs(typed.count - known.count) <= limit else { continue }
    let distance = editDistance(typed, known)
    guard distance <= limit, distance < best?.distance ?? .max else { continue }
    best = (candidate, distance)
  }
  return best?.name
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b` (optimal string alignment).
func editDistance(_ a: [Character], _ b: [Character]) -> Int {
  var beforePrevious = [Int](repeating: 0, count: b.count + 1)
  var previous = Array(0...b.count)
  var row = previous
  for i in a.indices {
    row[0] = i + 1
    for j in b.indices {
      let substituted = previous[j] + (a[i] == b[j] ? 0 : 1)
      row[j + 1] = min(substituted, previous[j + 1] + 1, row[j] + 1)
      if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] {
        row[j + 1] = min(row[j + 1], beforePrevious[j - 1] + 1)
      }
    }
    (beforePrevious, previous, row) = (previous, row, beforePrevious)
  }
  return previous[b.count]
}
