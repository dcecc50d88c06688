import Core
import Kernels
import Lake
import Operators
import Stores
import Synchronization

/// Opens the segments of an index: those of a lake on this machine are mapped, others are read by
/// range. What has been opened once stays open.
final class OpenIndex: Sendable {
  let index: IndexStore
  private let cache: ObjectCache?
  private let opened = Mutex<[String: Parts]>([:])

  private struct Parts {
    var reader: SegmentReader
    var wordIDs: WordIDs?
  }

  /// - Parameter cache: Of who goes through whole segments: takes what is large and not on this
  ///   machine. Who searches needs none.
  init(_ index: IndexStore, cache: ObjectCache? = nil) {
    self.index = index
    self.cache = cache
  }

  /// The segment, and which of its documents count no more.
  ///
  /// - Throws: `LakeError` `.missing`, `.damaged`; `OperatorError` `.damaged`.
  func live(_ segment: IndexManifest.Segment) throws -> LiveSegment {
    LiveSegment(
      reader: try reader(segment), wordIDs: try wordIDs(segment), dead: try dead(segment))
  }

  /// The same for searching, which asks for no IDs of words.
  func searchable(_ segment: IndexManifest.Segment) throws -> LiveSegment {
    LiveSegment(reader: try reader(segment), wordIDs: .none, dead: try dead(segment))
  }

  /// Takes in a segment that is on this machine already.
  func insert(_ name: String, _ reader: SegmentReader, _ wordIDs: WordIDs) {
    opened.withLock { $0[name] = Parts(reader: reader, wordIDs: wordIDs) }
  }

  func reader(_ segment: IndexManifest.Segment) throws -> SegmentReader {
    if let parts = opened.withLock({ $0[segment.name] }) { return parts.reader }
    let key = LakeLayout.indexFile(index.id, segment.file.name)
    let name = index.store.uri(key)
    let reader: SegmentReader
    if let path = index.store.localPath(key) {
      reader = try SegmentReader(MappedSegment(path: path, name: name))
    } else {
      reader = try SegmentReader(
        StoredSegment(
          index.store, key, byteCount: segment.file.byteCount,
          keptBlockCount: cache == nil ? 512 : 16))
    }
    guard reader.summary.checksum == segment.checksum else {
      throw LakeError(
        .damaged, "the segment is not the one that the index names",
        at: Place(file: name, model: index.id.description), advice: IndexStore.advice)
    }
    return opened.withLock { opened in
      // Two threads may have opened it: what one of them has found out of it is for both.
      if let parts = opened[segment.name] { return parts.reader }
      opened[segment.name] = Parts(reader: reader, wordIDs: nil)
      return reader
    }
  }

  func wordIDs(_ segment: IndexManifest.Segment) throws -> WordIDs {
    if let ids = opened.withLock({ $0[segment.name]?.wordIDs }) { return ids }
    let name = place(segment.wordIDs).file ?? ""
    let ids: WordIDs
    if let path = index.store.localPath(LakeLayout.indexFile(index.id, segment.wordIDs.name)) {
      _ = try index.object(segment.wordIDs)
      ids = try WordIDs(path: path, name: name)
    } else if let cache {
      // Once it is mapped, it may go from the cache.
      let copy = try cache.fetch(index.object(segment.wordIDs), from: index.store)
      ids = try withExtendedLifetime(copy) { try WordIDs(path: copy.path, name: name) }
    } else {
      ids = try WordIDs(bytes: index.get(segment.wordIDs), name: name)
    }
    try expect(ids.checksum, segment.wordIDs)
    opened.withLock { $0[segment.name]?.wordIDs = ids }
    return ids
  }

  func dead(_ segment: IndexManifest.Segment) throws -> DeadDocuments {
    guard let file = segment.dead else { return DeadDocuments() }
    let bytes = try index.get(file)
    var checksum = CRC32C()
    bytes.withUnsafeBytes { checksum.update($0) }
    let dead = try DeadDocuments(bytes: bytes, name: place(file).file ?? "")
    try expect(checksum.value, file)
    return dead
  }

