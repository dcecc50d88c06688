import Core

extension Interval {
  /// The interval as folders, as Hive names partitions: `year=2024/month=01/day=01/hour=05`, down
  /// to the unit that the interval fills.
  var partitionPath: String {
    let time = CivilTime(start)
    func two(_ number: Int) -> String { String(number).paddedLeft(to: 2, with: "0") }
    let length = end.microseconds - start.microseconds
    var path = "year=\(String(time.year).paddedLeft(to: 4, with: "0"))"
    if length > 366 * 86_400_000_000 { return path }
    if IntervalLength.year.interval(holding: start) == self { return path }
    path += "/month=\(two(time.month))"
    if IntervalLength.month.interval(holding: start) == self { return path }
    path += "/day=\(two(time.day))"
    if IntervalLength.day.interval(holding: start) == self { return path }
    return path + "/hour=\(two(time.hour))"
  }

  /// As values of the partition fields `interval_start` and `interval_end`.
  var partition: [Value] { [.timestamp(start), .timestamp(end)] }
}
