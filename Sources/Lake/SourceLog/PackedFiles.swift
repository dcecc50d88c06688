import Core

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Many byte strings in two allocations.
struct ByteTable: Sendable {
  private(set) var bytes: [UInt8] = []
  /// Where each string ends.
  private var ends: [Int] = []

  var count: Int { ends.count }

  mutating func reserve(count: Int, byteCount: Int) {
    ends.reserveCapacity(count)
    bytes.reserveCapacity(byteCount)
  }

  mutating func append(_ text: String) {
    var text = text
    text.withUTF8 { bytes += $0 }
    ends.append(bytes.count)
  }

  mutating func append(_ slice: UnsafeRawBufferPointer) {
    bytes += slice
    ends.append(bytes.count)
  }

  /// Appends strings that lie one behind the other, in one piece.
  mutating func append(_ indices: Range<Int>, of other: ByteTable) {
    guard let first = indices.first, let last = indices.last else { return }
    let span = other.range(first).lowerBound..<other.range(last).upperBound
    let shift = bytes.count - span.lowerBound
    other.bytes.withUnsafeBytes { bytes += UnsafeRawBufferPointer(rebasing: $0[span]) }
    let start = ends.count
    ends += other.ends[indices]
    ends.withUnsafeMutableBufferPointer { ends in
      for index in start..<ends.count { ends[index] += shift }
    }
  }

  subscript(index: Int) -> String { String(decoding: bytes[range(index)], as: UTF8.self) }

  func range(_ index: Int) -> Range<Int> { (index == 0 ? 0 : ends[index - 1])..<ends[index] }

  /// Compares by bytes: negative, 0 or positive, as `memcmp`.
  static func compare(_ a: ByteTable, _ i: Int, _ b: ByteTable, _ j: Int) -> Int {
    let (x, y) = (a.range(i), b.range(j))
    return a.bytes.withUnsafeBytes { first in
      b.bytes.withUnsafeBytes { second in
        order(
          UnsafeRawBufferPointer(rebasing: first[x]), UnsafeRawBufferPointer(rebasing: second[y]))
      }
    }
  }

  static func compare(_ a: String, _ b: String) -> Int {
    var (a, b) = (a, b)
    return a.withUTF8 { a in
      b.withUTF8 { b in order(UnsafeRawBufferPointer(a), UnsafeRawBufferPointer(b)) }
    }
  }

  func compare(_ index: Int, _ text: String) -> Int {
    var copy = text
    return copy.withUTF8 { compare(index, UnsafeRawBufferPointer($0)) }
  }

  func compare(_ index: Int, _ text: UnsafeRawBufferPointer) -> Int {
    bytes.withUnsafeBytes { own in
      ByteTable.order(UnsafeRawBufferPointer(rebasing: own[range(index)]), text)
    }
  }

  private static func order(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
    let common = min(a.count, b.count)
    if common > 0 {
      let result = memcmp(a.baseAddress!, b.baseAddress!, common)
      if result != 0 { return Int(result) }
    }
    return a.count - b.count
  }
}

/// Files, or changes of files, column by column: what a million of them cost is their bytes.
struct PackedFiles: Sendable {
  var keys = ByteTable()
  var versions = ByteTable()
  var sizes: [Int64] = []
  var batches: [Int32] = []
  /// Microseconds; `noInterval` where the file belongs to none.
  var starts: [Int64] = []
  var ends: [Int64] = []
  /// Days since 1970-01-01; `notLanded` where there is no copy.
  var landed: [Int32] = []
  /// Only of changes: `FileChange.Kind.order`; empty for files.
  var kinds: [UInt8] = []

  static let noInterval = Int64.min
  static let notLanded = Int32.min

  var count: Int { sizes.count }

  /// Makes room for so many files in all; arrays that grow by doubling would take up to twice that.
  mutating func reserve(count: Int, keyByteCount: Int, versionByteCount: Int) {
    keys.reserve(count: count, byteCount: keyByteCount)
    versions.reserve(count: count, byteCount: versionByteCount)
    sizes.reserveCapacity(count)
    batches.reserveCapacity(count)
    starts.reserveCapacity(count)
    ends.reserveCapacity(count)
    landed.reserveCapacity(count)
  }

