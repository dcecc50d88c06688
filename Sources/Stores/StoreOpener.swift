import Core
import Synchronization

/// Opens stores by address and keeps them, so that equal addresses share connections.
public final class StoreOpener: Sendable {
  /// The process's opener.
  public static let shared = StoreOpener()

  private let wrap: @Sendable (any Store) -> any Store
  private let opened = Mutex<[String: any Store]>([:])

  /// - Parameter wrap: Put around every store that is opened; tests inject faults with it.
  public init(wrap: @escaping @Sendable (any Store) -> any Store = { $0 }) {
    self.wrap = wrap
  }

  /// The store whose root is `uri`: a folder or a web address to which keys are appended.
  ///
  /// - Throws: `.badAddress`.
  public func open(_ uri: String, relativeTo folder: String? = nil) throws -> any Store {
    let uri = try StoreURI(uri, relativeTo: folder)
    return try open(uri, root: uri.root)
  }

  /// The store and the key of one object.
  ///
  /// - Throws: `.badAddress`.
  public func locate(
    _ uri: String, relativeTo folder: String? = nil
  ) throws -> (store: any Store, key: String) {
    let uri = try StoreURI(uri, relativeTo: folder)
    let (root, key) = try uri.split()
    return (try open(uri, root: root), key)
  }

  func open(_ uri: StoreURI, root: String) throws -> any Store {
    switch uri.kind {
    // Holds nothing worth sharing.
    case .local: return wrap(LocalStore(root: root.isEmpty ? "/" : root))
    case .http: throw StoreURI.bad("web addresses are not readable yet", root)
    }
  }
}
