import Core
import Engines
import Foundation
import Stores
import TestSupport
import Testing
import Transport

@testable import Lake

/// The catalog against a server of the tests' own, whose tables pyiceberg keeps (rule 23).
@Suite("REST catalog", .enabled(if: Python.path != nil, "no Python with pyiceberg"))
struct RestCatalogTests {
  private let scratch = ScratchLake()
  private let id = TableID("shop", "sales")
  private let columns = Schema([
    Field(name: "n", type: .bigint), Field(name: "name", type: .string),
  ])

  private final class Server {
    let tool: PythonTool
    let uri: String

    init(_ mode: String, in folder: String) throws {
      mkdir(folder, 0o755)
      tool = try PythonTool("rest_catalog.py", [folder, mode])
      uri = "http://127.0.0.1:\(try tool.firstLine())"
    }

    func fail(_ faults: String...) throws { for fault in faults { _ = try tool.ask(fault) } }
  }

  private func server(_ mode: String = "nobody") throws -> Server {
    try Server(mode, in: scratch.path + "/rest")
  }

  private func catalog(
    _ server: Server, _ identity: RestSettings.Identity = .nobody,
    aws: (any AWSCredentialSource)? = nil
  ) -> RestCatalog {
    RestCatalog(
      RestSettings(uri: server.uri + "/", warehouse: "the warehouse", identity: identity),
      store: scratch.store, opener: StoreOpener(),
      policy: RetryPolicy(maximumAttempts: 2, baseMilliseconds: 1), aws: aws)
  }

  private func lake(_ catalog: RestCatalog) -> Lake {
    Lake(store: scratch.store, clock: .system, catalog: catalog)
  }

  @Test("a table is made, appended to, evolved and read, and pyiceberg's own client agrees")
  func whole() throws {
    let server = try server()
    let lake = lake(catalog(server))
    #expect(try lake.catalog.load(id) == nil)
    _ = try lake.publish("SELECT 1::BIGINT AS n, 'a' AS name", id, columns)
    var renamed = Schema([
      Field(name: "title", type: .string), Field(name: "n", type: .bigint),
      Field(name: "day", type: .date),
    ])
    renamed.fields[0].formerNames = ["name"]
    let table = try lake.publish(
      "SELECT 2::BIGINT AS n, 'b' AS title, DATE '2024-01-02' AS day", id, renamed,
      partitionBy: [PartitionColumn("day", .month), PartitionColumn("n", .bucket(4))],
      sort: [SortColumn("n")])
    let expected: [JSON] = [
      ["title": "a", "n": 1, "day": nil], ["title": "b", "n": 2, "day": "2024-01-02"],
    ]
    #expect(try table.canonicalRows() == expected)
    let loaded = try #require(try lake.catalog.load(id))
    #expect(loaded.metadata.currentSnapshotID == table.metadata.currentSnapshotID)
    let seen = try Python.run("read_rest.py", [server.uri, id.description])
    #expect(canonicalRows(seen, ["title", "n", "day"]) == expected)
    #expect(seen["snapshots"] == 2)
    #expect(seen["spec"] == [["day_month", "month"], ["n_bucket", "bucket[4]"]])
    // What others commit is there, and a commit on top of what was before conflicts.
    _ = try Python.run("read_rest.py", [server.uri, id.description, "append"])
    let newest = try #require(try lake.catalog.load(id))
    #expect(newest.history().count == 3)
    #expect(try newest.rows().count == 3)
    let update = TableUpdate(
      schema: newest.schema, partitionBy: newest.partitionColumns, time: .init(seconds: 0))
    let before = try scratch.keys().count
    expectFailure(.conflict) { try lake.catalog.commit(update, to: id, base: loaded) }
    #expect(try scratch.keys().count == before)
    #expect(try newest.consumptionHash(orForeign: true))
  }

