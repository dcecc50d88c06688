import Core

/// A store of which parts are reached with credentials that are lent for them.
///
/// An Iceberg REST catalog lends them for the files of its tables; the rest of the lake is opened as
/// the environment says.
public struct LendingStore: Store {
  private let own: any Store
  private let opener: StoreOpener

  /// - Parameter opener: The one that credentials are lent to (`StoreOpener.lend`).
  public init(_ own: any Store, opener: StoreOpener) {
    self.own = own
    self.opener = opener
  }

  public var root: String { own.root }

  /// The same root, opened as is right for this key.
  private func store(for key: String) throws -> any Store {
    try opener.lender(of: own.uri(key))?.opener.open(own.root) ?? own
  }

  public func head(_ key: String) throws -> Object? { try store(for: key).head(key) }

  public func list(prefix: String, page: ([Object]) throws -> Void) throws {
    try store(for: prefix).list(prefix: prefix, page: page)
  }

  public func read(
    _ key: String, range: Range<Int64>?, ifMatch: Version?, cancellation: Cancellation,
    to sink: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> Object {
    try store(for: key).read(
      key, range: range, ifMatch: ifMatch, cancellation: cancellation, to: sink)
  }

  public func put(_ key: String, _ body: Body, _ condition: PutCondition) throws -> Object {
    try store(for: key).put(key, body, condition)
  }

  public func put(
    _ key: String, _ body: Body, _ condition: PutCondition, ready: () throws -> Void
  ) throws -> Object {
    try store(for: key).put(key, body, condition, ready: ready)
  }

  public func putFleeting(
    _ key: String, _ body: Body, _ condition: PutCondition
  ) throws -> Object {
    try store(for: key).putFleeting(key, body, condition)
  }

  public func delete(_ keys: [String]) throws {
    let byLender = Dictionary(grouping: keys) { opener.lender(of: own.uri($0))?.prefix }
    for keys in byLender.values {
      if let first = keys.first { try store(for: first).delete(keys) }
    }
  }

  public func checksum(of object: Object) throws -> ObjectChecksum? {
    try store(for: object.key).checksum(of: object)
  }

  public func now() -> Instant { own.now() }

  public func localPath(_ key: String) -> String? { own.localPath(key) }
}
