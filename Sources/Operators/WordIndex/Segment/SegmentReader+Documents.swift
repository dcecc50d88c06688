import Core
import Kernels

extension SegmentReader {
  /// A document by its ID.
  ///
  /// - Returns: Nil where the segment has none of that ID.
  /// - Complexity: A page of each array and a block of documents are read, and some pages of IDs
  ///   where these have gaps.
  public func document(id: UInt32) throws -> StoredDocument? {
    guard let ordinal = try ordinal(ofID: id) else { return nil }
    return try documents(ordinals: [ordinal])[0]
  }

  /// Documents by their IDs; each block of documents is read once.
  ///
  /// - Returns: For each ID its document, or nil where the segment has none.
  public func documents(ids: [UInt32]) throws -> [StoredDocument?] {
    let ordinals = try ids.map { try ordinal(ofID: $0) }
    var found = try documents(ordinals: ordinals.compactMap(\.self)).makeIterator()
    return ordinals.map { $0 == nil ? nil : found.next() }
  }

  /// A document by its file's key.
  public func document(key: String) throws -> StoredDocument? {
    try documents(keys: [key])[0]
  }

  /// Documents by their files' keys; each block of documents is read once.
  ///
  /// - Returns: For each key its document, or nil where the segment has none.
  public func documents(keys: [String]) throws -> [StoredDocument?] {
    var found: [[UInt8]: StoredDocument] = [:]
    let keys = keys.map { Array($0.utf8) }
    var wanted: [Int: Set<[UInt8]>] = [:]
    for key in keys {
      if let block = documentBlocks.block(for: key) { wanted[block, default: []].insert(key) }
    }
    for (block, wanted) in wanted {
      try forEachDocument(inBlock: block) { entry in
        if wanted.contains(entry.key) { found[entry.key] = try stored(entry) }
      }
    }
    return keys.map { found[$0] }
  }

  /// The place of a document in the order of IDs.
  func ordinal(ofID id: UInt32) throws -> Int? {
    var (low, high) = (0, summary.documentCount)
    while low < high {
      // Without gaps the first guess is right, and no page is read.
      let middle =
        ids.form.width == 0
        ? max(low, min(high - 1, Int(Int64(id) - ids.form.base))) : (low + high) / 2
      let found = try self.id(ofOrdinal: middle)
      if found == id { return middle }
      if found < id { low = middle + 1 } else { high = middle }
    }
    return nil
  }

  /// The IDs of all documents, ascending.
  public func documentIDs() throws -> [UInt32] {
    var documents: [UInt32] = []
    documents.reserveCapacity(summary.documentCount)
    try ids.forEach(in: 0..<summary.documentCount) {
      documents.append(UInt32(truncatingIfNeeded: $0 + Int64(documents.count)))
    }
    return documents
  }

  func id(ofOrdinal ordinal: Int) throws -> UInt32 {
    UInt32(truncatingIfNeeded: try ids(ordinal) + Int64(ordinal))
  }

  /// Documents by their places in the order of IDs; each block of documents is read once.
  func documents(ordinals: [Int]) throws -> [StoredDocument] {
    let entryCount = SegmentFrame.documentsInBlock
    let wanted = try ordinals.map { Int(try places($0)) }
    var found: [Int: StoredDocument] = [:]
    for (block, places) in Dictionary(grouping: wanted, by: { $0 / entryCount }) {
      let wanted = Set(places)
      var place = block * entryCount
      try forEachDocument(inBlock: block) { entry in
        if wanted.contains(place) { found[place] = try stored(entry) }
        place += 1
      }
    }
    return try wanted.map { place in
      guard let document = found[place] else {
        throw bytes.damaged("its order of keys makes no sense")
      }
      return document
    }
  }

  /// A document as its block has it.
  struct DocumentEntry {
    var key: [UInt8]
    var ordinal: Int
    var size: Int64
    var version: [UInt8]
  }

  private func stored(_ entry: DocumentEntry) throws -> StoredDocument {
    StoredDocument(
      id: try id(ofOrdinal: entry.ordinal), key: String(decoding: entry.key, as: UTF8.self),
      size: entry.size, version: String(decoding: entry.version, as: UTF8.self),
      tokens: try tokens(entry.ordinal))
  }

  /// All documents of a block, in the order of their keys.
  func documentBlock(_ index: Int) throws -> [DocumentEntry] {
    var entries: [DocumentEntry] = []
    entries.reserveCapacity(SegmentFrame.documentsInBlock)
    try forEachDocument(inBlock: index) { entries.append($0) }
    return entries
  }

  /// Visits the documents of a block, in the order of their keys. What is not kept of an entry costs
  /// no memory.
  func forEachDocument(inBlock index: Int, _ visit: (DocumentEntry) throws -> Void) throws {
    let block = documentBlocks.blocks[index]
    let part = try read(block.offset, block.byteCount, checksum: block.checksum)
    // Made where it is thrown: that costs more than reading the block.
    var failure: OperatorError { bytes.damaged("a block of documents makes no sense") }
    let unpacked: [UInt8]
    do { unpacked = try zstdUnpacked(part.bytes) } catch { throw failure }
    try unpacked.withUnsafeBufferPointer { unpacked in
      var place = unpacked.start
      let end = place + unpacked.count
      func number() throws -> UInt64 {
        guard let value = readVarint(&place, end: end) else { throw failure }
        return value
      }
      /// What it shares with the one before stays as it is.
      func read(_ text: inout [UInt8]) throws {
        let (common, more) = (try number(), try number())
        guard common <= UInt64(text.count), more <= UInt64(end - place) else { throw failure }
        text.removeLast(text.count - Int(common))
        text.append(contentsOf: UnsafeBufferPointer(start: place, count: Int(more)))
        place += Int(more)
      }
      var entry = DocumentEntry(key: [], ordinal: 0, size: 0, version: [])
      while place < end {
        try read(&entry.key)
        let ordinal = try number()
        entry.size = Int64(bitPattern: try number())
        try read(&entry.version)
        guard ordinal < UInt64(summary.documentCount) else { throw failure }
        entry.ordinal = Int(ordinal)
        try visit(entry)
      }
    }
  }
}
