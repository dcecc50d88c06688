import Core
import Synchronization
import Transport

/// Opens stores by address and keeps them: one address is one store.
public final class StoreOpener: Sendable {
  /// The process's opener.
  public static let shared = StoreOpener()

  let client: HTTPClient
  private let policy: RetryPolicy
  private let wrap: @Sendable (any Store) -> any Store
  let environment: Environment
  private let google: GoogleCredentials
  /// Of S3; nil for those that the environment names.
  private let keys: (any AWSCredentialSource)?
  private let s3 = Mutex<S3Service?>(nil)
  private let opened = Mutex<[String: any Store]>([:])
  private let lent = Mutex<[String: Lent]>([:])

  /// What opens the addresses below a prefix, with credentials that are lent.
  private struct Lent {
    var variables: [String: String]
    var keys: LentAWSCredentials
    var opener: StoreOpener
  }

  /// - Parameters:
  ///   - environment: Names credentials and endpoints.
  ///   - wrap: Put around every store that is opened; tests inject faults with it.
  public convenience init(
    client: HTTPClient = .shared, policy: RetryPolicy = RetryPolicy(),
    environment: @escaping Environment = processEnvironment,
    wrap: @escaping @Sendable (any Store) -> any Store = { $0 }
  ) {
    self.init(client: client, policy: policy, environment: environment, keys: nil, wrap: wrap)
  }

  private init(
    client: HTTPClient, policy: RetryPolicy, environment: @escaping Environment,
    keys: (any AWSCredentialSource)?, wrap: @escaping @Sendable (any Store) -> any Store
  ) {
    self.keys = keys
    self.client = client
    self.policy = policy
    self.wrap = wrap
    self.environment = environment
    google = GoogleCredentials(environment: environment, client: client, policy: policy)
  }

  /// What the remote stores have moved so far: requests, retries, bytes.
  public var transfers: TransferCounters.Snapshot { client.counters.snapshot }

  /// The store whose root is `uri`: a folder or a web address to which keys are appended.
  ///
  /// - Throws: `.badAddress`.
  public func open(_ uri: String, relativeTo folder: String? = nil) throws -> any Store {
    let uri = try StoreURI(uri, relativeTo: folder)
    return try (lender(of: uri.root)?.opener ?? self).open(uri, root: uri.root)
  }

  /// The store and the key of one object.
  ///
  /// - Throws: `.badAddress`.
  public func locate(
    _ uri: String, relativeTo folder: String? = nil
  ) throws -> (store: any Store, key: String) {
    let uri = try StoreURI(uri, relativeTo: folder)
    let (root, key) = try uri.split()
    return (try (lender(of: uri.description)?.opener ?? self).open(uri, root: root), key)
  }

  /// From now on opens what lies below `prefix` with other credentials than the environment's: a
  /// catalog lends them for the files of one table.
  ///
  /// - Parameters:
  ///   - variables: Put in the place of the environment's: region and endpoint.
  ///   - renew: Asks for new ones, once these expire or S3 says that they have.
  public func lend(
    _ keys: AWSCredentials, _ variables: [String: String], for prefix: String,
    renew: @escaping @Sendable () throws -> AWSCredentials
  ) {
    lent.withLock { lent in
      if let known = lent[prefix], known.variables == variables {
        known.keys.replace(with: keys)
        return
      }
      let environment = environment
      let source = LentAWSCredentials(keys, clock: policy.clock, renew: renew)
      lent[prefix] = Lent(
        variables: variables, keys: source,
        opener: StoreOpener(
          client: client, policy: policy, environment: { variables[$0] ?? environment($0) },
          keys: source, wrap: wrap))
    }
  }

  /// Who opens an address, where credentials were lent for it: the one of the longest prefix.
  func lender(of address: @autoclosure () -> String) -> (prefix: String, opener: StoreOpener)? {
    lent.withLock { lent in
      // Every object of a batch is asked for, and mostly nothing was lent.
      guard !lent.isEmpty else { return nil }
      let address = address()
      return lent.filter { address == $0.key || address.hasPrefix($0.key + "/") }
        .max { $0.key.utf8.count < $1.key.utf8.count }.map { ($0.key, $0.value.opener) }
    }
  }

  func open(_ uri: StoreURI, root: String) throws -> any Store {
    let name = uri.kind == .http ? "\(uri.credentials ?? "")@\(root)" : root
    return try opened.withLock { opened in
      if let store = opened[name] { return store }
      let store = wrap(try make(uri, root: root))
      // Files of very many folders, one by one: keep the memory flat.
      if opened.count > 1000 { opened.removeAll() }
      opened[name] = store
      return store
    }
  }

  private func make(_ uri: StoreURI, root: String) throws -> any Store {
    switch uri.kind {
    case .local: return LocalStore(root: root.isEmpty ? "/" : root)
    case .http:
      let token = try HTTPToken(environment: environment)?.value(for: uri.origin)
      return HTTPStore(
        root: root, credentials: uri.credentials, token: token, client: client, policy: policy)
    case .gs:
      let (bucket, prefix) = uri.bucketAndPrefix(of: root)
      return GCSStore(
        bucket: bucket, prefix: prefix, settings: GCSSettings(environment: environment),
        credentials: google, client: client, policy: policy)
    case .s3:
      let (bucket, prefix) = uri.bucketAndPrefix(of: root)
      return S3Store(bucket: bucket, prefix: prefix, service: try amazon())
    }
  }

  /// What all S3 stores share, made by the first of them.
  func amazon() throws -> S3Service {
    try s3.withLock { service in
      if let service { return service }
      let made = try S3Service.fromEnvironment(
        AWSEnvironment(variable: environment), credentials: keys, client: client, policy: policy)
      service = made
      return made
    }
  }
}
