import Core
import Kernels

/// Documents of one segment that do not count any more, by their IDs: a small file beside it.
public struct DeadDocuments: Sendable, Hashable {
  /// Ascending.
  public let ids: [UInt32]

  private static let magic = Array("SLUICEDD".utf8)
  private static let format: UInt8 = 1

  /// None.
  public init() { ids = [] }

  /// Those with these IDs, in any order.
  public init(_ ids: [UInt32]) {
    var last: UInt32?
    self.ids = ids.sorted().filter { id in
      defer { last = id }
      return id != last
    }
  }

  private init(sorted ids: [UInt32]) { self.ids = ids }

  public var count: Int { ids.count }

  /// - Complexity: O(log *n*).
  public func contains(_ id: UInt32) -> Bool {
    var (low, high) = (0, ids.count)
    while low < high {
      let middle = (low + high) / 2
      if ids[middle] == id { return true }
      if ids[middle] < id { low = middle + 1 } else { high = middle }
    }
    return false
  }

  public func union(_ other: DeadDocuments) -> DeadDocuments {
    if other.ids.isEmpty { return self }
    if ids.isEmpty { return other }
    return DeadDocuments(ids + other.ids)
  }

  /// The file: magic; format in one byte; the number of IDs; of each what it is more than the one
  /// before, all as numbers of varying length; CRC-32C of all that.
  public var bytes: [UInt8] {
    var bytes = DeadDocuments.magic + [DeadDocuments.format]
    appendVarint(UInt64(ids.count), to: &bytes)
    var last: UInt32 = 0
    for id in ids {
      appendVarint(UInt64(id - last), to: &bytes)
      last = id
    }
    var checksum = CRC32C()
    bytes.withUnsafeBytes { checksum.update($0) }
    withUnsafeBytes(of: checksum.value.littleEndian) { bytes += $0 }
    return bytes
  }

  /// Reads the file's bytes and verifies them.
  ///
  /// - Parameter name: What messages call the file.
  /// - Throws: `OperatorError` `.damaged`, `.unusable`.
  public init(bytes: [UInt8], name: String) throws {
    let file = LoadedBytes(bytes, name)
    let headByteCount = DeadDocuments.magic.count + 1
    guard bytes.count >= headByteCount + 5, bytes.starts(with: DeadDocuments.magic) else {
      throw file.damaged("it is cut off, or no file of dead documents")
    }
    let body = file.part.part(0..<bytes.count - 4)
    let checksum = file.part.bytes.loadUnaligned(fromByteOffset: bytes.count - 4, as: UInt32.self)
    try file.expect(UInt32(littleEndian: checksum), of: body.bytes, at: 0)
    guard bytes[headByteCount - 1] <= DeadDocuments.format else {
      throw OperatorError(
        .unusable, "this file of dead documents is of format \(bytes[headByteCount - 1])",
        at: Place(file: name), advice: "use a newer version of sluice")
    }
    var ids: [UInt32] = []
    let base = body.bytes.baseAddress!.assumingMemoryBound(to: UInt8.self)
    var place = base + headByteCount
    let end = base + body.bytes.count
    let failure = file.damaged("its numbers make no sense")
    guard let count = readVarint(&place, end: end), count <= UInt64(body.bytes.count) else {
      throw failure
    }
    ids.reserveCapacity(Int(count))
    var last: UInt64 = 0
    for index in 0..<count {
      guard let difference = readVarint(&place, end: end), index == 0 || difference > 0,
        difference <= UInt64(UInt32.max) - last
      else { throw failure }
      last += difference
      ids.append(UInt32(last))
    }
    guard place == end else { throw failure }
    self.init(sorted: ids)
  }
}

/// A segment of an index as it is searched and merged.
public struct LiveSegment: Sendable {
  public var reader: SegmentReader
  /// `WordIDs.none` will do for searching.
  public var wordIDs: WordIDs
  public var dead: DeadDocuments

  public init(reader: SegmentReader, wordIDs: WordIDs, dead: DeadDocuments) {
    self.reader = reader
    self.wordIDs = wordIDs
    self.dead = dead
  }
}
