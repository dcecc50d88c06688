import Core

/// What a store calls the state of an object: an ETag, a generation, or for local files size,
/// modification time and inode. Two equal versions of a key are the same bytes.
public struct Version: RawRepresentable, Sendable, Hashable, CustomStringConvertible {
  public let rawValue: String
  public init(rawValue: String) { self.rawValue = rawValue }
  public init(_ text: String) { rawValue = text }
  public var description: String { rawValue }
}

/// One object of a store, as a listing or a HEAD shows it.
public struct Object: Sendable, Hashable {
  /// Relative to the store's root; `/` separates; never starts with one.
  public var key: String
  public var byteCount: Int64
  public var version: Version
  /// By the store's clock; nil where it does not say.
  public var modified: Instant?

  public init(key: String, byteCount: Int64, version: Version, modified: Instant? = nil) {
    self.key = key
    self.byteCount = byteCount
    self.version = version
    self.modified = modified
  }
}

/// When a put may happen.
public enum PutCondition: Sendable, Hashable {
  case always
  /// Only while no object has the key.
  case absent
  /// Only while the object has this version.
  case matches(Version)
}

/// What a put stores.
public enum Body: Sendable {
  case bytes([UInt8])
  /// A local file, streamed; it stays where it is.
  case file(path: String)
}

/// Objects under one root: a folder, a bucket with a prefix, a web server.
///
/// Calls block; callers that want several at once use threads (`Core.concurrently`). All are safe
/// to call from any thread. Every mutating call is counted for `SLUICE_TEST_KILL`.
public protocol Store: Sendable {
  /// The root, without a trailing slash: an absolute path, `https://host/base`, `s3://bucket/x`.
  var root: String { get }

  /// - Returns: The object, or nil when there is none.
  func head(_ key: String) throws -> Object?

  /// Visits the objects whose keys start with `prefix`, in ascending byte order of keys, page by
  /// page.
  func list(prefix: String, page: ([Object]) throws -> Void) throws

  /// Streams an object, or `range` of its bytes.
  ///
  /// - Parameter ifMatch: Fails with `.changed` when the object has another version.
  /// - Returns: The object that was read. Its length was verified.
  /// - Throws: `StoreError` `.notFound`, `.changed`, `.denied`, `.unreachable`, `.damaged`.
  func read(
    _ key: String, range: Range<Int64>?, ifMatch: Version?, cancellation: Cancellation,
    to sink: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> Object

  /// Writes a whole object; a reader sees all of it or nothing of it.
  ///
  /// - Throws: `StoreError` `.conditionFailed` when `condition` does not hold.
  func put(_ key: String, _ body: Body, _ condition: PutCondition) throws -> Object

  /// Writes a whole object, in turn with others: calls `ready` when as much of it is done as can be
  /// without anyone seeing it. What that throws ends the put, and nothing was put.
  func put(
    _ key: String, _ body: Body, _ condition: PutCondition, ready: () throws -> Void
  ) throws -> Object

  /// Writes an object that says something about a living process, such as a claim: whether it is
  /// there after a crash of the machine, and with which bytes, is of no interest to anyone. To be
  /// read in the same way otherwise. Other objects do not share its folder.
  func putFleeting(_ key: String, _ body: Body, _ condition: PutCondition) throws -> Object

  /// Removes objects; one that is not there is not an error.
  func delete(_ keys: [String]) throws

  /// The checksum that the store has for all bytes of this version; nil where it has none, or has
  /// another version by now.
  func checksum(of object: Object) throws -> ObjectChecksum?

  /// The time by the clock that dates the store's objects (rule 22).
  func now() -> Instant

  /// Where the key is, or would be, on this machine's file system; nil for remote stores.
  func localPath(_ key: String) -> String?
}

extension Store {
  public func checksum(of object: Object) throws -> ObjectChecksum? { nil }

  /// Stores beyond a network get an object with the request that makes it visible.
  public func put(
    _ key: String, _ body: Body, _ condition: PutCondition, ready: () throws -> Void
  ) throws -> Object {
    try ready()
    return try put(key, body, condition)
  }

  /// As any other: stores beyond a network have no less to give.
  public func putFleeting(
    _ key: String, _ body: Body, _ condition: PutCondition
  ) throws -> Object {
    try put(key, body, condition)
  }

  /// This machine's clock.
  public func now() -> Instant { Clock.system.now() }

  /// The whole object in memory, with its version; nil when there is none. For small objects.
  public func get(_ key: String) throws -> (bytes: [UInt8], object: Object)? {
    var bytes: [UInt8] = []
    do {
      let object = try read(key, range: nil, ifMatch: nil, cancellation: .never) {
        bytes.append(contentsOf: $0)
      }
      return (bytes, object)
    } catch let error as StoreError where error.code == .notFound {
      return nil
    }
  }

  /// Puts small objects under names that are free, several at a time: each of them waits for an
  /// answer, or for the disk, and that takes about as long for all together as for one.
  ///
  /// - Throws: Once none is under way any more. Others of them may be there then.
  public func put(new objects: [(key: String, bytes: [UInt8])]) throws {
    let results = concurrently(objects, limit: 8) { object in
      try put(object.key, .bytes(object.bytes), .absent)
    }
    for result in results { _ = try result.get() }
  }

  /// All objects below `prefix`. For listings known to be small.
  public func objects(below prefix: String) throws -> [Object] {
    var all: [Object] = []
    try list(prefix: prefix) { all += $0 }
    return all
  }

  /// The full address of a key: `root/key`.
  public func uri(_ key: String) -> String { key.isEmpty ? root : "\(root)/\(key)" }
}
