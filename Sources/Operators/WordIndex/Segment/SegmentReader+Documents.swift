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
      for entry in try documentBlock(block) where wanted.contains(entry.key) {
        found[entry.key] = try stored(entry)
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

  func id(ofOrdinal ordinal: Int) throws -> UInt32 {
    UInt32(truncatingIfNeeded: try ids(ordinal) + Int64(ordinal))
  }

  /// Documents by their places in the order of IDs; each block of documents is read once.
  func documents(ordinals: [Int]) throws -> [StoredDocument] {
    let entryCount = SegmentFrame.documentsInBlock
    let wanted = try ordinals.map { Int(try places($0)) }
    var found: [Int: StoredDocument] = [:]
    for (block, places) in Dictionary(grouping: wanted, by: { $0 / entryCount }) {
      let entries = try documentBlock(block)
      for place in places {
        guard place % entryCount < entries.count else {
          throw bytes.damaged("its order of keys makes no sense")
        }
        found[place] = try stored(entries[place % entryCount])
      }
    }
    return wanted.map { found[$0]! }
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
    let block = documentBlocks.blocks[index]
    let part = try read(block.offset, block.byteCount, checksum: block.checksum)
    // Made where it is thrown: that costs more than reading the block.
    var failure: OperatorError { bytes.damaged("a block of documents makes no sense") }
    let unpacked: [UInt8]
    do { unpacked = try zstdUnpacked(part.bytes) } catch { throw failure }
    var entries: [DocumentEntry] = []
    entries.reserveCapacity(SegmentFrame.documentsInBlock)
    try unpacked.withUnsafeBufferPointer { unpacked in
      var place = unpacked.start
      let end = place + unpacked.count
      func number() throws -> UInt64 {
        guard let value = readVarint(&place, end: end) else { throw failure }
        return value
      }
      func shared(with other: [UInt8]) throws -> [UInt8] {
        let (common, more) = (try number(), try number())
        guard common <= UInt64(other.count), more <= UInt64(end - place) else { throw failure }
        var bytes = Array(other[..<Int(common)])
        bytes.append(contentsOf: UnsafeBufferPointer(start: place, count: Int(more)))
        place += Int(more)
        return bytes
      }
      var (key, version): ([UInt8], [UInt8]) = ([], [])
      while place < end {
        key = try shared(with: key)
        let ordinal = try number()
        let size = Int64(bitPattern: try number())
        version = try shared(with: version)
        guard ordinal < UInt64(summary.documentCount) else { throw failure }
        entries.append(
          DocumentEntry(key: key, ordinal: Int(ordinal), size: size, version: version))
      }
    }
    return entries
  }
}
