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
  /// - Parameter threads: How many share the blocks.
  /// - Returns: For each ID its document, or nil where the segment has none.
  public func documents(ids: [UInt32], threads: Int = 1) throws -> [StoredDocument?] {
    let ordinals = try ordinals(ofIDs: ids)
    var found = try documents(ordinals: ordinals.compactMap(\.self), threads: threads)
      .makeIterator()
    return ordinals.map { $0 == nil ? nil : found.next() }
  }

  /// A document by its file's key.
  public func document(key: String) throws -> StoredDocument? {
    try documents(keys: [key])[0]
  }

  /// Documents by their files' keys; each block of documents is read once.
  ///
  /// - Parameters:
  ///   - keys: Best in byte order.
  ///   - threads: How many share the blocks.
  /// - Returns: For each key its document, or nil where the segment has none.
  public func documents(keys: [String], threads: Int = 1) throws -> [StoredDocument?] {
    let keys = keys.map { Array($0.utf8) }
    func order(_ a: Int, _ b: Int) -> Int {
      keys[a].withUnsafeBufferPointer { a in
        keys[b].withUnsafeBufferPointer { b in
          compareBytes(a.start, a.count, b.start, b.count)
        }
      }
    }
    var places = Array(keys.indices)
    let isSorted = places.dropFirst().allSatisfy { order($0 - 1, $0) <= 0 }
    if !isSorted { places.sort { order($0, $1) < 0 } }
    return try inParts(places, threads) { part in
      try self.documents(part.map { keys[$0] })
    }
  }

  /// - Parameter keys: In byte order.
  private func documents(_ keys: [[UInt8]]) throws -> [StoredDocument?] {
    var found = [StoredDocument?](repeating: nil, count: keys.count)
    var next = keys.indices
    while let first = next.first {
      guard let block = documentBlocks.block(for: keys[first]) else {
        next.removeFirst()
        continue
      }
      // Those up to the next block's first key are in this one, or nowhere.
      let end = next.first { documentBlocks.block(for: keys[$0]) != block } ?? next.upperBound
      var wanted = first..<end
      next = end..<next.upperBound
      try forEachDocument(inBlock: block) { entry in
        while let place = wanted.first {
          let order = keys[place].withUnsafeBufferPointer {
            compareBytes($0.start, $0.count, entry.key.start, entry.key.count)
          }
          guard order <= 0 else { return }
          if order == 0 { found[place] = try stored(entry) }
          wanted.removeFirst()
        }
      }
    }
    return found
  }

  /// Finds what lies in many blocks, on several threads where it is worth it.
  ///
  /// - Parameters:
  ///   - order: What is looked for, in the order of the blocks.
  ///   - find: Gives what it finds for each of a part of these.
  /// - Returns: What was found for each, by its number.
  private func inParts<Found: Sendable>(
    _ order: [Int], _ threads: Int, _ find: @escaping @Sendable (ArraySlice<Int>) throws -> [Found?]
  ) throws -> [Found?] {
    let count = order.count < 256 ? 1 : max(1, threads)
    let parts = (0..<count).map { part in
      order[order.count * part / count..<order.count * (part + 1) / count]
    }
    let results = try concurrently(parts, limit: count) { try find($0) }.map { try $0.get() }
    var found = [Found?](repeating: nil, count: order.count)
    for (number, result) in zip(order, results.joined()) { found[number] = result }
    return found
  }

  /// Which of these IDs the segment has documents of, dead or not.
  public func holds(ids: [UInt32]) throws -> [Bool] { try ordinals(ofIDs: ids).map { $0 != nil } }

  /// The place of a document in the order of IDs.
  func ordinal(ofID id: UInt32) throws -> Int? { try ordinals(ofIDs: [id])[0] }

  /// The places of documents in the order of IDs; nil where the segment has none of that ID.
  func ordinals(ofIDs ids: [UInt32]) throws -> [Int?] {
    var column = ColumnLookup(self.ids)
    return try ids.map { id in
      var (low, high) = (0, summary.documentCount)
      while low < high {
        // Without gaps the first guess is right, and no page is read.
        let middle =
          column.form.width == 0
          ? max(low, min(high - 1, Int(Int64(id) - column.form.base))) : (low + high) / 2
        let found = UInt32(truncatingIfNeeded: try column(middle) + Int64(middle))
        if found == id { return middle }
        if found < id { low = middle + 1 } else { high = middle }
      }
      return nil
    }
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
  func documents(ordinals: [Int], threads: Int = 1) throws -> [StoredDocument] {
    var places = ColumnLookup(places)
    let wanted = try ordinals.map { Int(try places($0)) }
    let order = wanted.indices.sorted { wanted[$0] < wanted[$1] }
    return try inParts(order, threads) { part in
      try self.documents(places: part.map { wanted[$0] })
    }.map { document in
      guard let document else { throw bytes.damaged("its order of keys makes no sense") }
      return document
    }
  }

  /// - Parameter places: In the order of keys, ascending.
  private func documents(places: [Int]) throws -> [StoredDocument?] {
    let entryCount = SegmentFrame.documentsInBlock
    var found = [StoredDocument?](repeating: nil, count: places.count)
    var next = places.indices
    while let first = next.first {
      let block = places[first] / entryCount
      guard documentBlocks.blocks.indices.contains(block) else { break }
      var place = block * entryCount
      try forEachDocument(inBlock: block) { entry in
        while let index = next.first, places[index] == place {
          found[index] = try stored(entry)
          next.removeFirst()
        }
        place += 1
      }
      // A block that is shorter than it should be.
      if next.first == first { break }
    }
    return found
  }

  /// A document as its block has it, for as long as it is visited.
  struct DocumentView {
    let key: UnsafeBufferPointer<UInt8>
    let ordinal: Int
    let size: Int64
    let version: UnsafeBufferPointer<UInt8>
  }

  /// A document as its block has it.
  struct DocumentEntry {
    var key: [UInt8]
    var ordinal: Int
    var size: Int64
    var version: [UInt8]
  }

  private func stored(_ entry: DocumentView) throws -> StoredDocument {
    StoredDocument(
      id: try id(ofOrdinal: entry.ordinal), key: String(decoding: entry.key, as: UTF8.self),
      size: entry.size, version: String(decoding: entry.version, as: UTF8.self),
      tokens: try tokens(entry.ordinal))
  }

  /// All documents of a block, in the order of their keys.
  func documentBlock(_ index: Int) throws -> [DocumentEntry] {
    var entries: [DocumentEntry] = []
    entries.reserveCapacity(SegmentFrame.documentsInBlock)
    try forEachDocument(inBlock: index) { entry in
      entries.append(
        DocumentEntry(
          key: Array(entry.key), ordinal: entry.ordinal, size: entry.size,
          version: Array(entry.version)))
    }
    return entries
  }

  /// Visits the documents of a block, in the order of their keys. What is not kept of an entry costs
  /// no memory.
  @inline(__always)
  func forEachDocument(inBlock index: Int, _ visit: (DocumentView) throws -> Void) throws {
    let part = try documents(inBlock: index)
    defer { withExtendedLifetime(part) {} }
    try part.bytes.withMemoryRebound(to: UInt8.self) { block in
      // No text is longer than all of the block, of which it is made up, but for a size.
      let capacity = 2 * block.count + ExpectedVersion.moreByteCount
      try withUnsafeTemporaryAllocation(of: UInt8.self, capacity: capacity) { room in
        var place = block.start
        let end = place + block.count
        var key = SharedText(room.baseAddress!)
        var version = ExpectedVersion(room.baseAddress! + block.count)
        var count = 0
        while place < end {
          count += 1
          guard count <= SegmentFrame.documentsInBlock, key.read(&place, end: end),
            let ordinal = readVarint(&place, end: end), ordinal < UInt64(summary.documentCount),
            let size = readVarint(&place, end: end)
          else { throw damagedDocuments }
          version.expect(size: format >= 2 ? Int64(bitPattern: size) : -1)
          guard let common = readVarint(&place, end: end),
            common <= UInt64(version.bytes.count),
            let more = readVarint(&place, end: end), more <= UInt64(end - place)
          else { throw damagedDocuments }
          version.take(place, Int(more), after: Int(common))
          place += Int(more)
          try visit(
            DocumentView(
              key: key.bytes, ordinal: Int(ordinal), size: Int64(bitPattern: size),
              version: version.bytes))
        }
      }
    }
  }

  private func documents(inBlock index: Int) throws -> SegmentPart {
    let block = documentBlocks.blocks[index]
    let part = try read(block.offset, block.byteCount, checksum: block.checksum)
    if format >= 2 { return part }
    do { return SegmentPart(try zstdUnpacked(part.bytes)) } catch { throw damagedDocuments }
  }

  private var damagedDocuments: OperatorError {
    bytes.damaged("a block of documents makes no sense")
  }
}

/// A text that begins as the one before it in its block.
private struct SharedText {
  private let start: UnsafeMutablePointer<UInt8>
  private var count = 0

  init(_ start: UnsafeMutablePointer<UInt8>) { self.start = start }

  var bytes: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(start: start, count: count) }

  /// What it shares with the one before stays as it is.
  ///
  /// - Returns: False where that makes no sense.
  @inline(__always)
  mutating func read(_ place: inout UnsafePointer<UInt8>, end: UnsafePointer<UInt8>) -> Bool {
    guard let common = readVarint(&place, end: end), common <= UInt64(count),
      let more = readVarint(&place, end: end), more <= UInt64(end - place)
    else { return false }
    (start + Int(common)).update(from: place, count: Int(more))
    count = Int(common) + Int(more)
    place += Int(more)
    return true
  }
}
