import Core
import Stores
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Lets an engine that reads and writes local files work on a lake in an object store.
///
/// What it computes is written to a folder of this machine, uploaded under fresh names, and kept in
/// the cache, so that the audit that follows does not fetch it again. What it reads comes through
/// the cache, but for large files in S3 that are not there yet: of those the engine itself reads the
/// parts that it needs, where it can. Queries whose files are all local pass through untouched.
public final class RemoteEngine: Engine {
  private let local: any Engine
  private let opener: StoreOpener
  private let cache: ObjectCache
  private let scratch: String
  private let rangedByteCount: Int64
  private let folder = Mutex<SpillFolder?>(nil)
  private let count = Atomic<Int>(0)

  /// - Parameters:
  ///   - scratch: A folder on the cache's file system for files on their way to the lake.
  ///   - rangedByteCount: How large a file is at least of which parts are read. A smaller one is as
  ///     quick to fetch whole, and stays for the next query.
  public init(
    _ local: any Engine, opener: StoreOpener, cache: ObjectCache, scratch: String,
    rangedByteCount: Int64 = 16 << 20
  ) {
    self.local = local
    self.opener = opener
    self.cache = cache
    self.scratch = scratch
    self.rangedByteCount = rangedByteCount
  }

  public var name: String { local.name }

  public func shape(of sql: String, label: String) throws -> QueryShape {
    try local.shape(of: sql, label: label)
  }

  public func carrying(
    _ columns: [String], of input: String, through sql: String, label: String
  ) throws -> String {
    try local.carrying(columns, of: input, through: sql, label: label)
  }

  public func compute(
    _ query: Query, into output: Output, cancellation: Cancellation,
    progress: @escaping @Sendable (Double) -> Void
  ) throws -> [DataFile] {
    let store = try opener.open(output.location)
    if store.localPath("") != nil {
      return try fetching(query, cancellation) { query in
        try local.compute(query, into: output, cancellation: cancellation, progress: progress)
      }
    }
    var staged = output
    staged.location = try newFolder()
    let files = try fetching(query, cancellation) { query in
      try local.compute(query, into: staged, cancellation: cancellation, progress: progress)
    }
    return try upload(files, to: store, cancellation)
  }

  public func write(
    _ rows: any BatchSource, into output: Output, label: String, cancellation: Cancellation
  ) throws -> [DataFile] {
    let store = try opener.open(output.location)
    if store.localPath("") != nil {
      return try local.write(rows, into: output, label: label, cancellation: cancellation)
    }
    var staged = output
    staged.location = try newFolder()
    let files = try local.write(rows, into: staged, label: label, cancellation: cancellation)
    return try upload(files, to: store, cancellation)
  }

  public func rows(_ query: Query, cancellation: Cancellation) throws -> RowSet {
    try fetching(query, cancellation) { try local.rows($0, cancellation: cancellation) }
  }

  public func stream(
    _ query: Query, cancellation: Cancellation, visit: (RowSet) throws -> Void
  ) throws {
    try fetching(query, cancellation) {
      try local.stream($0, cancellation: cancellation, visit: visit)
    }
  }

  public func batches(
    _ query: Query, cancellation: Cancellation, visit: (ColumnBatch) throws -> Void
  ) throws {
    try fetching(query, cancellation) {
      try local.batches($0, cancellation: cancellation, visit: visit)
    }
  }

  public func export(
    _ query: Query, to output: TextOutput, cancellation: Cancellation
  ) throws -> Int64 {
    try fetching(query, cancellation) {
      try local.export($0, to: output, cancellation: cancellation)
    }
  }

  // MARK: - Up

  private func newFolder() throws -> String {
    let parent = try folder.withLock { folder in
      if let folder { return folder.path }
      let made = try SpillFolder(in: scratch)
      folder = made
      return made.path
    }
    return "\(parent)/out-\(count.add(1, ordering: .relaxed).newValue)"
  }

  /// Puts files under names that nothing refers to yet; the local ones go, but for the cache's.
  private func upload(
    _ files: [DataFile], to store: any Store, _ cancellation: Cancellation
  ) throws -> [DataFile] {
    defer { for file in files { unlink(file.path) } }
    return try concurrently(files, limit: 4) { [cache] file in
      try cancellation.check()
      let name = String(file.path.split(separator: "/").last ?? "part.parquet")
      let object = try store.put(name, .file(path: file.path), .absent)
      cache.insert(file.path, as: object, of: store)
      var uploaded = file
      uploaded.path = store.uri(name)
      return uploaded
    }.map { try $0.get() }
  }

  // MARK: - Down

  /// Runs `body` with every file of the query on this machine.
  private func fetching<T>(
    _ query: Query, _ cancellation: Cancellation, _ body: (Query) throws -> T
  ) throws -> T {
    var copies: [LocalCopy] = []
    let here = try fetched(query, cancellation, &copies)
    return try withExtendedLifetime(copies) { try body(here) }
  }

  private func fetched(
    _ query: Query, _ cancellation: Cancellation, _ copies: inout [LocalCopy]
  ) throws -> Query {
    var here = query
    for (name, input) in query.inputs {
      switch input {
      case .files(let files, let schema):
        here.inputs[name] = .files(try fetch(files, cancellation, &copies), schema: schema)
      case .view(let view): here.inputs[name] = .view(try fetched(view, cancellation, &copies))
      case .batches, .rows, .parquet: break
      }
    }
    return here
  }

  /// Whether the engine is to read the parts that it needs of an object.
  private func isRanged(
    _ object: Object, of store: any Store, at address: String, _ cancellation: Cancellation
  ) throws -> Bool {
    guard object.byteCount >= rangedByteCount, let local = local as? any RangeReading,
      !cache.holds(object, of: store),
      let access = try opener.s3Access(to: address, cancellation: cancellation)
    else { return false }
    return try local.canRead(address, with: access)
  }

  private func fetch(
    _ files: [DataFile], _ cancellation: Cancellation, _ copies: inout [LocalCopy]
  ) throws -> [DataFile] {
    let addresses = Array(Set(files.flatMap { [$0.path] + $0.deletes.map(\.path) }))
    let fetched = try concurrently(addresses, limit: 8) {
      [self, opener, cache] address -> LocalCopy? in
      let (store, key) = try opener.locate(address)
      guard store.localPath(key) == nil else { return nil }
      guard let object = try store.head(key) else {
        throw StoreError(
          .notFound, "a data file of the table is gone", at: Place(file: address),
          advice: "restore it from a copy, or rebuild the table with --full-refresh")
      }
      if try isRanged(object, of: store, at: address, cancellation) { return nil }
      return try cache.fetch(object, from: store, cancellation: cancellation)
    }.map { try $0.get() }
    copies += fetched.compactMap { $0 }
    let here = Dictionary(
      uniqueKeysWithValues: zip(addresses, fetched).compactMap { address, copy in
        copy.map { (address, $0.path) }
      })
    return files.map { file in
      var file = file
      file.path = here[file.path] ?? file.path
      for index in file.deletes.indices {
        file.deletes[index].path = here[file.deletes[index].path] ?? file.deletes[index].path
      }
      return file
    }
  }
}