  /// Makes room for so many files in all that are like those that are here.
  mutating func reserve(like count: Int) {
    guard self.count > 0, count > self.count else { return }
    func share(_ table: ByteTable) -> Int {
      Int(Double(table.bytes.count) / Double(self.count) * Double(count) * 1.02)
    }
    reserve(count: count, keyByteCount: share(keys), versionByteCount: share(versions))
  }

  mutating func append(_ file: ListedFile, batch: Int) {
    keys.append(file.key)
    versions.append(file.version)
    sizes.append(file.byteCount)
    batches.append(Int32(batch))
    starts.append(file.interval?.start.microseconds ?? PackedFiles.noInterval)
    ends.append(file.interval?.end.microseconds ?? PackedFiles.noInterval)
    landed.append(file.landed?.number ?? PackedFiles.notLanded)
  }

  /// Appends files that lie one behind the other, without their kinds.
  mutating func append(_ indices: Range<Int>, of other: PackedFiles) {
    keys.append(indices, of: other.keys)
    versions.append(indices, of: other.versions)
    sizes += other.sizes[indices]
    batches += other.batches[indices]
    starts += other.starts[indices]
    ends += other.ends[indices]
    landed += other.landed[indices]
  }

  subscript(index: Int) -> LoggedFile {
    LoggedFile(
      file: ListedFile(
        key: keys[index], byteCount: sizes[index], version: versions[index],
        interval: interval(index),
        landed: landed[index] == PackedFiles.notLanded
          ? nil : LandingDay(number: landed[index])),
      batch: Int(batches[index]))
  }

  func interval(_ index: Int) -> Interval? {
    let (start, end) = (starts[index], ends[index])
    guard start != PackedFiles.noInterval, start < end else { return nil }
    return Interval(start: Instant(microseconds: start), end: Instant(microseconds: end))
  }

  /// The indices in ascending order of keys; equal keys in their present order.
  func sortedIndices() -> [Int] {
    let indices = Array(0..<count)
    let isSorted = indices.dropFirst().allSatisfy { ByteTable.compare(keys, $0 - 1, keys, $0) <= 0 }
    guard !isSorted else { return indices }
    return indices.sorted { a, b in
      let order = ByteTable.compare(keys, a, keys, b)
      return order == 0 ? a < b : order < 0
    }
  }

  /// These files, sorted by key, after changes that came in the order given: the last of a key
  /// wins.
  ///
  /// - Complexity: O(changes · log *n*), and a copy of what there is in pieces between changes.
  func folding(_ changes: PackedFiles) -> PackedFiles {
    guard changes.count > 0 else { return self }
    var result = PackedFiles()
    result.reserve(
      count: count + changes.count, keyByteCount: keys.bytes.count + changes.keys.bytes.count,
      versionByteCount: versions.bytes.count + changes.versions.bytes.count)
    let order = changes.sortedIndices()
    var old = 0
    /// Changes that follow each other as they lie, to be appended in one piece.
    var run = 0..<0
    for (place, change) in order.enumerated() {
      // The last of the changes of this key.
      if place + 1 < order.count,
        ByteTable.compare(changes.keys, change, changes.keys, order[place + 1]) == 0
      {
        continue
      }
      let start = old
      old = firstIndex(notLess: change, of: changes, from: old)
      if old > start {
        result.append(run, of: changes)
        run = 0..<0
        result.append(start..<old, of: self)
      }
      if old < count, ByteTable.compare(keys, old, changes.keys, change) == 0 { old += 1 }
      guard changes.kinds[change] != FileChange.Kind.removed.order else { continue }
      if run.isEmpty || run.upperBound != change {
        result.append(run, of: changes)
        run = change..<change
      }
      run = run.lowerBound..<change + 1
    }
    result.append(run, of: changes)
    result.append(old..<count, of: self)
    return result
  }

  /// The first file from `start` on whose key is not less than another's, which is mostly near.
  private func firstIndex(notLess index: Int, of other: PackedFiles, from start: Int) -> Int {
    var (low, high, step) = (start, start, 1)
    while high < count, ByteTable.compare(keys, high, other.keys, index) < 0 {
      low = high + 1
      high += step
      step *= 2
    }
    high = min(high, count)
    while low < high {
      let middle = (low + high) / 2
      if ByteTable.compare(keys, middle, other.keys, index) < 0 {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return low
  }
}
