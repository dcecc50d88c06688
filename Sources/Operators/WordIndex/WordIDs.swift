import Core
import Kernels

/// The IDs of a segment's words, in the order of their bytes: a file beside the segment.
///
/// A word keeps its ID for ever, in whichever segments it comes to lie.
public struct WordIDs: Sendable {
  /// Words that were first numbered with this segment.
  public let newWordCount: Int
  /// CRC-32C of the file.
  public let checksum: UInt32
  /// Of the file.
  public let byteCount: Int64
  /// Each word's ID less its place.
  private let form: PackedNumbers
  private let pages: SegmentPart

  fileprivate static let magic = Array("SLUICEWI".utf8)
  fileprivate static let format: UInt64 = 1
  private static let headByteCount = 8 + 5 * 8

  /// For a segment whose words nobody asks for.
  public static let none = WordIDs()

  private init() {
    (newWordCount, checksum, byteCount) = (0, 0, 0)
    form = PackedNumbers(count: 0, base: 0, width: 0)
    pages = .empty
  }

  /// Maps a file into memory and verifies it.
  ///
  /// - Parameter name: What messages call the file.
  /// - Throws: `OperatorError` `.damaged`, `.unusable`.
  public init(path: String, name: String? = nil) throws {
    try self.init(MappedSegment(path: path, name: name))
  }

  /// Verifies a file's bytes.
  ///
  /// - Parameter name: What messages call the file.
  /// - Throws: `OperatorError` `.damaged`, `.unusable`.
  public init(bytes: [UInt8], name: String) throws { try self.init(LoadedBytes(bytes, name)) }

  private init(_ file: any SegmentBytes) throws {
    let headByteCount = WordIDs.headByteCount
    guard file.byteCount >= headByteCount + 4 else {
      throw file.damaged("it is cut off, or no file of word IDs")
    }
    let all = try file.read(0..<file.byteCount)
    guard all.bytes.starts(with: WordIDs.magic) else {
      throw file.damaged("it is cut off, or no file of word IDs")
    }
    let numbers = (0..<5).map {
      UInt64(littleEndian: all.bytes.loadUnaligned(fromByteOffset: 8 + 8 * $0, as: UInt64.self))
    }
    let stored = all.bytes.loadUnaligned(fromByteOffset: headByteCount, as: UInt32.self)
    try file.expect(UInt32(littleEndian: stored), of: all.part(0..<headByteCount).bytes, at: 0)
    guard numbers[0] <= WordIDs.format else {
      throw OperatorError(
        .unusable, "this file of word IDs is of format \(numbers[0])", at: Place(file: file.name),
        advice: "use a newer version of sluice")
    }
    guard numbers[1] < 1 << 40, numbers[4] <= 56 else {
      throw file.damaged("its numbers make no sense")
    }
    form = PackedNumbers(
      count: Int(numbers[1]), base: Int64(bitPattern: numbers[3]), width: Int(numbers[4]))
    guard all.bytes.count == headByteCount + 4 + form.byteCount else {
      throw file.damaged("it has not the bytes it should have")
    }
    newWordCount = Int(numbers[2])
    byteCount = file.byteCount
    pages = all.part(headByteCount + 4..<all.bytes.count)
    let column = PackedColumn(form: form, offset: Int64(headByteCount + 4), bytes: file)
    for page in 0..<form.pages { _ = try column.page(page) }
    var checksum = CRC32C()
    checksum.update(all.bytes)
    self.checksum = checksum.value
  }

  /// As many as the segment has words.
  public var count: Int { form.count }

  /// - Parameter local: A word's place in the segment.
  public subscript(local: Int) -> Int64 {
    precondition(local >= 0 && local < form.count, "a word of the segment")
    guard form.width > 0 else { return form.base + Int64(local) }
    let size = form.pageByteCount + 4
    let start = local / PackedNumbers.pageCount * size
    let page = UnsafeRawBufferPointer(rebasing: pages.bytes[start..<start + size])
    return form.number(local % PackedNumbers.pageCount, of: page) + Int64(local)
  }

