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

  mutating func append(_ index: Int, of other: ByteTable) {
    other.bytes.withUnsafeBytes { append(UnsafeRawBufferPointer(rebasing: $0[other.range(index)])) }
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
    return copy.withUTF8 { other in
      bytes.withUnsafeBytes { own in
        ByteTable.order(
          UnsafeRawBufferPointer(rebasing: own[range(index)]), UnsafeRawBufferPointer(other))
      }
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

  mutating func append(_ index: Int, of other: PackedFiles) {
    keys.append(index, of: other.keys)
    versions.append(index, of: other.versions)
    sizes.append(other.sizes[index])
    batches.append(other.batches[index])
    starts.append(other.starts[index])
    ends.append(other.ends[index])
    landed.append(other.landed[index])
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
  func folding(_ changes: PackedFiles) -> PackedFiles {
    guard changes.count > 0 else { return self }
    var result = PackedFiles()
    result.reserve(
      count: count + changes.count, keyByteCount: keys.bytes.count + changes.keys.bytes.count,
      versionByteCount: versions.bytes.count + changes.versions.bytes.count)
    let order = changes.sortedIndices()
    var old = 0
    var next = 0
    while next < order.count {
      // The last of the changes of this key.
      while next + 1 < order.count,
        ByteTable.compare(changes.keys, order[next], changes.keys, order[next + 1]) == 0
      {
        next += 1
      }
      let change = order[next]
      while old < count, ByteTable.compare(keys, old, changes.keys, change) < 0 {
        result.append(old, of: self)
        old += 1
      }
      if old < count, ByteTable.compare(keys, old, changes.keys, change) == 0 { old += 1 }
      if changes.kinds[change] != FileChange.Kind.removed.order {
        result.append(change, of: changes)
      }
      next += 1
    }
    while old < count {
      result.append(old, of: self)
      old += 1
    }
    return result
  }
}
