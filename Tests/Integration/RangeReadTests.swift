import Core
import Engines
import Foundation
import Stores
import Synchronization
import TestSupport
import Testing
import Transport

/// Large files of a lake in S3: DuckDB fetches the parts that a query needs.
@Suite(
  "Reading by range", .enabled(if: Python.hasVenv, Comment(rawValue: Python.whyNoVenv)),
  .enabled(
    if: FileManager.default.isReadableFile(
      atPath: Repository.path(".deps/lib/httpfs.duckdb_extension")),
    "needs DuckDB's httpfs (scripts/fetch-httpfs)"))
struct RangeReadTests {
  static let schema = Schema([
    Field(id: 1, name: "n", type: .bigint), Field(id: 2, name: "t", type: .string),
  ])
  static let rowCount: Int64 = 400_000

  /// Puts a file of some 14 MB into the bucket.
  ///
  /// - Parameter folder: Where it is made.
  static func file(on server: ObjectServer, by folder: String) throws -> DataFile {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let made = try DuckDBEngine(settings: DuckDBSettings(spillDirectory: folder)).compute(
      Query(
        sql: "SELECT i AS n, md5(i::varchar) || md5((-i)::varchar) AS t "
          + "FROM (SELECT unnest(range($count)) AS i)",
        parameters: ["count": .integer(rowCount)]),
      into: Output(schema: schema, location: folder + "/made", sort: [Output.SortKey("n")]),
      cancellation: .never, progress: { _ in })
    var file = try #require(made.first)
    #expect(made.count == 1 && file.byteCount > 8 << 20)
    _ = try server.store("lake").put("data/big.parquet", .file(path: file.path), .absent)
    file.path = "s3://bucket/lake/data/big.parquet"
    return file
  }

  /// An engine whose cache is in its folder.
  static func engine(
    in folder: String, _ variables: [String: String], lake: String = "s3://bucket/lake",
    rangedByteCount: Int64 = 1 << 20, trusting certificateFile: String? = nil
  ) -> RemoteEngine {
    let settings = DuckDBSettings(
      spillDirectory: folder, allowedDirectories: [lake, folder],
      s3: S3Reading(certificateFile: certificateFile))
    return RemoteEngine(
      DuckDBEngine(settings: settings),
      opener: StoreOpener(
        policy: RetryPolicy(baseMilliseconds: 1, maximumMilliseconds: 2),
        environment: { variables[$0] }),
      cache: ObjectCache(directory: folder + "/cache", maximumByteCount: 1 << 30),
      scratch: folder, rangedByteCount: rangedByteCount)
  }

  /// What a query for a few rows gives.
  static func rows(of file: DataFile, _ engine: RemoteEngine) throws -> [[Value]] {
    try engine.rows(
      Query(
        sql: "SELECT n, t FROM big WHERE n BETWEEN 7 AND 9 ORDER BY n",
        inputs: ["big": .files([file], schema: schema)]), cancellation: .never
    ).rows
  }

  /// A bucket with a file of some 14 MB behind a proxy, and what went over the wire.
  final class Place: Sendable {
    let server: ObjectServer
    let proxy: FaultProxy
    let folder = FileManager.default.temporaryDirectory.path + "/range-\(UUID().uuidString)"
    let file: DataFile

    private struct Traffic {
      var byteCount = 0
      var fault: FaultProxy.Fault?
    }
    private let traffic: Traffics

    /// Bytes of objects, and how they are spoilt.
    private final class Traffics: Sendable {
      let state = Mutex(Traffic())
    }

    init() throws {
      let traffic = Traffics()
      let server = try ObjectServer(.s3)
      proxy = FaultProxy(to: server.url) { request in
        guard request.target.contains("big.parquet") else { return nil }
        if request.headers["user-agent"]?.contains("duckdb") == true,
          let fault = traffic.state.withLock({ $0.fault })
        {
          return fault
        }
        return .spoils { reply in
          traffic.state.withLock { $0.byteCount += request.method == "GET" ? reply.body.count : 0 }
        }
      }
      (self.server, self.traffic) = (server, traffic)
      file = try RangeReadTests.file(on: server, by: folder)
    }

    deinit { try? FileManager.default.removeItem(atPath: folder) }

    /// An engine with a cache of its own.
    func engine(
      _ name: String, byRange: Bool = true, lake: String = "s3://bucket/lake",
      _ others: [String: String?] = [:]
    ) -> RemoteEngine {
      var variables = server.variables
      variables["AWS_ENDPOINT_URL"] = proxy.address
      for (name, value) in others { variables[name] = value }
      return RangeReadTests.engine(
        in: folder + "/" + name, variables, lake: lake, rangedByteCount: byRange ? 1 << 20 : .max)
    }

    /// What a query for a few rows gives, and the bytes that came for it.
    func ask(_ engine: RemoteEngine) throws -> (rows: [[Value]], byteCount: Int) {
      let before = traffic.state.withLock { $0.byteCount }
      let rows = try RangeReadTests.rows(of: file, engine)
      return (rows, traffic.state.withLock { $0.byteCount } - before)
    }

