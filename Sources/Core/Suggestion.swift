/// The candidate nearest to a mistyped word, if one is near enough to be meant.
///
/// Distance is optimal string alignment (insert, delete, replace, swap neighbours); at most a third
/// of the word, and never more than three edits.
public func nearest(to word: String, among candidates: some Sequence<String>) -> String? {
  let limit = min(3, max(1, word.count / 3))
  let scored = candidates.map { ($0, editDistance(Array(word), Array($0))) }
  return scored.filter { $0.1 <= limit }.min { ($0.1, $0.0) < ($1.1, $1.0) }?.0
}

private func editDistance(_ a: [Character], _ b: [Character]) -> Int {
  var before: [Int] = []
  var previous = Array(0...b.count)
  for i in a.indices {
    var current = [i + 1] + Array(repeating: 0, count: b.count)
    for j in b.indices {
      let cost = a[i] == b[j] ? 0 : 1
      current[j + 1] = min(previous[j + 1] + 1, current[j] + 1, previous[j] + cost)
      if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
        current[j + 1] = min(current[j + 1], before[j - 1] + 1)
      }
    }
    (before, previous) = (previous, current)
  }
  return previous[b.count]
}
