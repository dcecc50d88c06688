import Core
import Kernels

/// The documents of a segment, made up in memory: blocks of 128 in the order of their keys, and
/// three arrays in the order of their IDs.
struct DocumentWriter {
  private(set) var blocks: [UInt8] = []
  /// Of each block: its bytes, its checksum, its first key.
  private(set) var index: [UInt8] = []
  /// Of the arrays' pages, in the order in which they are in the file.
  private(set) var pageChecksums: [UInt8] = []
  /// Of each document in the order of IDs: its place in the order of keys.
  private var places: [Int64]
  private var block: [UInt8] = []
  private var inBlock = 0
  private var count = 0
  private var key: [UInt8] = []
  private var version: [UInt8] = []
  private var firstKey: [UInt8] = []
  private var lastFirstKey: [UInt8] = []

  /// - Parameter count: How many documents there will be.
  init(count: Int) { places = Array(repeating: 0, count: count) }

  /// Adds the document with the next key.
  ///
  /// - Parameter ordinal: Its place in the order of IDs.
  mutating func add(ordinal: Int, key nextKey: [UInt8], size: Int64, version nextVersion: [UInt8]) {
    if inBlock == 0 {
      (key, version, firstKey) = ([], [], nextKey)
    }
    appendSharing(nextKey, with: key, to: &block)
    appendVarint(UInt64(ordinal), to: &block)
    appendVarint(UInt64(bitPattern: size), to: &block)
    appendSharing(nextVersion, with: version, to: &block)
    (key, version) = (nextKey, nextVersion)
    places[ordinal] = Int64(count)
    count += 1
    inBlock += 1
    if inBlock == SegmentFrame.documentsInBlock { endBlock() }
  }

  /// Ends the last block.
  mutating func finish() {
    if inBlock > 0 { endBlock() }
  }

  private mutating func endBlock() {
    let packed = zstdCompressed(block, level: 1)
    var checksum = CRC32C()
    packed.withUnsafeBytes { checksum.update($0) }
    appendVarint(UInt64(packed.count), to: &index)
    withUnsafeBytes(of: checksum.value.littleEndian) { index += $0 }
    appendSharing(firstKey, with: lastFirstKey, to: &index)
    lastFirstKey = firstKey
    blocks += packed
    block.removeAll(keepingCapacity: true)
    inBlock = 0
  }

  /// Writes all of it.
  ///
  /// - Parameters:
  ///   - ids: Ascending.
  ///   - tokens: In the order of IDs.
  /// - Returns: The footer's members.
  mutating func write(to file: SegmentFile, ids: [UInt32], tokens: [Int64]) throws -> [JSON.Member]
  {
    let start = file.offset
    try file.write(blocks)
    let columns: [(String, (PackedNumbers, [UInt8]))] = [
      ("ids", PackedNumbers.pack(ids.enumerated().map { Int64($1) - Int64($0) })),
      ("tokens", PackedNumbers.pack(tokens)),
      ("places", PackedNumbers.pack(places)),
    ]
    var members: [JSON.Member] = [.init("documents_offset", .integer(start))]
    for (name, (form, bytes)) in columns {
      pageChecksums += form.checksums(in: bytes)
      guard case .object(let json) = form.json else { preconditionFailure("an object") }
      members.append(.init(name, .object([.init("offset", .integer(file.offset))] + json)))
      try file.write(bytes)
    }
    return members
  }
}
