import Core
import Synchronization
import Transport

/// Opens stores by address and keeps them: one address is one store.
public final class StoreOpener: Sendable {
  /// The process's opener.
  public static let shared = StoreOpener()

  private let client: HTTPClient
  private let policy: RetryPolicy
  private let wrap: @Sendable (any Store) -> any Store
  private let opened = Mutex<[String: any Store]>([:])

  /// - Parameter wrap: Put around every store that is opened; tests inject faults with it.
  public init(
    client: HTTPClient = .shared, policy: RetryPolicy = RetryPolicy(),
    wrap: @escaping @Sendable (any Store) -> any Store = { $0 }
  ) {
    self.client = client
    self.policy = policy
    self.wrap = wrap
  }

  /// The store whose root is `uri`: a folder or a web address to which keys are appended.
  ///
  /// - Throws: `.badAddress`.
  public func open(_ uri: String, relativeTo folder: String? = nil) throws -> any Store {
    let uri = try StoreURI(uri, relativeTo: folder)
    return open(uri, root: uri.root)
  }

  /// The store and the key of one object.
  ///
  /// - Throws: `.badAddress`.
  public func locate(
    _ uri: String, relativeTo folder: String? = nil
  ) throws -> (store: any Store, key: String) {
    let uri = try StoreURI(uri, relativeTo: folder)
    let (root, key) = try uri.split()
    return (open(uri, root: root), key)
  }

  func open(_ uri: StoreURI, root: String) -> any Store {
    let name = uri.kind == .http ? "\(uri.credentials ?? "")@\(root)" : root
    return opened.withLock { opened in
      if let store = opened[name] { return store }
      let store = wrap(
        uri.kind == .http
          ? HTTPStore(root: root, credentials: uri.credentials, client: client, policy: policy)
          : LocalStore(root: root.isEmpty ? "/" : root))
      // Files of very many folders, one by one: keep the memory flat.
      if opened.count > 1000 { opened.removeAll() }
      opened[name] = store
      return store
    }
  }
}
