import Core
import Kernels

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Gives columns of the type `fixed` the form that Iceberg wants them in: `FIXED_LEN_BYTE_ARRAY`.
///
/// DuckDB has no such type and writes them as byte arrays, each value after its length. Here the
/// lengths are taken out of the pages of just these columns, and the footer is told.
///
/// Format: https://github.com/apache/parquet-format
struct FixedLengthColumns {
  /// Byte counts by field ID, nested fields included.
  private let byteCounts: [Int: Int]

  /// - Returns: Nil where the schema has none.
  init?(_ schema: Schema) {
    var found: [Int: Int] = [:]
    func find(_ fields: [Field]) {
      for field in fields {
        switch field.type {
        case .fixed(let byteCount): found[field.id] = byteCount
        case .list(let element): find([element])
        case .map(let key, let value): find([key, value])
        case .structure(let children): find(children)
        default: break
        }
      }
    }
    find(schema.fields)
    if found.isEmpty { return nil }
    byteCounts = found
  }

  /// Replaces a file that DuckDB wrote.
  ///
  /// - Returns: Its size.
  /// - Throws: `EngineError` `.failed` for a value of another length.
  func rewrite(_ path: String) throws -> Int64 {
    do {
      return try Rewriting(path, byteCounts).rewrite()
    } catch is ThriftValue.Malformed {
      throw EngineError(
        .failed, "a file just written cannot be read: not the Parquet that was expected",
        at: Place(file: path))
    }
  }
}

/// One file on its way from one form to the other, a column's part of a row group at a time.
private final class Rewriting {
  private let path: String
  private let byteCounts: [Int: Int]
  private let old: Int32
  private let new: Int32
  private var footer: ThriftValue
  private let footerStart: Int64
  private var written: Int64 = 0
  /// Where things are now, by where they were; between these, distances have not changed.
  private var moves: [(from: Int64, to: Int64)] = [(0, 0)]

  private var newPath: String { path + ".fixed" }

