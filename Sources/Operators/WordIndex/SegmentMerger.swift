import Core
import Kernels

/// Makes one segment of several: without their dead documents, with all of their words.
///
/// Memory: four bytes for each document of the inputs, four for each of the new segment, four for
/// each dead one, and half a byte for each word; all else passes through.
public struct SegmentMerger: Sendable {
  private let spillFolder: @Sendable () throws -> String
  private let cancellation: Cancellation

  /// - Parameter spillFolder: Gives a folder for what exceeds a little memory, when one is needed.
  public init(
    spillFolder: @escaping @Sendable () throws -> String, cancellation: Cancellation = .never
  ) {
    self.spillFolder = spillFolder
    self.cancellation = cancellation
  }

  /// Merges segments.
  ///
  /// Words stay, with their IDs, even where no document has them any more: an ID is for ever. The
  /// new segment's sequence is the greatest.
  ///
  /// - Parameters:
  ///   - inputs: At least one, all of one tokenizer.
  ///   - path: Of the new segment; there must be no such file.
  ///   - wordsPath: Of the file of its words' IDs, likewise.
  /// - Throws: `OperatorError` `.duplicate` where two live documents have the same ID or key;
  ///   `.badSettings` where tokenizers differ; `.damaged`, `.unusable`, `.spill`; `Cancelled`.
  public func merge(
    _ inputs: [LiveSegment], to path: String, wordIDs wordsPath: String
  ) throws -> (segment: SegmentSummary, wordIDs: WordIDs) {
    let first = inputs[0].reader.summary
    guard inputs.allSatisfy({ $0.reader.summary.tokenizer == first.tokenizer }) else {
      throw OperatorError(
        .badSettings, "segments of different tokenizers cannot become one",
        advice: "rebuild the index with --full-refresh")
    }
    let spill = SpillFile("merge", directory: spillFolder)
    let documents = try MergedDocuments(inputs, spill, cancellation)
    let writer = try SegmentWriter(
      path: path, sequence: inputs.map(\.reader.summary.sequence).max()!,
      tokenizer: first.tokenizer)
    let words = WordIDWriter(spill)
    let runs = try inputs.enumerated().map { index, input in
      try SegmentRun(input.reader, input.wordIDs, documents.ordinals[index])
    }
    let merge = RunMerge(runs)
    try merge.write(to: writer.dictionary, ordinals: nil, check: cancellation.check) { run in
      try words.add((run as! SegmentRun).id)
    }
    let packed = try documents.pack(writer, cancellation)
    let summary = try writer.finish(
      packed, ids: documents.ids, tokens: documents.tokens, spill: spill)
    return (summary, try words.write(to: wordsPath, newWordCount: 0))
  }
}

/// The live documents of several segments.
private struct MergedDocuments {
  private let inputs: [LiveSegment]
  /// Of each input, of each of its documents: its place among all; `dropped` where it is dead.
  private(set) var ordinals: [[UInt32]]
  /// Less their places.
  let ids: NumberSpool
  let tokens: NumberSpool
  static let dropped = UInt32.max

  init(_ inputs: [LiveSegment], _ spill: SpillFile, _ cancellation: Cancellation) throws {
    self.inputs = inputs
    ids = NumberSpool(spill)
    tokens = NumberSpool(spill)
    ordinals = inputs.map {
      [UInt32](repeating: MergedDocuments.dropped, count: $0.reader.summary.documentCount)
    }
    var scans = inputs.map { LiveScan($0) }
    for index in scans.indices { try scans[index].advance() }
    var last: UInt32?
    while true {
      var first: Int?
      for index in scans.indices {
        guard let id = scans[index].id else { continue }
        if let known = first, scans[known].id! <= id { continue }
        first = index
      }
      guard let first, let id = scans[first].id else { break }
      guard last != id else {
        throw OperatorError(
          .duplicate, "two segments have a live document of the ID \(id)",
          at: Place(file: inputs[first].reader.bytes.name),
          advice: "rebuild the index with --full-refresh")
      }
      last = id
      let place = ids.count
      ordinals[first][scans[first].ordinal] = UInt32(place)
      try ids.append(Int64(id) - Int64(place))
      try tokens.append(scans[first].tokens)
      try scans[first].advance()
      if place & 0xFFFF == 0 { try cancellation.check() }
    }
  }

