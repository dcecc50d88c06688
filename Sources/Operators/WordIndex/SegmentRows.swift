import Core
import Kernels
import Synchronization

/// The rows that a segment adds to an index's tables: streams for one thread each, in order.
public enum SegmentRows {
  /// `word_id`, `word` of the words with IDs from `firstNew` on, ascending.
  public static func words(
    _ reader: SegmentReader, _ ids: WordIDs, from firstNew: Int64
  ) -> any BatchSource {
    let schema = Schema([bigint("word_id"), string("word")])
    let scan = Mutex(DictionaryScan(reader))
    return RowStream(schema, total: Int64(reader.summary.wordCount)) { limit in
      var numbers: [Int64] = []
      var texts = TextColumn()
      // Among themselves, new words have IDs in the order of their bytes.
      try scan.withLock { scan in
        while numbers.count < limit, try scan.next() {
          let id = ids[scan.local]
          guard id >= firstNew else { continue }
          numbers.append(id)
          texts.append(scan.word)
        }
      }
      return ColumnBatch(
        rowCount: numbers.count,
        columns: [.init(values: .int64(numbers)), .init(values: .bytes(texts.slices))],
        bytes: texts.bytes)
    }
  }

  /// `doc_id`, `file`, `size`, `version`, `tokens`, `segment` of the documents that are not dead, by
  /// their files' keys.
  public static func documents(
    _ reader: SegmentReader, except dead: DeadDocuments = DeadDocuments()
  ) -> any BatchSource {
    let schema = Schema([
      bigint("doc_id"), string("file"), bigint("size"), string("version"), bigint("tokens"),
      bigint("segment"),
    ])
    let next = Atomic<Int>(0)
    return RowStream(schema, total: Int64(reader.summary.documentCount)) { limit in
      var (ids, sizes, tokens): ([Int64], [Int64], [Int64]) = ([], [], [])
      var (files, versions) = (TextColumn(), TextColumn())
      while ids.count < limit {
        let block = next.add(1, ordering: .relaxed).oldValue
        guard block < reader.documentBlocks.count else { break }
        for entry in try reader.documentBlock(block) {
          let id = try reader.id(ofOrdinal: entry.ordinal)
          guard !dead.contains(id) else { continue }
          ids.append(Int64(id))
          sizes.append(entry.size)
          tokens.append(try reader.tokens(entry.ordinal))
          files.append(entry.key)
          versions.append(entry.version)
        }
      }
      let versionSlices = versions.slices.map {
        ColumnBatch.Slice(offset: $0.offset + UInt32(files.bytes.count), count: $0.count)
      }
      let segment = [Int64](repeating: reader.summary.sequence, count: ids.count)
      return ColumnBatch(
        rowCount: ids.count,
        columns: [
          .init(values: .int64(ids)), .init(values: .bytes(files.slices)),
          .init(values: .int64(sizes)), .init(values: .bytes(versionSlices)),
          .init(values: .int64(tokens)), .init(values: .int64(segment)),
        ], bytes: files.bytes + versions.bytes)
    }
  }

  /// `word_id`, `doc_ids`, `segment` of the words that have postings, by word ID.
  ///
  /// - Parameters:
  ///   - dead: Documents that are left out.
  ///   - parts: How many streams, each with a range of IDs and about as many bytes as the others;
  ///     fewer where there are few words.
  public static func postings(
    _ reader: SegmentReader, _ ids: WordIDs, except dead: DeadDocuments = DeadDocuments(),
    parts: Int = 1
  ) throws -> [any BatchSource] {
    let rows = try PostingRows(reader, ids, dead)
    return rows.ranges(parts).map { range in rows.stream(range) }
  }

  fileprivate static func bigint(_ name: String) -> Field { Field(name: name, type: .bigint) }

  private static func string(_ name: String) -> Field { Field(name: name, type: .string) }
}

/// The postings of a segment in the order of word IDs.
private final class PostingRows: Sendable {
  private let reader: SegmentReader
  private let ids: WordIDs
  /// Words by ID: their blocks, and their places in them. Empty where IDs and bytes have one order.
  private let order: [UInt32]
  /// Each document's ID, by its place; -1 where it is dead.
  private let documents: [Int64]

  init(_ reader: SegmentReader, _ ids: WordIDs, _ dead: DeadDocuments) throws {
    guard ids.count == reader.summary.wordCount else {
      throw reader.bytes.damaged(
        "it has \(reader.summary.wordCount) words, but IDs for \(ids.count)")
    }
    self.reader = reader
    self.ids = ids
    var documents: [Int64] = []
    documents.reserveCapacity(reader.summary.documentCount)
    try reader.ids.forEach(in: 0..<reader.summary.documentCount) {
      documents.append($0 + Int64(documents.count))
    }
    for id in dead.ids {
      if let ordinal = try reader.ordinal(ofID: id) { documents[ordinal] = -1 }
    }
    self.documents = documents
    let isAscending = (1..<max(1, ids.count)).allSatisfy { ids[$0 - 1] < ids[$0] }
    order =
      isAscending
      ? [] : (0..<UInt32(ids.count)).sorted { ids[Int($0)] < ids[Int($1)] }
  }