  init(_ path: String, _ byteCounts: [Int: Int]) throws {
    self.path = path
    self.byteCounts = byteCounts
    old = open(path, O_RDONLY | O_CLOEXEC)
    new = open(path + ".fixed", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
    footer = .boolean(false)
    let end = Int64(lseek(old, 0, SEEK_END))
    guard old >= 0, new >= 0, end > 12 else {
      footerStart = 0
      throw Rewriting.failure(path)
    }
    let tail = try Rewriting.read(old, end - 8..<end, path)
    let length = tail[..<4].reversed().reduce(Int64(0)) { $0 << 8 | Int64($1) }
    guard length > 0, length < end - 12 else { throw ThriftValue.Malformed() }
    footerStart = end - 8 - length
    var offset = 0
    footer = try ThriftValue(
      structureIn: Rewriting.read(old, footerStart..<end - 8, path), at: &offset)
  }

  deinit {
    if old >= 0 { close(old) }
    if new >= 0 { close(new) }
    // Not there any more where all went well.
    unlink(newPath)
  }

  func rewrite() throws -> Int64 {
    let leaves = try markedLeaves()
    guard let groups = footer[4]?.list else { throw ThriftValue.Malformed() }
    var parts: [(start: Int64, group: Int, column: Int, leaf: FixedLengthLeaf)] = []
    for (group, value) in groups.enumerated() {
      for (column, leaf) in leaves.enumerated() where leaf.byteCount != nil {
        guard let chunk = value[1]?.list?[safely: column]?[3], let start = chunk.firstPage else {
          throw ThriftValue.Malformed()
        }
        parts.append((start, group, column, leaf))
      }
    }
    var sizes: [[Int: (plain: Int64, packed: Int64)]] = Array(repeating: [:], count: groups.count)
    var done: Int64 = 0
    for part in parts.sorted(by: { $0.start < $1.start }) {
      try copy(done..<part.start)
      let chunk = groups[part.group][1]!.list![part.column][3]!
      guard let size = chunk[7]?.integer, part.start + size <= footerStart else {
        throw ThriftValue.Malformed()
      }
      sizes[part.group][part.column] = try convert(
        part.start..<part.start + size, codec: chunk[4]?.integer ?? 0, part.leaf)
      done = part.start + size
      moves.append((done, written))
    }
    try copy(done..<footerStart)
    footer[4] = footer[4]!.replacing(
      groups.enumerated().map { moved($1, sizes[$0]) })
    let bytes = footer.bytes
    try write(
      bytes + (0..<4).map { UInt8(truncatingIfNeeded: bytes.count >> (8 * $0)) }
        + Array("PAR1".utf8))
    guard rename(newPath, path) == 0 else { throw Rewriting.failure(path) }
    return written
  }

  // MARK: - The footer

  /// All leaves in the order of columns; those with fixed lengths get their type in the schema.
  private func markedLeaves() throws -> [FixedLengthLeaf] {
    guard var elements = footer[2]?.list else { throw ThriftValue.Malformed() }
    var leaves: [FixedLengthLeaf] = []
    var index = 0
    func visit(_ isNullable: Bool, _ isRepeated: Bool) throws {
      guard elements.indices.contains(index) else { throw ThriftValue.Malformed() }
      let here = index
      let element = elements[here]
      index += 1
      let repetition = here == 0 ? 0 : element[3]?.integer ?? 0
      let isNullable = isNullable || repetition != 0
      let isRepeated = isRepeated || repetition == 2
      let children = element[5]?.integer ?? 0
      if children > 0 {
        for _ in 0..<children { try visit(isNullable, isRepeated) }
        return
      }
      let byteCount = element[9]?.integer.flatMap { byteCounts[Int($0)] }
      if let byteCount {
        guard element[1]?.integer == PhysicalType.byteArray else { throw ThriftValue.Malformed() }
        elements[here][1] = .int32(Int(PhysicalType.fixedLengthByteArray))
        elements[here][2] = .int32(byteCount)
      }
      var name = ""
      if case .binary(let bytes)? = element[4] { name = String(decoding: bytes, as: UTF8.self) }
      leaves.append(
        FixedLengthLeaf(
          name: name, byteCount: byteCount, isNullable: isNullable, isRepeated: isRepeated))
    }
    try visit(false, false)
    footer[2] = footer[2]!.replacing(elements)
    return leaves
  }

  /// A row group with everything where it is now.
  private func moved(
    _ group: ThriftValue, _ sizes: [Int: (plain: Int64, packed: Int64)]
  ) -> ThriftValue {
    var group = group
    var (plain, packed) = (Int64(0), Int64(0))
    let columns = (group[1]?.list ?? []).enumerated().map { column, value -> ThriftValue in
      var value = value
      for field in [2, 4, 6] { move(field, of: &value) }
      guard var chunk = value[3] else { return value }
      for field in [9, 10, 11, 14] { move(field, of: &chunk) }
      if let size = sizes[column] {
        chunk[1] = .int32(Int(PhysicalType.fixedLengthByteArray))
        plain += size.plain - (chunk[6]?.integer ?? 0)
        packed += size.packed - (chunk[7]?.integer ?? 0)
        chunk[6] = .int64(size.plain)
        chunk[7] = .int64(size.packed)
        // Byte arrays' own: how long they are together.
        chunk[16] = nil
      }
      value[3] = chunk
      return value
    }
    group[1] = group[1]!.replacing(columns)
    if let bytes = group[2]?.integer { group[2] = .int64(bytes + plain) }
    if let bytes = group[6]?.integer { group[6] = .int64(bytes + packed) }
    move(5, of: &group)
    return group
  }

  private func move(_ field: Int, of value: inout ThriftValue) {
    // Nought is none.
    guard let offset = value[field]?.integer, offset > 0,
      let last = moves.last(where: { $0.from <= offset })
    else { return }
    value[field] = .int64(last.to + offset - last.from)
  }

  // MARK: - Pages

  /// - Returns: The sizes of the column's part, with its pages' headers.
  private func convert(
    _ range: Range<Int64>, codec: Int64, _ leaf: FixedLengthLeaf
  ) throws -> (plain: Int64, packed: Int64) {
    let bytes = try Rewriting.read(old, range, path)
    let start = written
    var plain: Int64 = 0
    var offset = 0
    while offset < bytes.count {
      moves.append((range.lowerBound + Int64(offset), written))
      var header = try ThriftValue(structureIn: bytes, at: &offset)
      guard let size = header[3]?.integer, size >= 0, size <= bytes.count - offset else {
        throw ThriftValue.Malformed()
      }
      let body = Array(bytes[offset..<offset + Int(size)])
      offset += Int(size)
      guard codec == Codec.none || codec == Codec.zstd else { throw ThriftValue.Malformed() }
      var page = codec == Codec.zstd ? try inflated(body, .zstd, limit: 1 << 31) : body
      switch header[1]?.integer {
      case 2: page = try leaf.withoutLengths(page, from: 0, at: Place(file: path))
      case 0:
        switch header[5]?[2]?.integer {
        case 0:
          page = try leaf.withoutLengths(page, from: leaf.valuesStart(page), at: Place(file: path))
        // Numbers of entries in the dictionary.
        case 2, 8: break
        default: throw ThriftValue.Malformed()
        }
      default: throw ThriftValue.Malformed()
      }
      let packed = codec == Codec.zstd ? zstdCompressed(page) : page
      header[2] = .int32(page.count)
      header[3] = .int32(packed.count)
      header[4] = nil
      let head = header.bytes
      plain += Int64(head.count + page.count)
      try write(head + packed)
    }
    return (plain, written - start)
  }

  // MARK: - Bytes

  private func copy(_ range: Range<Int64>) throws {
    var start = range.lowerBound
    while start < range.upperBound {
      let end = min(range.upperBound, start + (4 << 20))
      try write(try Rewriting.read(old, start..<end, path))
      start = end
    }
  }

  private func write(_ bytes: [UInt8]) throws {
    var done = 0
    while done < bytes.count {
      #if canImport(Glibc)
        let count = bytes[done...].withUnsafeBytes { Glibc.write(new, $0.baseAddress, $0.count) }
      #else
        let count = bytes[done...].withUnsafeBytes { Darwin.write(new, $0.baseAddress, $0.count) }
      #endif
      guard count > 0 else { throw Rewriting.failure(newPath) }
      done += count
    }
    written += Int64(bytes.count)
  }

  private static func read(_ file: Int32, _ range: Range<Int64>, _ path: String) throws -> [UInt8] {
    guard range.lowerBound >= 0 else { throw ThriftValue.Malformed() }
    var bytes = [UInt8](repeating: 0, count: range.count)
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeMutableBytes {
        pread(file, $0.baseAddress! + done, $0.count - done, off_t(range.lowerBound) + off_t(done))
      }
      guard count > 0 else { throw failure(path) }
      done += count
    }
    return bytes
  }

  private static func failure(_ path: String) -> EngineError {
    EngineError(
      errno == ENOSPC ? .exhausted : .failed,
      "the file just written cannot be given columns of fixed length: "
        + String(cString: strerror(errno)), at: Place(file: path))
  }
}

/// Parquet's numbers.
private enum PhysicalType {
  static let byteArray: Int64 = 6
  static let fixedLengthByteArray: Int64 = 7
}

private enum Codec {
  static let none: Int64 = 0
  static let zstd: Int64 = 6
}

extension ThriftValue {
  /// Where a column's part of a row group begins.
  fileprivate var firstPage: Int64? {
    let dictionary = self[11]?.integer ?? 0
    guard let data = self[9]?.integer else { return nil }
    return dictionary > 0 ? min(dictionary, data) : data
  }
}

extension Array {
  fileprivate subscript(safely index: Int) -> Element? {
    indices.contains(index) ? self[index] : nil
  }
}
