import Core
import Kernels

/// The documents of a segment: blocks of 128 in the order of their keys, and three arrays in the
/// order of their IDs.
struct DocumentWriter {
  /// Where blocks go as they come.
  private let file: SegmentFile?
  /// Those that wait for the words to be written.
  private var blocks: [UInt8] = []
  /// Where the first block is; nil while that is not known.
  private var start: Int64?
  /// Of each block: its bytes, its checksum, its first key.
  private(set) var index: [UInt8] = []
  /// Of the arrays' pages, in the order in which they are in the file.
  private(set) var pageChecksums: [UInt8] = []
  /// Of each document in the order of IDs: its place in the order of keys.
  private var places: [UInt32]
  private var block: [UInt8] = []
  private var inBlock = 0
  private var count = 0
  private var key: [UInt8] = []
  private var version: ExpectedVersion
  private var versionRoom = Room(256)
  private let format: Int64
  private var firstKey: [UInt8] = []
  private var lastFirstKey: [UInt8] = []

  /// Memory for a version.
  private final class Room {
    let start: UnsafeMutablePointer<UInt8>
    let count: Int

    init(_ count: Int) {
      self.count = count
      start = .allocate(capacity: count)
    }

    deinit { start.deallocate() }
  }

  /// Four bytes of memory for each document.
  ///
  /// - Parameters:
  ///   - count: How many documents there will be.
  ///   - file: Takes the blocks as they come, behind the last words; else they are kept in memory.
  ///   - format: The segment's.
  init(count: Int, file: SegmentFile? = nil, format: Int64 = SegmentFrame.format) {
    places = Array(repeating: 0, count: count)
    self.file = file
    self.format = format
    start = file?.offset
    version = ExpectedVersion(versionRoom.start)
  }

  /// Adds the document with the next key.
  ///
  /// - Parameter ordinal: Its place in the order of IDs.
  mutating func add(
    ordinal: Int, key nextKey: [UInt8], size: Int64, version nextVersion: [UInt8]
  ) throws {
    if inBlock == 0 {
      (key, firstKey) = ([], nextKey)
      version = ExpectedVersion(versionRoom.start)
    }
    appendSharing(nextKey, with: key, to: &block)
    appendVarint(UInt64(ordinal), to: &block)
    appendVarint(UInt64(bitPattern: size), to: &block)
    append(version: nextVersion, size: size)
    key = nextKey
    places[ordinal] = UInt32(count)
    count += 1
    inBlock += 1
    if inBlock == SegmentFrame.documentsInBlock { try endBlock() }
  }

  private mutating func append(version next: [UInt8], size: Int64) {
    let byteCount = max(next.count, version.bytes.count) + ExpectedVersion.moreByteCount
    if byteCount > versionRoom.count {
      let room = Room(2 * byteCount)
      version.move(to: room.start)
      versionRoom = room
    }
    version.expect(size: format >= 2 ? size : -1)
    next.withUnsafeBufferPointer { next in
      let expected = version.bytes
      let common = commonPrefix(expected.start, expected.count, next.start, next.count)
      let more = next.count - common
      appendVarint(UInt64(common), to: &block)
      appendVarint(UInt64(more), to: &block)
      block += UnsafeBufferPointer(start: next.start + common, count: more)
      version.take(next.start + common, more, after: common)
    }
  }

  /// Ends the last block.
  mutating func finish() throws {
    if inBlock > 0 { try endBlock() }
  }

  private mutating func endBlock() throws {
    // Unpacking would take longer than all else that is done with a block.
    let stored = format >= 2 ? block : zstdCompressed(block, level: 1)
    var checksum = CRC32C()
    stored.withUnsafeBytes { checksum.update($0) }
    appendVarint(UInt64(stored.count), to: &index)
    withUnsafeBytes(of: checksum.value.littleEndian) { index += $0 }
    appendSharing(firstKey, with: lastFirstKey, to: &index)
    lastFirstKey = firstKey
    if let file { try file.write(stored) } else { blocks += stored }
    block.removeAll(keepingCapacity: true)
    inBlock = 0
  }

  /// Writes what is not written yet.
  ///
  /// - Parameters:
  ///   - ids: Ascending, each less its place.
  ///   - tokens: In the order of IDs.
  ///   - spill: For what does not fit in memory.
  /// - Returns: The footer's members.
  mutating func write(
    to file: SegmentFile, ids: NumberSpool, tokens: NumberSpool, spill: SpillFile
  ) throws -> [JSON.Member] {
    let start = start ?? file.offset
    try file.write(blocks)
    blocks = []
    let places = try NumberSpool(places.lazy.map { Int64($0) }, spill)
    var members: [JSON.Member] = [.init("documents_offset", .integer(start))]
    for (name, numbers) in [("ids", ids), ("tokens", tokens), ("places", places)] {
      guard case .object(let form) = numbers.form.json else { preconditionFailure("an object") }
      members.append(.init(name, .object([.init("offset", .integer(file.offset))] + form)))
      pageChecksums += try numbers.pack { try file.write($0) }
    }
    return members
  }
}