    func spoil(_ fault: FaultProxy.Fault?) { traffic.state.withLock { $0.fault = fault } }

    /// The requests for the file that DuckDB made itself.
    var own: [WebServer.Request] {
      proxy.requests.filter {
        $0.target.contains("big.parquet") && $0.headers["user-agent"]?.contains("duckdb") == true
      }
    }
  }

  @Test("rule 25: of a large file in S3 a query fetches what it needs, with the same credentials")
  func byRange() throws {
    let place = try Place()
    let whole = try place.ask(place.engine("whole", byRange: false))
    #expect(whole.byteCount >= Int(place.file.byteCount) && place.own.isEmpty)
    let ranged = try place.ask(place.engine("ranged"))
    #expect(
      ranged.rows == whole.rows && ranged.rows.map { $0[0] } == [7, 8, 9].map { .integer($0) })
    #expect(ranged.byteCount > 0 && ranged.byteCount * 2 < Int(place.file.byteCount))
    #expect(!place.own.isEmpty)
    for request in place.own {
      #expect(request.headers["authorization"]?.contains("AKIACANARYCANARYCANA") == true)
      #expect(request.headers["x-amz-security-token"] == ObjectServer.canary)
    }
  }

  @Test("rule 25: anonymous readers sign nothing")
  func anonymous() throws {
    let place = try Place()
    // moto lets the anonymous read what is public, and takes any signature for the owner's.
    let opened = try HTTPClient().fetch(
      HTTPRequest(
        .put, place.server.url + "/bucket/lake/data/big.parquet?acl",
        headers: [
          (
            "Authorization",
            "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/s3/aws4_request, "
              + "SignedHeaders=host, Signature=any"
          ), ("x-amz-acl", "public-read"),
        ])
    ).0
    try #require(opened.isSuccess)
    let none: [String: String?] = [
      "AWS_NO_SIGN_REQUEST": "1", "AWS_ACCESS_KEY_ID": nil, "AWS_SECRET_ACCESS_KEY": nil,
      "AWS_SESSION_TOKEN": nil,
    ]
    #expect(try place.ask(place.engine("anonymous", none)).rows.count == 3)
    #expect(!place.own.isEmpty)
    #expect(place.own.allSatisfy { $0.headers["authorization"] == nil })
  }

  @Test("rule 25: what is here already, or outside the lake, is not read by range")
  func fromCache() throws {
    let place = try Place()
    let outside = try place.ask(place.engine("outside", lake: "s3://bucket/la"))
    #expect(outside.rows.count == 3 && outside.byteCount >= Int(place.file.byteCount))
    // The same folder as the one before: the file is there.
    let cached = try place.ask(place.engine("outside"))
    #expect(cached.rows == outside.rows && cached.byteCount == 0)
    #expect(place.own.isEmpty)
    // A proxy's way is not DuckDB's.
    let proxied = try place.ask(
      place.engine("proxied", ["http_proxy": "http://127.0.0.1:9"]))
    #expect(proxied.rows == outside.rows && place.own.isEmpty)
  }

  @Test("rule 25: what S3 says of credentials to DuckDB is not passed on")
  func secrets() throws {
    let place = try Place()
    let engine = place.engine("denied")
    #expect(try place.ask(engine).rows.count == 3)
    let echo = "<Token-0>\(ObjectServer.canary)</Token-0>"
    place.spoil(.answers(FaultProxy.s3Error(403, "AccessDenied", extra: echo)))
    var text = ""
    do {
      _ = try place.ask(place.engine("denied"))
    } catch {
      text = "\(error)"
    }
    #expect(!text.isEmpty && !text.contains(ObjectServer.canary), "\(text)")
  }

  @Test(
    "rule 25: ranges, too, come from a server that only AWS_CA_BUNDLE vouches for",
    .enabled(if: TestCertificate.openssl != nil, "\(TestCertificate.whyNot)"))
  func ownAuthority() throws {
    let certificate = try TestCertificate()
    let server = try ObjectServer(.s3, certificate: certificate)
    let folder = FileManager.default.temporaryDirectory.path + "/range-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let file = try Self.file(on: server, by: folder)
    let variables = server.variables
    let opener = StoreOpener(environment: { variables[$0] })
    #expect(opener.s3CertificateFile == certificate.path)

    let trusting = folder + "/trusting"
    let rows = try Self.rows(
      of: file, Self.engine(in: trusting, variables, trusting: opener.s3CertificateFile))
    #expect(rows.map { $0[0] } == [7, 8, 9].map { .integer($0) })
    // Nothing came by the cache.
    #expect(!FileManager.default.fileExists(atPath: trusting + "/cache"))

    // Where only this process trusts the server, DuckDB says what is wrong.
    var text = ""
    do {
      _ = try Self.rows(of: file, Self.engine(in: folder + "/wary", variables))
    } catch {
      text = "\(error)"
    }
    #expect(text.contains("certificate") && !text.contains(ObjectServer.canary), "\(text)")
  }
}
