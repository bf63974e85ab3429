// Catalogue coverage: how much of the catalogue the recommendations show at all.

/// Coverage@k = |union of the users' top-k| / V. It grows with the number of users: print both.
public enum Coverage {
  /// - Parameters:
  ///   - lists: recommended items of each user, best first; items outside the catalogue are ignored.
  ///   - itemCount: V. An empty catalogue gives 0.
  public static func value(at k: Int, lists: [[Int32]], itemCount: Int) -> Double {
    guard itemCount > 0, k > 0 else { return 0 }
    var shown = [Bool](repeating: false, count: itemCount)
    var shownCount = 0
    for list in lists {
      for item in list.prefix(k) where item >= 0 && Int(item) < itemCount && !shown[Int(item)] {
        shown[Int(item)] = true
        shownCount += 1
      }
    }
    return Double(shownCount) / Double(itemCount)
  }
}
