import Core
import Stores

/// A lake: tables, source logs, state and run history below one root of one store.
public struct Lake: Sendable {
  public let store: any Store
  public let clock: Clock
  public let catalog: any Catalog

  /// - Parameter catalog: The storage catalog on the same store, unless another is given.
  public init(store: any Store, clock: Clock = .system, catalog: (any Catalog)? = nil) {
    self.store = store
    self.clock = clock
    self.catalog = catalog ?? StorageCatalog(store: store, clock: clock)
  }

  /// Absolute: a path or URI.
  public var root: String { store.root }

  public var publisher: Publisher { Publisher(catalog: catalog, store: store, clock: clock) }

  public var history: RunHistory { RunHistory(store: store) }

  public func sourceLog(pipeline: String, source: String) -> SourceLog {
    SourceLog(store: store, pipeline: pipeline, source: source)
  }

  public func landing(pipeline: String, source: String) -> LandingArea {
    LandingArea(store: store, pipeline: pipeline, source: source)
  }

  public func index(_ id: TableID) -> IndexStore { IndexStore(store: store, id: id) }

  /// Where an engine may write files of a table that nothing refers to yet: absolute.
  ///
  /// - Parameter part: Keeps several computations of one run apart: an interval's text.
  public func staging(_ id: TableID, run: RunID, part: String? = nil) -> String {
    store.uri(LakeLayout.staging(id, run: run, part: part))
  }

  /// The models of a pipeline that have ever published here: their state stays when they are
  /// removed from the project.
  public func modelsWithState(in pipeline: String) throws -> [String] {
    let prefix = "state/\(pipeline)/"
    var models: [String] = []
    try store.list(prefix: prefix) { page in
      for object in page {
        let model = object.key.dropFirst(prefix.count).prefix { $0 != "/" }
        if models.last != String(model) { models.append(String(model)) }
      }
    }
    return models
  }

  /// Deletes a table: from the catalog, then metadata, so that no reader is led to files that are
  /// gone, then rows and state. Doing it again finishes what was interrupted.
  ///
  /// - Returns: The number of files.
  public func drop(_ id: TableID) throws -> Int {
    // A catalog may lend what it takes to delete the files.
    _ = try? catalog.load(id)
    try catalog.drop(id)
    var count = 0
    for prefix in [
      LakeLayout.metadataPrefix(id), LakeLayout.dataPrefix(id), LakeLayout.statePrefix(id),
      LakeLayout.indexPrefix(id),
    ] {
      let keys = try store.objects(below: prefix).map(\.key)
      // Newest metadata first: what is left of it names nothing that is gone.
      for start in stride(from: 0, to: keys.count, by: 1000) {
        try store.delete(Array(keys[start..<min(start + 1000, keys.count)]))
      }
      count += keys.count
    }
    return count
  }

  /// Makes sure, once per lake, that the store keeps to conditions; every commit stands on that.
  ///
  /// The answer is remembered in `lake.json`, so that later runs only read it. Plans do not call
  /// this.
  ///
  /// - Throws: `StoreError` `.unsafe` for a store that ignores them, `LakeError` `.unsupported`
  ///   for a lake of a newer layout.
  public func probe() throws {
    if let marker = try store.get(LakeLayout.marker) {
      let json = try? JSON(parsing: marker.bytes)
      let format = json?["format"]?.integer ?? 0
      guard (1...Lake.formatVersion).contains(format) else {
        throw LakeError(
          .unsupported,
          "the lake has format \(format); this Sluice knows up to \(Lake.formatVersion)",
          at: Place(file: store.uri(LakeLayout.marker)), advice: "use the Sluice that made it")
      }
      return
    }
    let key = LakeLayout.probePrefix + Nonce.hex()
    defer { try? store.delete([key]) }
    let first = try store.put(key, .bytes(Array("1".utf8)), .absent)
    try refusesOnly("to create an object twice") {
      _ = try store.put(key, .bytes(Array("2".utf8)), .absent)
    }
    let second = try store.put(key, .bytes(Array("three".utf8)), .matches(first.version))
    guard second.version != first.version else {
      throw unsafe("gives two different contents of an object the same version")
    }
    try refusesOnly("to replace an object that has changed") {
      _ = try store.put(key, .bytes(Array("4".utf8)), .matches(first.version))
    }
    let marker: JSON = [
      "format": .integer(Lake.formatVersion), "conditional_put": true,
      "created": .string(clock.now().description),
    ]
    do {
      _ = try store.put(
        LakeLayout.marker, .bytes(Array((marker.description + "\n").utf8)), .absent)
    } catch let error as StoreError where error.code == .conditionFailed {
      // Two first runs at once; both have found the same.
    }
  }

  /// What probes that were killed have left.
  public func probesLeft() throws -> [Object] {
    var found: [Object] = []
    try store.list(prefix: LakeLayout.probePrefix) { found += $0 }
    return found
  }

  private static let formatVersion: Int64 = 1

  private func refusesOnly(_ what: String, _ put: () throws -> Void) throws {
    do {
      try put()
    } catch let error as StoreError where error.code == .conditionFailed {
      return
    }
    throw unsafe("does not refuse \(what)")
  }

  private func unsafe(_ what: String) -> StoreError {
    StoreError(
      .unsafe, "the store \(what), so commits would not be safe there",
      at: Place(file: store.root),
      advice: "keep the lake in a local folder, on S3, or on another store with conditional writes",
      exitCode: 2)
  }
}
