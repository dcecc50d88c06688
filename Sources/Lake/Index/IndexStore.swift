import Core
import Stores

/// Where one search index lies in a lake: its manifests, each created once, and the files they name.
public struct IndexStore: Sendable {
  public let store: any Store
  public let id: TableID

  public init(store: any Store, id: TableID) {
    self.store = store
    self.id = id
  }

  // MARK: - Manifests

  /// The newest manifest; nil while there is none.
  ///
  /// - Throws: `LakeError` `.damaged`, `.unsupported`.
  public func newest() throws -> IndexManifest? {
    let version = try newestVersion()
    return version == 0 ? nil : try read(version)
  }

  /// 0 where there is no manifest.
  private func newestVersion() throws -> Int {
    var version = 0
    try store.list(prefix: LakeLayout.indexManifestPrefix(id)) { page in
      for object in page {
        version = max(version, LakeLayout.indexManifestVersion(of: object.key, id) ?? 0)
      }
    }
    return version
  }

  /// One version.
  ///
  /// - Throws: `LakeError` `.missing` where there is none, `.damaged`, `.unsupported`.
  public func read(_ version: Int) throws -> IndexManifest {
    guard let found = try file(version) else {
      throw LakeError(
        .missing, "the index has no version \(version)",
        at: Place(file: store.uri(LakeLayout.indexManifest(id, version: version))),
        advice: "run again")
    }
    return found
  }

  private func file(_ version: Int) throws -> IndexManifest? {
    let key = LakeLayout.indexManifest(id, version: version)
    guard let found = try store.get(key) else { return nil }
    let place = Place(file: store.uri(key), model: id.description)
    do {
      return try IndexManifest(json: JSON(parsing: found.bytes))
    } catch let error as LakeError {
      throw LakeError(error.code, error.message, at: place, advice: error.advice)
    } catch {
      throw LakeError(
        .damaged, "the index manifest does not parse: \(error)", at: place,
        advice: "restore the file from a copy, or build the index again with --full-refresh")
    }
  }

  /// Publishes what comes after `base`: creates the next version's file if there is none.
  ///
  /// - Parameters:
  ///   - base: The newest manifest, as far as the caller knows; nil for the first.
  ///   - ready: Called before the manifest becomes visible, when all else is done. What it throws
  ///     ends the commit.
  /// - Returns: The manifest as it is published.
  /// - Throws: `LakeError` `.conflict` where another writer was first: load and decide again.
  ///   `.ambiguous` where the outcome could not be found out: nothing may be cleaned up.
  public func commit(
    _ manifest: IndexManifest, after base: IndexManifest?, ready: () throws -> Void = {}
  ) throws -> IndexManifest {
    var next = manifest
    next.version = (base?.version ?? 0) + 1
    next.nonce = Nonce.hex()
    next.parent = base?.nonce ?? ""
    let key = LakeLayout.indexManifest(id, version: next.version)
    var isReady = false
    do {
      let text = next.json.text(indented: true) + "\n"
      _ = try store.put(key, .bytes(Array(text.utf8)), .absent) {
        try ready()
        isReady = true
      }
    } catch let error as StoreError {
      guard isReady else { throw error }
      switch error.code {
      case .denied, .full, .notAnObject, .badAddress, .unsafe: throw error
      default: break
      }
      // The answer may have been lost on the way: the nonce says whose file it is.
      guard let found = try known(key, { try file(next.version) }) else { throw error }
      guard found.nonce == next.nonce else { throw conflict(key) }
    }
    // Rule 20: under a writer that slept, the number may have come free, and the line goes on
    // elsewhere.
    if try known(key, newestVersion) > next.version,
      try known(key, { try file(next.version + 1) })?.parent != next.nonce
    {
      throw conflict(key)
    }
    return next
  }

  /// What is there after a put.
  private func known<Found>(
    _ key: String, _ find: () throws -> Found
  ) throws(LakeError) -> Found {
    do {
      return try find()
    } catch {
      throw LakeError(
        .ambiguous, "it is not known whether the index was published: \(error)",
        at: Place(file: store.uri(key), model: id.description), advice: "run again")
    }
  }

  private func conflict(_ key: String) -> LakeError {
    LakeError(
      .conflict, "another run published the index first",
      at: Place(file: store.uri(key), model: id.description), advice: "run again")
  }

  // MARK: - Files

  /// A name for a new segment that no other has: begins with the run's, so that what is left of a
  /// killed run can be explained.
  public static func freshName(run: RunID) -> String {
    "\(run.rawValue)-\(Nonce.hex(byteCount: 4))"
  }

  /// A name for the file of a segment's dead documents.
  public static func freshName(ofDeadIn segment: IndexManifest.Segment) -> String {
    "\(segment.name)-\(Nonce.hex(byteCount: 4)).dead"
  }

  /// Stores a file of a segment under a fresh name.
  public func put(_ name: String, _ body: Body) throws -> IndexManifest.File {
    let object = try store.put(LakeLayout.indexFile(id, name), body, .absent)
    return IndexManifest.File(name: name, byteCount: object.byteCount)
  }

  /// A file of a segment as its store has it.
  ///
  /// - Throws: `LakeError` `.missing`, `.damaged` where it has another length.
  public func object(_ file: IndexManifest.File) throws -> Object {
    let place = place(file)
    guard let object = try store.head(LakeLayout.indexFile(id, file.name)) else {
      throw missing(place)
    }
    try expect(object.byteCount, file, place)
    return object
  }

  /// A small file of a segment, whole.
  ///
  /// - Throws: `LakeError` `.missing`, `.damaged` where it has another length.
  public func get(_ file: IndexManifest.File) throws -> [UInt8] {
    let place = place(file)
    guard let found = try store.get(LakeLayout.indexFile(id, file.name)) else {
      throw missing(place)
    }
    try expect(Int64(found.bytes.count), file, place)
    return found.bytes
  }

  private func place(_ file: IndexManifest.File) -> Place {
    Place(file: store.uri(LakeLayout.indexFile(id, file.name)), model: id.description)
  }

  private func expect(_ byteCount: Int64, _ file: IndexManifest.File, _ place: Place) throws {
    guard byteCount != file.byteCount else { return }
    throw LakeError(
      .damaged, "the file has \(byteCount) bytes and should have \(file.byteCount)",
      at: place, advice: IndexStore.advice)
  }

  public func missing(_ place: Place) -> LakeError {
    LakeError(
      .missing, "the index names a file that is not there", at: place, advice: IndexStore.advice)
  }

  public static let advice =
    "restore the file from a copy, or build the index again with --full-refresh"

  /// Drops files that no manifest names.
  public func discard(_ files: [IndexManifest.File]) throws {
    guard !files.isEmpty else { return }
    try store.delete(files.map { LakeLayout.indexFile(id, $0.name) })
  }

  // MARK: - What nobody needs

  /// The keys of everything that `manifests` need.
  public func reachableKeys(_ manifests: [IndexManifest]) -> Set<String> {
    var keys = Set<String>()
    for manifest in manifests {
      keys.insert(LakeLayout.indexManifest(id, version: manifest.version))
      for segment in manifest.segments {
        for file in segment.files { keys.insert(LakeLayout.indexFile(id, file.name)) }
      }
    }
    return keys
  }
}