  /// Packs the documents in the order of their keys, behind the words.
  func pack(_ segment: SegmentWriter, _ cancellation: Cancellation) throws -> DocumentWriter {
    var writer = try segment.documents(count: ids.count)
    var scans = try inputs.indices.map { try DocumentScan(inputs[$0].reader, ordinals[$0]) }
    var last: [UInt8]?
    while true {
      var first: Int?
      for index in scans.indices where scans[index].entry != nil {
        if let known = first,
          !scans[index].entry!.key.lexicographicallyPrecedes(scans[known].entry!.key)
        {
          continue
        }
        first = index
      }
      guard let first, let entry = scans[first].entry else { break }
      if entry.key == last {
        throw OperatorError(
          .duplicate,
          "two segments have a live document of \(String(decoding: entry.key, as: UTF8.self))",
          at: Place(file: inputs[first].reader.bytes.name),
          advice: "rebuild the index with --full-refresh")
      }
      last = entry.key
      try writer.add(
        ordinal: Int(ordinals[first][entry.ordinal]), key: entry.key, size: entry.size,
        version: entry.version)
      try scans[first].advance()
      if scans[first].isAtBlockStart { try cancellation.check() }
    }
    try writer.finish()
    return writer
  }
}

/// The live documents of a segment in the order of their IDs.
private struct LiveScan {
  /// Of the document at hand; nil at the end.
  private(set) var id: UInt32?
  private(set) var tokens: Int64 = 0
  private(set) var ordinal = -1
  private var ids: ColumnScan
  private var counts: ColumnScan
  private var dead: ArraySlice<UInt32>

  /// Before the first.
  init(_ segment: LiveSegment) {
    ids = ColumnScan(segment.reader.ids)
    counts = ColumnScan(segment.reader.tokens)
    dead = segment.dead.ids[...]
  }

  mutating func advance() throws {
    while let difference = try ids.next(), let count = try counts.next() {
      ordinal += 1
      let next = UInt32(truncatingIfNeeded: difference + Int64(ordinal))
      while let first = dead.first, first < next { dead.removeFirst() }
      guard dead.first != next else { continue }
      (id, tokens) = (next, count)
      return
    }
    id = nil
  }
}

/// The live documents of a segment in the order of their keys.
private struct DocumentScan {
  private let reader: SegmentReader
  private let ordinals: [UInt32]
  private var block = 0
  private var entries: ArraySlice<SegmentReader.DocumentEntry> = []
  private(set) var isAtBlockStart = false

  init(_ reader: SegmentReader, _ ordinals: [UInt32]) throws {
    self.reader = reader
    self.ordinals = ordinals
    try settle()
  }

  var entry: SegmentReader.DocumentEntry? { entries.first }

  mutating func advance() throws {
    entries.removeFirst()
    try settle()
  }

  private mutating func settle() throws {
    isAtBlockStart = false
    while true {
      while let entry = entries.first, ordinals[entry.ordinal] == MergedDocuments.dropped {
        entries.removeFirst()
      }
      guard entries.isEmpty && block < reader.documentBlocks.count else { return }
      entries = try reader.documentBlock(block)[...]
      block += 1
      isAtBlockStart = true
    }
  }
}

/// The words of a segment, with the postings of its live documents.
private final class SegmentRun: WordRun {
  private let ids: WordIDs
  private let ordinals: [UInt32]
  private var scan: DictionaryScan
  private var text: UnsafeMutablePointer<UInt8>
  private var textByteCount = 0
  private var isAtEnd = false
  private var cursor: PostingCursor?
  private var last: UInt32 = 0

  init(_ reader: SegmentReader, _ ids: WordIDs, _ ordinals: [UInt32]) throws {
    guard ids.count == reader.summary.wordCount else {
      throw reader.bytes.damaged(
        "it has \(reader.summary.wordCount) words, but IDs for \(ids.count)")
    }
    self.ids = ids
    self.ordinals = ordinals
    scan = DictionaryScan(reader)
    text = .allocate(capacity: StoredWords.greatestByteCount)
    try advance()
  }

  deinit { text.deallocate() }

  /// The ID of the word at hand.
  var id: Int64 { ids[scan.local] }

  var word: UnsafeBufferPointer<UInt8>? {
    isAtEnd ? nil : UnsafeBufferPointer(start: text, count: textByteCount)
  }

  func advance() throws {
    isAtEnd = try !scan.next()
    if isAtEnd { return }
    textByteCount = scan.word.count
    text.update(from: scan.word, count: textByteCount)
    cursor = try PostingCursor(scan.list())
    last = 0
  }

  func readPostings(into out: UnsafeMutablePointer<UInt8>) throws -> Int {
    guard let cursor else { return 0 }
    var place = out
    while cursor.document != PostingCursor.end && place - out < 4096 - 16 {
      let ordinal = ordinals[Int(cursor.document)]
      if ordinal != MergedDocuments.dropped {
        putPosting(UInt64(ordinal - last), cursor.occurrences, to: &place)
        last = ordinal
      }
      try cursor.next()
    }
    return place - out
  }
}