  @Test(
    "who asks",
    arguments: [
      ("bearer", RestSettings.Identity.bearer("bearer-Vq8LtX2m")),
      ("oauth", .client(id: "me", secret: "s:cret&-Hd5", endpoint: nil, scope: "catalog")),
      ("sigv4", .aws(service: "glue", region: "eu-west-1")),
    ])
  func identities(_ mode: String, _ identity: RestSettings.Identity) throws {
    let server = try server(mode)
    let keys = AWSCredentials(
      accessKeyID: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    let lake = lake(catalog(server, identity, aws: FixedAWSCredentials(keys)))
    let table = try lake.publish("SELECT 1::BIGINT AS n, 'a' AS name", id, columns)
    #expect(try table.rows().count == 1)
    // A stranger learns nothing, and is told so.
    let failure = expectFailure(.denied) { try catalog(server).load(id) }
    #expect(failure?.advice?.contains("sluice.yaml") == true)
    let other = RestSettings.Identity.client(
      id: "me", secret: "wrong-Zr7Kq1", endpoint: nil, scope: "catalog")
    if mode == "oauth" {
      #expect(throws: TransportError.self) { try catalog(server, other).load(id) }
    }
  }

  @Test(
    "lost answers: what was committed is recognised, what was not is committed once",
    arguments: [
      ["lost"], ["late"], ["error"], ["error", "lost"], ["conflict"], ["late", "error"],
    ])
  func lostAnswers(_ faults: [String]) throws {
    let server = try server()
    let lake = lake(catalog(server))
    _ = try lake.publish("SELECT 1::BIGINT AS n, 'a' AS name", id, columns)
    for fault in faults { try server.fail(fault) }
    let table = try lake.publish("SELECT 2::BIGINT AS n, 'b' AS name", id, columns)
    #expect(try table.rows().count == 2)
    #expect(try lake.catalog.load(id)?.history().count == 2)
  }

  @Test("an outcome that cannot be found out leaves the files alone")
  func ambiguous() throws {
    let server = try server()
    let lake = lake(catalog(server))
    _ = try lake.publish("SELECT 1::BIGINT AS n, 'a' AS name", id, columns)
    let before = try scratch.keys(LakeLayout.metadataPrefix(id)).count
    try server.fail("error", "error", "error", "error", "error")
    expectFailure(.ambiguous) {
      try lake.publish("SELECT 2::BIGINT AS n, 'b' AS name", id, columns)
    }
    #expect(try scratch.keys(LakeLayout.metadataPrefix(id)).count == before + 2)
    #expect(try lake.catalog.load(id)?.history().count == 1)
  }

  @Test("a table that was made, but whose rows did not come, says nothing of having them")
  func madeOnly() throws {
    let server = try server()
    let lake = lake(catalog(server))
    struct PulledPlug: Error {}
    var update = TableUpdate(schema: columns.withFreshIDs(), time: lake.clock.now())
    update.properties = [SummaryKey.consumption: "0a1b", SummaryKey.index: "7"]
    var calls = 0
    #expect(throws: PulledPlug.self) {
      try lake.catalog.commit(
        update, to: id, base: nil,
        ready: {
          calls += 1
          // The second time, the table is there.
          if calls == 2 { throw PulledPlug() }
        }, visible: {})
    }
    let made = try #require(try lake.catalog.load(id))
    #expect(made.currentSnapshot == nil)
    #expect(try made.consumption() == nil)
    #expect(made.property(SummaryKey.index) == nil)
    _ = try lake.catalog.commit(update, to: id, base: made, ready: {}, visible: {})
    let whole = try #require(try lake.catalog.load(id))
    #expect(whole.property(SummaryKey.consumption) == "0a1b")
    #expect(whole.property(SummaryKey.index) == "7")
  }

