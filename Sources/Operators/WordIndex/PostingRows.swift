import Core
import Kernels
import Synchronization

/// The postings of a segment in the order of word IDs.
final class PostingRows: Sendable {
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
    for case let ordinal? in try reader.ordinals(ofIDs: dead.ids) { documents[ordinal] = -1 }
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
    let total = blocks.last!.end - first
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
      let (words, offsets, elements) = try state.withLock { walk in
        var words: [Int64] = []
        var offsets: [UInt32] = [0]
        let room = ListRoom(capacity: 1 << 16)
        var last = 0
        while words.count < limit && room.count < 1 << 16, try walk.next() {
          try walk.append(to: room, self.documents)
          guard room.count > last else { continue }
          last = room.count
          words.append(self.ids[walk.local])
          offsets.append(UInt32(last))
        }
        return (words, offsets, room.elements)
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

/// The lists of a batch while it is made, one behind the other.
private final class ListRoom {
  private var memory: UnsafeMutablePointer<Int64>
  private var capacity: Int
  private(set) var count = 0

  init(capacity: Int) {
    self.capacity = capacity
    memory = .allocate(capacity: capacity)
  }

  deinit { memory.deallocate() }

  var elements: [Int64] { Array(UnsafeBufferPointer(start: memory, count: count)) }

  /// - Parameter ids: Of each document, by its place; those below 0 are left out.
  func append(_ list: PostingList, _ ids: [Int64]) throws {
    reserve(list.documentCount)
    var place = memory + count
    try ids.withUnsafeBufferPointer { ids in
      try PostingCursor(list).forEachBlock { documents in
        for document in documents {
          guard Int(document) < ids.count else { throw list.damaged() }
          let id = ids[Int(document)]
          place.pointee = id
          place += id >= 0 ? 1 : 0
        }
      }
    }
    count = place - memory
  }

  /// Most lists are short: a cursor for each would take longer than reading it.
  ///
  /// - Parameter list: The bytes of one that is not long.
  /// - Returns: False where it makes no sense.
  @inline(__always)
  func append(
    short list: UnsafeBufferPointer<UInt8>, documentCount: Int, _ ids: [Int64]
  ) -> Bool {
    reserve(documentCount)
    var place = memory + count
    var next = list.start
    let end = next + list.count
    var document = UInt32.max
    for _ in 0..<documentCount {
      guard let head = readVarint(&next, end: end), head < 1 << 33,
        head & 1 == 1 || readVarint(&next, end: end) != nil
      else { return false }
      document = document &+ UInt32(truncatingIfNeeded: head >> 1) &+ 1
      guard Int(document) < ids.count else { return false }
      let id = ids[Int(document)]
      place.pointee = id
      place += id >= 0 ? 1 : 0
    }
    count = place - memory
    return true
  }

  private func reserve(_ more: Int) {
    guard count + more > capacity else { return }
    capacity = max(2 * capacity, count + more)
    let larger = UnsafeMutablePointer<Int64>.allocate(capacity: capacity)
    larger.update(from: memory, count: count)
    memory.deallocate()
    memory = larger
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

  /// The word at hand: its place in the segment.
  private(set) var local = 0

  /// Goes on to the next word; false at the end.
  mutating func next() throws -> Bool {
    guard let place = range.first else { return false }
    range.removeFirst()
    local = order.isEmpty ? place : Int(order[place])
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
    return true
  }

  /// Adds the postings of the word at hand.
  func append(to room: ListRoom, _ ids: [Int64]) throws {
    if block!.isLong { return try room.append(block!.list(), ids) }
    guard room.append(short: block!.listBytes, documentCount: block!.documentCount, ids) else {
      throw reader.bytes.damaged("a list of postings makes no sense")
    }
  }
}
