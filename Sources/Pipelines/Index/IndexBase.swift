import Core
import Lake
import Operators
import Synchronization

/// The version of an index that a run starts from, with the look-ups it needs there.
struct IndexBase {
  /// Nil before the first.
  let manifest: IndexManifest?
  let open: OpenIndex
  private let threads: Int
  private let trustsNumbers: Bool
  private let known = Known()

  /// - Parameters:
  ///   - threads: How many look documents up.
  ///   - trustsNumbers: Where documents have the numbers of their files, that of a file's number is
  ///     taken to be that file's. It nearly always is, and whoever goes through all documents anyway
  ///     can find out at no cost.
  init(
    manifest: IndexManifest?, open: OpenIndex, threads: Int, trustsNumbers: Bool = false
  ) {
    self.manifest = manifest
    self.open = open
    self.threads = threads
    self.trustsNumbers = trustsNumbers
  }

  var segments: [IndexManifest.Segment] { manifest?.segments ?? [] }

  /// A document that counts, and where it is.
  struct Found {
    var segment: Int
    var id: UInt32
    /// Its file's.
    var key: String
    /// Whether that is only taken for granted.
    var isTrusted = false
  }

  /// What has been looked up: a batch asks for its documents more than once, and each time nearly
  /// every block of documents would have to be unpacked again.
  private final class Known: Sendable {
    let byID = Mutex<[UInt32: Found?]>([:])
    let byKey = Mutex<[String: Found?]>([:])
  }

  /// The live documents of files.
  ///
  /// - Parameter keys: Best in byte order.
  func documents(keys: [String]) throws -> [Found?] {
    guard manifest?.numbering == .number else {
      return try find(keys, known.byKey) { reader, keys in
        try reader.documents(keys: keys, threads: threads)
      }
    }
    // A document's number is its file's: who numbered the files has looked them up already.
    let numbers = keys.map { DocumentNumbers.number(of: $0) }
    if trustsNumbers { try trust(keys, numbers) }
    let found = try documents(ids: numbers.compactMap(\.self))
    var next = found.makeIterator()
    return zip(keys, numbers).map { key, number in
      guard number != nil, let found = next.next() ?? nil, found.key == key else { return nil }
      return found
    }
  }

  /// Takes the documents of these numbers for those of these files, where no two have the same.
  private func trust(_ keys: [String], _ numbers: [UInt32?]) throws {
    var claims: [UInt32: Int] = [:]
    claims.reserveCapacity(keys.count)
    for case let number? in numbers { claims[number, default: 0] += 1 }
    try known.byID.withLock { known in
      var wanted: [(id: UInt32, key: String)] = []
      for case (let key, let number?) in zip(keys, numbers)
      where claims[number] == 1 && known[number] == nil {
        wanted.append((number, key))
      }
      for index in segments.indices.reversed() where segments[index].liveCount > 0 {
        let dead = try open.dead(segments[index])
        let held = try open.reader(segments[index]).holds(ids: wanted.map(\.id))
        var missing: [(id: UInt32, key: String)] = []
        for (document, isHeld) in zip(wanted, held) {
          if isHeld && !dead.contains(document.id) {
            known[document.id] = Found(
              segment: index, id: document.id, key: document.key, isTrusted: true)
          } else {
            missing.append(document)
          }
        }
        wanted = missing
      }
      for document in wanted { known[document.id] = .some(nil) }
    }
  }

  /// The live documents with these IDs.
  func documents(ids: [UInt32]) throws -> [Found?] {
    try find(ids, known.byID) { reader, ids in try reader.documents(ids: ids, threads: threads) }
  }

  private func find<Key: Hashable & Sendable>(
    _ keys: [Key], _ known: borrowing Mutex<[Key: Found?]>,
    _ lookUp: (SegmentReader, [Key]) throws -> [StoredDocument?]
  ) throws -> [Found?] {
    guard !segments.isEmpty else { return keys.map { _ in nil } }
    let unknown = known.withLock { known in keys.filter { known[$0] == nil } }
    let fresh = try find(unknown, lookUp)
    return known.withLock { known in
      for (key, found) in zip(unknown, fresh) { known[key] = .some(found) }
      return keys.map { known[$0] ?? nil }
    }
  }

  private func find<Key>(
    _ keys: [Key], _ lookUp: (SegmentReader, [Key]) throws -> [StoredDocument?]
  ) throws -> [Found?] {
    var found = [Found?](repeating: nil, count: keys.count)
    // Newest first: most of what changes changes again.
    for index in segments.indices.reversed() where segments[index].liveCount > 0 {
      let missing = found.indices.filter { found[$0] == nil }
      guard !missing.isEmpty else { break }
      let dead = try open.dead(segments[index])
      let reader = try open.reader(segments[index])
      let documents = try lookUp(reader, missing.map { keys[$0] })
      for (place, document) in zip(missing, documents) {
        guard let document, !dead.contains(document.id) else { continue }
        found[place] = Found(segment: index, id: document.id, key: document.key)
      }
    }
    return found
  }

  /// The IDs of all documents of a segment, dead or not.
  func allIDs(of segment: IndexManifest.Segment) throws -> [UInt32] {
    try open.reader(segment).documentIDs()
  }
}