  /// Numbers the words of a new segment.
  ///
  /// - Parameters:
  ///   - existing: All segments with their words' IDs.
  ///   - next: The least ID that no word has. Words that are new get it and those that follow, in
  ///     the order of their bytes.
  ///   - path: Of the file to write; there must be no such file.
  ///   - threads: How many look words up.
  ///   - spillFolder: Gives a folder for what exceeds a little memory, when one is needed.
  /// - Returns: With the least ID that is free then.
  /// - Complexity: O(words of the new segment), about a block of words read for each; no more than
  ///   all of the existing.
  public static func assign(
    _ new: SegmentReader, existing: [(reader: SegmentReader, ids: WordIDs)], next: Int64,
    to path: String, threads: Int = 1, spillFolder: @escaping @Sendable () throws -> String
  ) throws -> (ids: WordIDs, next: Int64) {
    let ids = WordIDWriter(SpillFile("words", directory: spillFolder))
    var nextID = next
    let threads = max(1, threads)
    let blockCount = new.dictionary.blocks.count
    var block = 0
    while block < blockCount {
      // A part for each thread, and no more of them than fit in little memory.
      let size = min(512, (blockCount - block + threads - 1) / threads)
      let parts = stride(from: block, to: min(blockCount, block + threads * size), by: size).map {
        $0..<min(blockCount, $0 + size)
      }
      let known = concurrently(parts, limit: threads) { try self.known($0, of: new, in: existing) }
      for part in known {
        for id in try part.get() {
          try ids.add(id > 0 ? id : nextID)
          if id <= 0 { nextID += 1 }
        }
      }
      block = parts.last!.upperBound
    }
    return (try ids.write(to: path, newWordCount: Int(nextID - next)), nextID)
  }

  /// The IDs of the words in some blocks of a segment; 0 for those that have none yet.
  private static func known(
    _ blocks: Range<Int>, of new: SegmentReader,
    in existing: [(reader: SegmentReader, ids: WordIDs)]
  ) throws -> [Int64] {
    var lookups = try existing.map { try WordLookup($0.reader, $0.ids) }
    var words = WordCursor(new)
    var known: [Int64] = []
    known.reserveCapacity(blocks.count * SegmentFrame.wordsInBlock)
    for block in blocks {
      try words.open(block)
      // The first word of a block is stored whole, whatever the one before is.
      var isFirst = true
      while let word = words.next() {
        var id: Int64?
        for index in lookups.indices {
          lookups[index].share(isFirst ? -1 : words.common)
          if id == nil { id = try lookups[index].id(of: word) }
        }
        isFirst = false
        known.append(id ?? 0)
      }
    }
    return known
  }
}

/// Writes the IDs of a segment's words.
///
/// The file: magic; format, count, number of new words, as 64 bits each; the packed numbers' base and
/// width, as 64 bits each; CRC-32C of all that; the pages.
final class WordIDWriter {
  private let differences: NumberSpool

  init(_ spill: SpillFile) { differences = NumberSpool(spill) }

  /// The next word's, in the order of their bytes.
  func add(_ id: Int64) throws { try differences.append(id - Int64(differences.count)) }

  /// Writes the file, and opens it.
  func write(to path: String, newWordCount: Int) throws -> WordIDs {
    let form = differences.form
    var head = WordIDs.magic
    let numbers = [
      WordIDs.format, UInt64(form.count), UInt64(newWordCount), UInt64(bitPattern: form.base),
      UInt64(form.width),
    ]
    for number in numbers { withUnsafeBytes(of: number.littleEndian) { head += $0 } }
    var checksum = CRC32C()
    head.withUnsafeBytes { checksum.update($0) }
    withUnsafeBytes(of: checksum.value.littleEndian) { head += $0 }
    let file = try SegmentFile(path: path)
    try file.write(head)
    _ = try differences.pack { try file.write($0) }
    try file.finish()
    return try WordIDs(path: path)
  }
}

/// A small file that is in memory whole.
final class LoadedBytes: SegmentBytes {
  let name: String
  let part: SegmentPart
  let isStable = true
  var byteCount: Int64 { Int64(part.bytes.count) }

  init(_ bytes: [UInt8], _ name: String) {
    self.name = name
    part = SegmentPart(bytes)
  }

  func read(_ range: Range<Int64>) throws -> SegmentPart {
    part.part(Int(range.lowerBound)..<Int(range.upperBound))
  }
}