  /// Ranges of places in the order of IDs.
  func ranges(_ parts: Int) -> [Range<Int>] {
    let blocks = reader.dictionary.blocks.blocks
    guard parts > 1, blocks.count > parts else { return [0..<ids.count] }
    // Words in the order of their bytes are cut where the bytes are; others by their number.
    let first = blocks[0].listsOffset
    let total = blocks.last!.offset + blocks.last!.byteCount - first
    var cuts = [0]
    for part in 1..<parts {
      if order.isEmpty {
        let goal = first + total * Int64(part) / Int64(parts)
        let block = blocks.firstIndex { $0.offset >= goal } ?? blocks.count
        cuts.append(min(ids.count, block * SegmentFrame.wordsInBlock))
      } else {
        cuts.append(ids.count * part / parts)
      }
    }
    cuts.append(ids.count)
    return zip(cuts, cuts.dropFirst()).map { $0..<$1 }.filter { !$0.isEmpty }
  }

  func stream(_ range: Range<Int>) -> any BatchSource {
    let schema = Schema([
      SegmentRows.bigint("word_id"),
      Field(
        name: "doc_ids", type: .list(element: Field(name: "element", type: .bigint))),
      SegmentRows.bigint("segment"),
    ])
    let state = Mutex(WordWalk(reader, order, range))
    return RowStream(schema, total: Int64(range.count)) { limit in
      var words: [Int64] = []
      var offsets: [UInt32] = [0]
      var elements: [Int64] = []
      try state.withLock { walk in
        while words.count < limit && elements.count < 1 << 18, let (local, list) = try walk.next() {
          let cursor = try PostingCursor(list)
          while cursor.document != PostingCursor.end {
            let id = self.documents[Int(cursor.document)]
            if id >= 0 { elements.append(id) }
            try cursor.next()
          }
          guard elements.count > Int(offsets.last!) else { continue }
          words.append(self.ids[local])
          offsets.append(UInt32(elements.count))
        }
      }
      let segment = [Int64](repeating: self.reader.summary.sequence, count: words.count)
      return ColumnBatch(
        rowCount: words.count,
        columns: [
          .init(values: .int64(words)),
          .init(values: .int64Lists(offsets: offsets, elements: elements)),
          .init(values: .int64(segment)),
        ], bytes: [])
    }
  }
}

/// Goes through words in a given order.
private struct WordWalk {
  private let reader: SegmentReader
  private let order: [UInt32]
  private var range: Range<Int>
  private var block: DictionaryBlock?
  private var blockIndex = -1

  init(_ reader: SegmentReader, _ order: [UInt32], _ range: Range<Int>) {
    self.reader = reader
    self.order = order
    self.range = range
  }

  mutating func next() throws -> (local: Int, list: PostingList)? {
    guard let place = range.first else { return nil }
    range.removeFirst()
    let local = order.isEmpty ? place : Int(order[place])
    let index = local / SegmentFrame.wordsInBlock
    // Backwards in a block means from its start again.
    if index != blockIndex || block!.local >= local {
      block = try DictionaryBlock(reader, index)
      blockIndex = index
    }
    while block!.local < local {
      guard try block!.next() else {
        throw reader.bytes.damaged("a block has fewer words than it should")
      }
    }
    return (local, try block!.list())
  }
}

/// Texts of a batch.
private struct TextColumn {
  var bytes: [UInt8] = []
  var slices: [ColumnBatch.Slice] = []

  mutating func append(_ text: [UInt8]) {
    slices.append(.init(offset: UInt32(bytes.count), count: UInt32(text.count)))
    bytes += text
  }
}

/// Batches as a closure makes them.
private final class RowStream: BatchSource {
  let schema: Schema
  let readerLimit = 1
  private let total: Int64
  private let done = Atomic<Int64>(0)
  private let isAtEnd = Atomic<Bool>(false)
  private let make: @Sendable (_ limit: Int) throws -> ColumnBatch

  /// - Parameter make: A batch of about `limit` rows; an empty one at the end.
  init(_ schema: Schema, total: Int64, _ make: @escaping @Sendable (Int) throws -> ColumnBatch) {
    self.schema = schema
    self.total = total
    self.make = make
  }

  var progress: (done: Int64, total: Int64) { (done.load(ordering: .relaxed), total) }

  func next() throws -> ColumnBatch? {
    if isAtEnd.load(ordering: .relaxed) { return nil }
    do {
      let batch = try make(16_384)
      if batch.rowCount > 0 {
        done.add(Int64(batch.rowCount), ordering: .relaxed)
        return batch
      }
    } catch {
      isAtEnd.store(true, ordering: .relaxed)
      throw error
    }
    isAtEnd.store(true, ordering: .relaxed)
    return nil
  }
}
