import Core
import Kernels

/// The IDs of a segment's words, in the order of their bytes: a small file beside the segment.
///
/// A word keeps its ID for ever, in whichever segments it comes to lie.
public struct WordIDs: Sendable {
  /// Words that were first numbered with this segment.
  public let newWordCount: Int
  /// Each word's ID less its place.
  private let differences: [Int64]

  private static let magic = Array("SLUICEWI".utf8)
  private static let format: UInt64 = 1

  /// For a segment whose words nobody asks for.
  public static let none = WordIDs(differences: [], newWordCount: 0)

  private init(differences: [Int64], newWordCount: Int) {
    self.differences = differences
    self.newWordCount = newWordCount
  }

  init(_ ids: [Int64], newWordCount: Int) {
    self.init(
      differences: ids.enumerated().map { $1 - Int64($0) }, newWordCount: newWordCount)
  }

  /// As many as the segment has words.
  public var count: Int { differences.count }

  /// - Parameter local: A word's place in the segment.
  public subscript(local: Int) -> Int64 { differences[local] + Int64(local) }

  /// Numbers the words of a new segment.
  ///
  /// - Parameters:
  ///   - existing: All segments with their words' IDs.
  ///   - next: The least ID that no word has. Words that are new get it and those that follow, in
  ///     the order of their bytes.
  /// - Returns: With the least ID that is free then.
  /// - Complexity: O(words of the new segment), about a block of words read for each; no more than
  ///   all of the existing.
  public static func assign(
    _ new: SegmentReader, existing: [(reader: SegmentReader, ids: WordIDs)], next: Int64
  ) throws -> (ids: WordIDs, next: Int64) {
    var lookups = try existing.map { try WordLookup($0.reader, $0.ids) }
    var words = DictionaryScan(new)
    var ids: [Int64] = []
    ids.reserveCapacity(new.summary.wordCount)
    var nextID = next
    while try words.next() {
      var known: Int64?
      for index in lookups.indices {
        known = try lookups[index].id(of: words.word)
        if known != nil { break }
      }
      if let known {
        ids.append(known)
      } else {
        ids.append(nextID)
        nextID += 1
      }
    }
    return (WordIDs(ids, newWordCount: Int(nextID - next)), nextID)
  }
}

/// Looks up words that come in ascending order.
private struct WordLookup {
  private let segment: SegmentReader
  private let ids: WordIDs
  private var block: DictionaryBlock?
  private var blockIndex = -1
  /// How the block's word compares to the last one asked for.
  private var hasWord = false

  init(_ segment: SegmentReader, _ ids: WordIDs) throws {
    guard ids.count == segment.summary.wordCount else {
      throw segment.bytes.damaged(
        "it has \(segment.summary.wordCount) words, but IDs for \(ids.count)")
    }
    self.segment = segment
    self.ids = ids
  }

  mutating func id(of word: [UInt8]) throws -> Int64? {
    guard let index = segment.dictionary.blocks.block(for: word) else { return nil }
    if index != blockIndex {
      block = try DictionaryBlock(segment, index)
      blockIndex = index
      hasWord = try block!.next()
    }
    while hasWord {
      let order = block!.word.withUnsafeBufferPointer { a in
        word.withUnsafeBufferPointer { b in compareBytes(a.start, a.count, b.start, b.count) }
      }
      if order == 0 { return ids[block!.local] }
      if order > 0 { return nil }
      hasWord = try block!.next()
    }
    return nil
  }
}

extension WordIDs {
  /// The file: magic; format, count, number of new words, as 64 bits each; the packed numbers' base
  /// and width, as 64 bits each; CRC-32C of all that; the pages.
  public var bytes: [UInt8] {
    let (form, pages) = PackedNumbers.pack(differences)
    var head = WordIDs.magic
    let numbers = [
      WordIDs.format, UInt64(count), UInt64(newWordCount), UInt64(bitPattern: form.base),
      UInt64(form.width),
    ]
    for number in numbers { withUnsafeBytes(of: number.littleEndian) { head += $0 } }
    var checksum = CRC32C()
    head.withUnsafeBytes { checksum.update($0) }
    withUnsafeBytes(of: checksum.value.littleEndian) { head += $0 }
    return head + pages
  }

  /// Reads the file's bytes and verifies them.
  ///
  /// - Parameter name: What messages call the file.
  /// - Throws: `OperatorError` `.damaged`, `.unusable`.
  public init(bytes: [UInt8], name: String) throws {
    let file = LoadedBytes(bytes, name)
    let headByteCount = WordIDs.magic.count + 5 * 8
    guard bytes.count >= headByteCount + 4, bytes.starts(with: WordIDs.magic) else {
      throw file.damaged("it is cut off, or no file of word IDs")
    }
    let numbers = bytes.withUnsafeBytes { all in
      (0..<5).map {
        UInt64(littleEndian: all.loadUnaligned(fromByteOffset: 8 + 8 * $0, as: UInt64.self))
      }
    }
    let head = file.part.part(0..<headByteCount)
    let checksum = file.part.bytes.loadUnaligned(fromByteOffset: headByteCount, as: UInt32.self)
    try file.expect(UInt32(littleEndian: checksum), of: head.bytes, at: 0)
    guard numbers[0] <= WordIDs.format else {
      throw OperatorError(
        .unusable, "this file of word IDs is of format \(numbers[0])", at: Place(file: name),
        advice: "use a newer version of sluice")
    }
    guard numbers[1] < 1 << 40, numbers[4] <= 56 else {
      throw file.damaged("its numbers make no sense")
    }
    let form = PackedNumbers(
      count: Int(numbers[1]), base: Int64(bitPattern: numbers[3]), width: Int(numbers[4]))
    guard bytes.count == headByteCount + 4 + form.byteCount else {
      throw file.damaged("it has not the bytes it should have")
    }
    let column = PackedColumn(form: form, offset: Int64(headByteCount + 4), bytes: file)
    var differences: [Int64] = []
    differences.reserveCapacity(form.count)
    try column.forEach(in: 0..<form.count) { differences.append($0) }
    self.init(differences: differences, newWordCount: Int(numbers[2]))
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
