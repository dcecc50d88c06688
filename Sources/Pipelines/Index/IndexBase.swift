import Core
import Lake
import Operators

/// The version of an index that a run starts from, with the look-ups it needs there.
struct IndexBase {
  /// Nil before the first.
  let manifest: IndexManifest?
  let open: OpenIndex

  var segments: [IndexManifest.Segment] { manifest?.segments ?? [] }

  /// A document that counts, and where it is.
  struct Found {
    var segment: Int
    var document: StoredDocument
  }

  /// The live documents of files.
  ///
  /// - Parameter keys: In byte order.
  func documents(keys: [String]) throws -> [Found?] {
    try find(keys) { reader, keys in try reader.documents(keys: keys) }
  }

  /// The live documents with these IDs.
  func documents(ids: [UInt32]) throws -> [Found?] {
    try find(ids) { reader, ids in try reader.documents(ids: ids) }
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
      let documents = try lookUp(open.reader(segments[index]), missing.map { keys[$0] })
      for (place, document) in zip(missing, documents) {
        guard let document, !dead.contains(document.id) else { continue }
        found[place] = Found(segment: index, document: document)
      }
    }
    return found
  }

  /// The IDs of all documents of a segment, dead or not.
  func allIDs(of segment: IndexManifest.Segment) throws -> [UInt32] {
    try open.reader(segment).documentIDs()
  }
}
