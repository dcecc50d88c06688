import Core

/// Cuts items into runs of neighbours that belong together.
func runs<Item>(of items: [Item], together: (Item, Item) -> Bool) -> [[Item]] {
  var result: [[Item]] = []
  for item in items {
    if let last = result.last?.last, together(last, item) {
      result[result.count - 1].append(item)
    } else {
      result.append([item])
    }
  }
  return result
}

/// Whether `b` begins where `a` ends, and they are as long as one another: both an hour, a day, a
/// month, a year, or the same number of seconds.
func isNext(_ a: Interval, _ b: Interval) -> Bool {
  guard a.end == b.start else { return false }
  func seconds(_ interval: Interval) -> Int64 {
    interval.end.microseconds - interval.start.microseconds
  }
  if seconds(a) == seconds(b) { return true }
  return [IntervalLength.month, .year].contains { length in
    length.interval(holding: a.start) == a && length.interval(holding: b.start) == b
  }
}

/// One interval, or a run of neighbours: `2024-01-01T00 … T23 (24 intervals)`.
///
/// - Parameter intervals: Not empty, in order, each `isNext` to the one before.
func rangeText(_ intervals: [Interval]) -> String {
  guard let first = intervals.first, let last = intervals.last, intervals.count > 1 else {
    return intervals.first?.description ?? ""
  }
  let from = first.description
  var to = last.description
  let day = CivilTime(first.start).dateText
  // The day is not said twice.
  if from.hasPrefix("\(day)T"), to.hasPrefix("\(day)T"), !to.contains("/") {
    to.removeFirst(day.count)
  }
  return "\(from) … \(to) (\(intervals.count) intervals)"
}

/// Any intervals, in order, as runs: `2024-01-01T00 … T04 (5 intervals), 2024-01-01T07`.
func rangesText(_ intervals: [Interval]) -> String {
  runs(of: intervals, together: isNext).map(rangeText).joined(separator: ", ")
}
