import Core
import Kernels

/// Makes one segment of several: without their dead documents, with all of their words.
public struct SegmentMerger: Sendable {
  private let cancellation: Cancellation

  public init(cancellation: Cancellation = .never) { self.cancellation = cancellation }

  /// Merges segments.
  ///
  /// Words stay, with their IDs, even where no document has them any more: an ID is for ever. The
  /// new segment's sequence is the greatest.
  ///
  /// - Parameters:
  ///   - inputs: At least one, all of one tokenizer.
  ///   - path: Of the new segment; there must be no such file.
  /// - Throws: `OperatorError` `.duplicate` where two live documents have the same ID or key;
  ///   `.badSettings` where tokenizers differ; `.damaged`, `.unusable`; `Cancelled`.
  public func merge(
    _ inputs: [LiveSegment], to path: String
  ) throws -> (segment: SegmentSummary, wordIDs: WordIDs) {
    let first = inputs[0].reader.summary
    guard inputs.allSatisfy({ $0.reader.summary.tokenizer == first.tokenizer }) else {
      throw OperatorError(
        .badSettings, "segments of different tokenizers cannot become one",
        advice: "rebuild the index with --full-refresh")
    }
    let documents = try MergedDocuments(inputs)
    let writer = try SegmentWriter(
      path: path, sequence: inputs.map(\.reader.summary.sequence).max()!,
      tokenizer: first.tokenizer)
    var ids: [Int64] = []
    let runs = try inputs.enumerated().map { index, input in
      try SegmentRun(input.reader, input.wordIDs, documents.ordinals[index])
    }
    let merge = RunMerge(runs)
    try merge.write(to: writer.dictionary, ordinals: nil, check: cancellation.check) { run in
      ids.append((run as! SegmentRun).id)
    }
    let packed = try documents.packed(cancellation)
    let summary = try writer.finish(packed, ids: documents.ids, tokens: documents.tokens)
    return (summary, WordIDs(ids, newWordCount: 0))
  }
}

/// The live documents of several segments.
private struct MergedDocuments {
  private let inputs: [LiveSegment]
  /// Of each input, of each of its documents: its place among all; `dropped` where it is dead.
  private(set) var ordinals: [[UInt32]]
  private(set) var ids: [UInt32] = []
  private(set) var tokens: [Int64] = []
  static let dropped = UInt32.max

  init(_ inputs: [LiveSegment]) throws {
    self.inputs = inputs
    var live: [(id: UInt32, input: Int, ordinal: Int)] = []
    var counts: [[Int64]] = []
    for (index, input) in inputs.enumerated() {
      let reader = input.reader
      var ordinal = 0
      var dead = input.dead.ids[...]
      try reader.ids.forEach(in: 0..<reader.summary.documentCount) { difference in
        let id = UInt32(truncatingIfNeeded: difference + Int64(ordinal))
        while let next = dead.first, next < id { dead.removeFirst() }
        if dead.first != id { live.append((id, index, ordinal)) }
        ordinal += 1
      }
      var tokens: [Int64] = []
      try reader.tokens.forEach(in: 0..<reader.summary.documentCount) { tokens.append($0) }
      counts.append(tokens)
    }
    live.sort { $0.id < $1.id }
    ordinals = inputs.map {
      [UInt32](repeating: MergedDocuments.dropped, count: $0.reader.summary.documentCount)
    }
    for (place, document) in live.enumerated() {
      if place > 0 && live[place - 1].id == document.id {
        throw OperatorError(
          .duplicate, "two segments have a live document of the ID \(document.id)",
          at: Place(file: inputs[document.input].reader.bytes.name),
          advice: "rebuild the index with --full-refresh")
      }
      ordinals[document.input][document.ordinal] = UInt32(place)
      ids.append(document.id)
      tokens.append(counts[document.input][document.ordinal])
    }
  }

  /// Packs the documents in the order of their keys.
  func packed(_ cancellation: Cancellation) throws -> DocumentWriter {
    var writer = DocumentWriter(count: ids.count)
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
      writer.add(
        ordinal: Int(ordinals[first][entry.ordinal]), key: entry.key, size: entry.size,
        version: entry.version)
      try scans[first].advance()
      if scans[first].isAtBlockStart { try cancellation.check() }
    }
    writer.finish()
    return writer
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
    text = .allocate(capacity: 4 * TokenizerSettings.greatestMaximumLength)
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