  @Test("eight writers at once: every row is there once")
  func race() throws {
    let server = try server()
    let lake = lake(catalog(server))
    _ = try lake.publish("SELECT 0::BIGINT AS n, 'x' AS name", id, columns)
    let outcomes = concurrently(Array(1...8), limit: 8) { [id, columns] number in
      let base = try lake.catalog.load(id)
      let schema = try Table.schema(for: columns, over: base, replacesAllRows: false)
      let files = try engine.compute(
        Query(sql: "SELECT \(number)::BIGINT AS n, 'x' AS name", label: "test"),
        into: Output(
          schema: schema,
          location: lake.staging(
            id, run: RunID(start: lake.clock.now()), part: "\(number)")),
        cancellation: .never, progress: { _ in })
      _ = try lake.publisher.publish(id, staged: files) { table, _ in
        .apply(
          Publication(
            update: TableUpdate(schema: schema, added: files, time: lake.clock.now()),
            consumption: nil, changes: nil))
      }
    }
    for outcome in outcomes { _ = try outcome.get() }
    let table = try #require(try lake.catalog.load(id))
    #expect(
      Set(try table.rows().map { $0[0] }) == Set((0...8).map { Value.integer($0) }))
    #expect(table.rowCount == 9)
  }

  @Test("a sweep spares what the version named that was the newest a moment ago")
  func sweep() throws {
    let server = try server()
    let lake = lake(catalog(server))
    let first = try lake.publish("SELECT 1::BIGINT AS n, 'a' AS name", id, columns)
    let old = try #require(try first.dataFiles().first).path
    try FileManager.default.setAttributes(
      [.modificationDate: Date.past(3 * 3600)], ofItemAtPath: old)
    let second = try lake.publish(
      "SELECT 2::BIGINT AS n, 'b' AS name", id, columns, removal: .all)
    var update = TableUpdate(
      operation: .replace, schema: second.schema, time: lake.clock.now())
    update.expired = [try #require(first.metadata.currentSnapshotID)]
    _ = try lake.catalog.commit(update, to: id, base: second)
    func removable(in seconds: Int64) throws -> Bool {
      let sweep = Sweep(
        lake: lake, now: Clock.system.now().adding(seconds: seconds), graceSeconds: 3600,
        oldestRun: nil)
      return try sweep.removable(of: id).contains { old.hasSuffix($0.key) }
    }
    #expect(try !removable(in: 60))
    #expect(try removable(in: 7200))
  }

  // MARK: - Moving

  /// The same tables in a lake that is somewhere else.
  private func lake(_ server: Server, at folder: String) throws -> Lake {
    let store = LocalStore(root: "\(scratch.path)/\(folder)")
    return Lake(
      store: store, clock: .system,
      catalog: RestCatalog(
        RestSettings(uri: server.uri, warehouse: "the warehouse"), store: store,
        opener: StoreOpener(), policy: RetryPolicy(maximumAttempts: 2, baseMilliseconds: 1)))
  }

  /// A table with two snapshots in a lake that was copied.
  private func copied(_ server: Server) throws -> (old: Lake, new: Lake) {
    let old = try lake(server, at: "old")
    _ = try old.publish("SELECT 1::BIGINT AS n, 'a' AS name", id, columns)
    _ = try old.publish("SELECT 2::BIGINT AS n, 'b' AS name", id, columns)
    try FileManager.default.copyItem(
      atPath: "\(scratch.path)/old", toPath: "\(scratch.path)/new")
    return (old, try lake(server, at: "new"))
  }

  @Test(
    "rule 24: a table of a lake that was moved is registered where it is now",
    arguments: [["overwrite"], [], ["register:ok", "register:ok", "register:late"]])
  func relocated(_ manner: [String]) throws {
    let server = try server()
    let (old, new) = try copied(server)
    let before = try #require(try old.catalog.load(id))
    let failure = expectFailure(.invalid) {
      try new.publish("SELECT 3::BIGINT AS n, 'c' AS name", id, columns)
    }
    #expect(failure?.advice?.contains("relocate") == true)
    for line in manner { try server.fail(line) }
    #expect(try Relocation(new).relocate(id) == .moved(from: old.root))
    // Nothing of the old place is needed any more.
    try FileManager.default.removeItem(atPath: old.root)
    let after = try #require(try new.catalog.load(id))
    #expect(after.location == new.store.uri(LakeLayout.table(id)))
    #expect(after.history().map(\.id) == before.history().map(\.id))
    #expect(after.metadata.uuid == before.metadata.uuid)
    #expect(try after.rows().count == 2)
    #expect(try Relocation(new).relocate(id) == .isAtHome)
    let seen = try Python.run("read_rest.py", [server.uri, id.description])
    #expect(seen["rows"]?.array?.count == 2)
    _ = try new.publish("SELECT 3::BIGINT AS n, 'c' AS name", id, columns)
    let published = try #require(try new.catalog.load(id))
    #expect(try published.rows().count == 3)
    #expect(
      try published.reachableKeys().allSatisfy {
        try new.store.head($0) != nil || $0.hasSuffix("version-hint.text")
          || $0.hasSuffix("v1.metadata.json")
      })
  }

  @Test("a catalog that does not take a table at its new place keeps it at the old one")
  func refusedRelocation() throws {
    for faults in [
      ["register:ok", "register:refused"], ["register:ok", "register:ok", "register:refused"],
    ] {
      let scratch = ScratchLake()
      let server = try Server("nobody", in: scratch.path + "/rest")
      let tests = RestCatalogTests()
      let (old, new) = try tests.copied(server)
      for fault in faults { try server.fail(fault) }
      let failure = expectFailure(.refused) { try Relocation(new).relocate(id) }
      #expect(failure?.message.contains("not a place for tables") == true)
      #expect(try old.catalog.load(id)?.rows().count == 2)
      #expect(try Relocation(new).relocate(id) == .moved(from: old.root))
    }
  }

  @Test("what a relocation that was killed has dropped, the next one registers, and nothing else")
  func interruptedRelocation() throws {
    let server = try server()
    let (old, new) = try copied(server)
    for fault in ["register:ok", "register:ok", "register:refused", "register:refused"] {
      try server.fail(fault)
    }
    let failure = expectFailure(.refused) { try Relocation(new).relocate(id) }
    #expect(failure?.message.contains("dropped") == true)
    #expect(try old.catalog.load(id) == nil)
    // Metadata that a commit wrote which did not come to pass is not taken for the newest.
    let names = try new.store.objects(below: LakeLayout.metadataPrefix(id)).map(\.key)
    let stray = try #require(names.first { $0.hasSuffix(".metadata.json") })
    _ = try new.store.put(
      LakeLayout.metadataPrefix(id) + "00009-\(Nonce.uuid()).metadata.json",
      .bytes(try #require(try new.store.get(stray)).bytes), .absent)
    #expect(try Relocation(new).relocate(id) == .moved(from: nil))
    #expect(try new.catalog.load(id)?.rows().count == 2)
    try new.catalog.drop(id)
    try new.store.delete(
      try new.store.objects(below: LakeLayout.metadataPrefix(id)).map(\.key).filter {
        $0.hasSuffix(".metadata.json") && !$0.contains("00009")
      })
    #expect(try Relocation(new).relocate(id) == .isUnknown)
  }

  @Test("a table that is dropped is in the catalog no more, and its files go")
  func drop() throws {
    let server = try server()
    let lake = lake(catalog(server))
    _ = try lake.publish("SELECT 1::BIGINT AS n, 'a' AS name", id, columns)
    #expect(try lake.drop(id) > 0)
    #expect(try lake.catalog.load(id) == nil)
    #expect(try scratch.keys(LakeLayout.tablesPrefix) == [])
    #expect(try lake.drop(id) == 0)
    // The name is free again.
    _ = try lake.publish("SELECT 2::BIGINT AS n, 'b' AS name", id, columns)
    #expect(try lake.catalog.load(id)?.rowCount == 1)
  }

  @Test("credentials that the catalog lends open what lies below their prefix")
  func lent() throws {
    let moto = try PythonTool("moto_server.py", ["bucket"])
    let port = try moto.firstLine()
    // Nothing in the environment leads there.
    let opener = StoreOpener(environment: { _ in nil })
    let keys = AWSCredentials(accessKeyID: "lent", secretAccessKey: "lent-Tn3Wb6")
    opener.lend(
      keys, ["AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:\(port)"],
      for: "s3://bucket/wh/t"
    ) { keys }
    let (store, key) = try opener.locate("s3://bucket/wh/t/data/a")
    #expect(key == "wh/t/data/a")
    _ = try store.put(key, .bytes([1, 2, 3]), .absent)
    let folder = try opener.open("s3://bucket/wh/t/data")
    #expect(try folder.get("a")?.bytes == [1, 2, 3])
  }
}

extension Table {
  /// Whether a stranger's commit is seen as one.
  fileprivate func consumptionHash(orForeign: Bool) throws -> Bool {
    do {
      _ = try consumptionHash()
      return !orForeign
    } catch let error as LakeError {
      return error.code == .foreignCommit && orForeign
    }
  }
}
