import Core
import Stores
import Transport

/// Tables that an Iceberg REST catalog keeps: Polaris, Lakekeeper, Glue, S3 Tables.
///
/// A pipeline is a namespace. The files of Sluice's tables lie in the lake, as with the storage
/// catalog; only which metadata is the newest is the server's to say, so that others may write, too.
public struct RestCatalog: Catalog {
  let rest: RestClient
  private let store: any Store
  private let opener: StoreOpener
  private let clock: Clock

  /// How often an outcome that is not known is looked into.
  private static let attempts = 5

  /// - Parameter store: The lake's.
  public init(
    _ settings: RestSettings, store: any Store, opener: StoreOpener = .shared,
    client: HTTPClient = .shared, clock: Clock = .system, policy: RetryPolicy = RetryPolicy(),
    aws: (any AWSCredentialSource)? = nil
  ) {
    rest = RestClient(settings, client: client, policy: policy, aws: aws)
    self.store = store
    self.opener = opener
    self.clock = clock
  }

  public func load(_ id: TableID) throws -> Table? {
    let answer = try rest.ask(.get, path(id), headers: RestLoan.headers)
    if answer.status == 404 { return nil }
    guard answer.isSuccess else { throw rest.refused(answer, "the table \(id)") }
    return try table(id, answer.body)
  }

  public func commit(
    _ update: TableUpdate, to id: TableID, base: Table?, ready: () throws -> Void,
    visible: () -> Void
  ) throws -> Table {
    // What is made here can be seen at once, empty.
    if base == nil { try ready() }
    let base = try base ?? create(update, id)
    try base.requireHome()
    var builder = try CommitBuilder(id: id, base: base, update: update, store: store)
    do {
      try builder.writeFiles()
      try ready()
      let table = try publish(builder, id, base)
      visible()
      return table
    } catch {
      if (error as? LakeError)?.code != .ambiguous { try? store.delete(builder.written) }
      throw error
    }
  }

  public func drop(_ id: TableID) throws {
    let answer = try rest.ask(.delete, path(id) + "?purgeRequested=false")
    guard answer.isSuccess || answer.status == 404 else {
      throw rest.refused(answer, "to drop the table \(id)")
    }
  }

  /// A server mends its own.
  public func repair(_ table: Table) throws {}

  // MARK: - Committing

  /// The commit is safe to ask for again: it holds for exactly the base's snapshot, so that it is
  /// done once or not at all, and its snapshot's ID tells whose it is.
  private func publish(_ builder: CommitBuilder, _ id: TableID, _ base: Table) throws -> Table {
    let request = RestUpdate.body(id, from: base.metadata, to: builder.metadata)
    var reason: any Error = conflict(id)
    for attempt in 0..<RestCatalog.attempts {
      if attempt > 0 { clock.sleep(Int64.random(in: 50...100) << Int64(attempt), .never) }
      do {
        let answer = try rest.ask(.post, path(id), body: request)
        if answer.isSuccess { return try table(id, answer.body) }
        if answer.status != 409 && !answer.isUnknown {
          throw rest.refused(answer, "the commit to \(id)")
        }
        reason = rest.refused(answer, "the commit to \(id)")
      } catch let error as TransportError {
        // The request may have arrived.
        reason = error
      }
      guard let now = try? load(id) else { continue }
      if now.metadata.snapshot(builder.snapshotID) != nil { return now }
      // The base has moved on: a commit on it, still under way or not, can only fail.
      guard RestUpdate.isSame(now.metadata, base.metadata) else { throw conflict(id) }
    }
    throw LakeError(
      .ambiguous,
      "it is not known whether the commit succeeded: "
        + ((reason as? any AnyFailure)?.message ?? "\(reason)"),
      at: Place(file: rest.address, model: id.description),
      advice: "run again: what was published is recognised")
  }

  func conflict(_ id: TableID) -> LakeError {
    LakeError(
      .conflict, "another commit came first", at: Place(model: id.description),
      advice: "run again")
  }

  /// Makes the table without rows; nobody has to see them both at once. What its properties are to
  /// say of the rows, they do not say before these are there.
  private func create(_ update: TableUpdate, _ id: TableID) throws -> Table {
    let location = store.uri(LakeLayout.table(id))
    var update = update
    update.properties = [:]
    let wanted = try MetadataEvolution.evolve(nil, to: update, id: id, location: location)
    try makeNamespace(of: id)
    let answer = try rest.ask(
      .post, "namespaces/\(percentEncoded(id.pipeline))/tables",
      body: [
        "name": .string(id.model), "location": .string(location),
        "schema": SchemaJSON.write(wanted.schema, id: 0),
        "partition-spec": wanted.partitionSpec.json, "write-order": wanted.sortOrder.json,
        "stage-create": false,
        "properties": .object(wanted.properties.map { .init($0.key, .string($0.value)) }),
      ], headers: RestLoan.headers)
    if answer.isSuccess { return try table(id, answer.body) }
    if answer.status == 409 { throw conflict(id) }
    if answer.isUnknown, let made = try load(id) { return made }
    throw rest.refused(answer, "a new table \(id)")
  }

  func makeNamespace(of id: TableID) throws {
    let answer = try rest.ask(
      .post, "namespaces", body: ["namespace": [.string(id.pipeline)], "properties": .object([])])
    guard answer.isSuccess || answer.status == 409 else {
      throw rest.refused(answer, "the namespace \(id.pipeline)")
    }
  }

  // MARK: - Reading

  private func path(_ id: TableID) -> String {
    "namespaces/\(percentEncoded(id.pipeline))/tables/\(percentEncoded(id.model))"
  }

  private func table(_ id: TableID, _ answer: JSON) throws -> Table {
    guard let location = answer["metadata-location"]?.string, let json = answer["metadata"] else {
      throw LakeError(
        .damaged, "the catalog's answer holds no metadata", at: Place(model: id.description))
    }
    let metadata = try TableMetadata(parsing: Array(json.description.utf8), file: location)
    for loan in RestLoan.all(in: answer, location: metadata.location) {
      opener.lend(loan.keys, loan.variables, for: loan.prefix) { [rest, path = path(id)] in
        try rest.renewed(loan, path, location: metadata.location)
      }
    }
    return Table(
      id: id, metadata: metadata, version: 0, store: store, loaded: clock.now(),
      hintedVersion: nil, opener: opener, metadataLocation: location)
  }
}