  private func place(_ file: IndexManifest.File) -> Place {
    Place(
      file: index.store.uri(LakeLayout.indexFile(index.id, file.name)),
      model: index.id.description)
  }

  private func expect(_ checksum: UInt32, _ file: IndexManifest.File) throws {
    guard file.checksum == nil || file.checksum == checksum else {
      throw LakeError(
        .damaged, "the file is not the one that the index names", at: place(file),
        advice: IndexStore.advice)
    }
  }
}

/// A segment in an object store, read by range in blocks, of which the newest are kept.
///
/// A search takes a few small reads that lie close together; asking a store for a little more at a
/// time costs nothing beside the way there.
final class StoredSegment: SegmentBytes {
  let name: String
  let byteCount: Int64
  let isStable = false
  private let store: any Store
  private let key: String
  private let kept = Mutex(Kept())
  private static let blockByteCount: Int64 = 128 << 10
  private let keptBlockCount: Int

  private struct Kept {
    var blocks: [Int64: (bytes: [UInt8], use: Int)] = [:]
    var clock = 0
  }

  /// - Parameter keptBlockCount: The most blocks that stay in memory.
  init(_ store: any Store, _ key: String, byteCount: Int64, keptBlockCount: Int = 512) {
    self.keptBlockCount = keptBlockCount
    self.store = store
    self.key = key
    self.byteCount = byteCount
    name = store.uri(key)
  }

  func read(_ range: Range<Int64>) throws -> SegmentPart {
    let first = range.lowerBound / StoredSegment.blockByteCount
    let last = max(first, (range.upperBound - 1) / StoredSegment.blockByteCount)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(range.count)
    for (block, content) in try blocks(first...last) {
      let start = block * StoredSegment.blockByteCount
      let part = range.clamped(to: start..<start + Int64(content.count))
      bytes += content[Int(part.lowerBound - start)..<Int(part.upperBound - start)]
    }
    guard bytes.count == range.count else {
      throw LakeError(
        .damaged, "the segment ends early", at: Place(file: name), advice: IndexStore.advice)
    }
    return SegmentPart(bytes)
  }

  /// The blocks, those that are not here yet fetched in one piece for each gap.
  private func blocks(_ wanted: ClosedRange<Int64>) throws -> [(Int64, [UInt8])] {
    var found = kept.withLock { kept in
      kept.clock += 1
      var found: [Int64: [UInt8]] = [:]
      for block in wanted {
        guard let bytes = kept.blocks[block]?.bytes else { continue }
        kept.blocks[block]!.use = kept.clock
        found[block] = bytes
      }
      return found
    }
    var block = wanted.lowerBound
    while block <= wanted.upperBound {
      guard found[block] == nil else {
        block += 1
        continue
      }
      var end = block
      while end < wanted.upperBound && found[end + 1] == nil { end += 1 }
      for (number, bytes) in try fetch(block...end) { found[number] = bytes }
      block = end + 1
    }
    return wanted.map { ($0, found[$0] ?? []) }
  }

  private func fetch(_ wanted: ClosedRange<Int64>) throws -> [(Int64, [UInt8])] {
    let size = StoredSegment.blockByteCount
    let start = wanted.lowerBound * size
    let range = start..<min(byteCount, (wanted.upperBound + 1) * size)
    guard !range.isEmpty else { return [] }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(range.count)
    _ = try store.read(key, range: range, ifMatch: nil, cancellation: .never) {
      bytes.append(contentsOf: $0)
    }
    let fresh = wanted.map { block -> (Int64, [UInt8]) in
      let from = min(bytes.count, Int(block * size - start))
      return (block, Array(bytes[from..<min(bytes.count, from + Int(size))]))
    }
    kept.withLock { kept in
      for (block, bytes) in fresh { kept.blocks[block] = (bytes, kept.clock) }
      guard kept.blocks.count > keptBlockCount else { return }
      let oldest = kept.blocks.sorted { $0.value.use < $1.value.use }
      for (block, _) in oldest.prefix(kept.blocks.count - keptBlockCount / 2) {
        kept.blocks[block] = nil
      }
    }
    return fresh
  }
}
