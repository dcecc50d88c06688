import Core
import Foundation
import Stores
import TestSupport
import Testing

/// Source, lake and export each on an object store, with nothing but the bucket to remember by.
@Suite(
  "Page views on object stores", .serialized,
  .enabled(if: Repository.canRun, Comment(rawValue: Repository.whyNot)),
  .enabled(if: Python.hasVenv, Comment(rawValue: Python.whyNoVenv)))
struct RemoteTests {
  private static let hour = "2024-01-01T05"
  private static let lines =
    "aa B 3 0\naa A 3 0\nnot a line\naa C 1 0\nen.m Main_Page 7 0\nde \"Z 2 0\n"

  /// A project that reads from and writes to the server.
  private func project(on server: ObjectServer) throws -> (PageviewsProject, [String: String]) {
    let project = try PageviewsProject()
    var variables = server.variables
    variables["PAGEVIEWS_URL"] = server.address("dumps")
    variables["SLUICE_LAKE"] = server.address("lake")
    variables["PAGEVIEWS_OUT"] = server.address("out")
    return (project, variables)
  }

  private func stage(_ hour: String, _ text: String, on server: ObjectServer) throws {
    let key = PageviewsProject.dumpPath(hour)
    _ = try server.store("dumps").put(key, .bytes(Gzip.compress(text)), .always)
  }

  /// The exported CSV, as the marker names it.
  private func csv(_ hour: String, on server: ObjectServer) throws -> String {
    let store = try server.store("out/format=csv/\(PageviewsProject.partitionPath(hour))")
    let marker = try JSON(parsing: #require(try store.get("_SUCCESS")).bytes)
    let name = try #require(marker["files"]?.array?.first?["name"]?.string)
    let packed = try #require(try store.get(name)).bytes
    return String(decoding: try Gzip.decompress(packed), as: UTF8.self)
  }

  @Test("an hour goes from bucket to bucket; a machine with nothing on it goes on from there")
  func bucketToBucket() throws {
    for kind in ObjectServer.Kind.allCases {
      let server = try ObjectServer(kind)
      try stage(Self.hour, Self.lines, on: server)
      let (project, variables) = try project(on: server)
      let first = try project.sluice(
        "run", "pageviews", "--from", Self.hour, variables: variables)
      #expect(first.exitCode == 0, "\(kind): \(first)")
      let local = try project.stage(Self.hour, Self.lines)
      #expect(try csv(Self.hour, on: server) == Oracle.csv([local]), "\(kind)")

      // Another machine: another project folder, no cache.
      let (other, _) = try self.project(on: server)
      // Its block list is another file there, so the log says; the tables stay as they are.
      func published() throws -> [Version] {
        try ["lake/tables", "lake/state", "out"].flatMap { prefix in
          try server.store(prefix).objects(below: "").map(\.version)
        }
      }
      let before = try published()
      let again = try other.sluice(
        "run", "pageviews", "--from", Self.hour, variables: variables)
      #expect(again.exitCode == 0, "\(kind): \(again)")
      #expect(again.standardOutput.contains("up to date"), "\(kind): \(again)")
      #expect(try published() == before, "\(kind)")
      let rows = try other.sluice(
        "query", "SELECT domain, page, views FROM top_pages ORDER BY ALL", "--format", "csv",
        variables: variables)
      #expect(
        rows.standardOutput
          == "domain,page,views\naa,A,3\naa,B,3\naa,C,1\nde,\"\"\"Z\",2\nen.m,Main_Page,7\n",
        "\(kind): \(rows)")

      try stage("2024-01-01T06", "zz Z 1 0\n", on: server)
      let next = try other.sluice(
        "run", "pageviews", "--from", Self.hour, "--to", "2024-01-01T07", variables: variables)
      #expect(next.exitCode == 0, "\(kind): \(next)")
      let quarantined = try other.sluice(
        "query", "SELECT source_row, row FROM pageviews.quarantine", "--format", "csv",
        variables: variables)
      #expect(
        quarantined.standardOutput == "source_row,row\n3,not a line\n", "\(kind): \(quarantined)")
    }
  }

  @Test("pyiceberg reads the table from S3")
  func otherReaders() throws {
    let server = try ObjectServer(.s3)
    try stage(Self.hour, Self.lines, on: server)
    let (project, variables) = try project(on: server)
    let outcome = try project.sluice("run", "pageviews", "--from", Self.hour, variables: variables)
    #expect(outcome.exitCode == 0, "\(outcome)")
    let read = try Python.run(
      "read_bucket.py",
      [server.address("lake/tables/pageviews/top_pages/metadata/v1.metadata.json")],
      interpreter: Python.venv, variables: variables)
    let rows = try String(decoding: read, as: UTF8.self).split(separator: "\n").map {
      try JSON(parsing: String($0))
    }
    #expect(
      rows.map { "\($0["domain"]?.string ?? "") \($0["page"]?.string ?? "")" } == [
        "aa A", "aa B", "aa C", "de \"Z", "en.m Main_Page",
      ])
    #expect(rows.allSatisfy { $0["interval_start"] == "2024-01-01 05:00:00" })
  }

  @Test("rule 24: a lake that is copied from a folder into a bucket goes on there")
  func relocated() throws {
    let server = try ObjectServer(.s3)
    let project = try PageviewsProject()
    try project.stage(Self.hour, Self.lines)
    try project.mustRun(["run", "pageviews", "--from", Self.hour])
    try project.stage(Self.hour, Self.lines + "zz Z 1 0\n")
    try project.mustRun(["run", "pageviews", "--from", Self.hour, "--force"])
    let rows = ["query", "FROM top_pages ORDER BY ALL", "--format", "csv"]
    let expected = try project.run(rows).standardOutput
    let bucket = try server.store("lake")
    for path in try project.listing("lake").keys {
      let bytes = [UInt8](try Data(contentsOf: project.lake.appending(path: path)))
      _ = try bucket.put(path, .bytes(bytes), .always)
    }
    try FileManager.default.removeItem(at: project.lake)

    var variables = server.variables
    variables["SLUICE_LAKE"] = server.address("lake")
    let early = try project.run(rows, variables: variables)
    #expect(early.exitCode != 0 && early.standardError.contains("relocate"), "\(early)")
    for isFirst in [true, false] {
      let outcome = try project.sluice("state", "relocate", "--json", variables: variables)
      #expect(outcome.exitCode == 0, "\(outcome)")
      #expect(try outcome.json().map { $0["changed"] } == [.boolean(isFirst), .boolean(isFirst)])
    }
    #expect(try project.run(rows, variables: variables).standardOutput == expected)
    let read = try Python.run(
      "read_bucket.py",
      [server.address("lake/tables/pageviews/top_pages/metadata/v3.metadata.json")],
      interpreter: Python.venv, variables: variables)
    #expect(String(decoding: read, as: UTF8.self).split(separator: "\n").count == 6)
    try project.stage("2024-01-01T06", "zz Z 1 0\n")
    let next = try project.sluice(
      "run", "pageviews", "--from", Self.hour, "--to", "2024-01-01T07", "--json",
      variables: variables)
    #expect(
      try next.json().filter { $0["type"] == "unit" }.map { $0["status"] }
        == ["upToDate", "published"], "\(next)")
    let maintained = try project.sluice("maintain", variables: variables)
    #expect(maintained.exitCode == 0, "\(maintained)")
  }

  @Test("rule 24: a moved lake goes on there when a REST catalog keeps its tables, too")
  func relocatedInCatalog() throws {
    let project = try PageviewsProject()
    try Goods.write(to: project)
    let work = project.root.appending(path: "rest")
    try FileManager.default.createDirectory(at: work, withIntermediateDirectories: true)
    let rest = try PythonTool("rest_catalog.py", [work.path, "nobody"])
    try project.edit(
      "sluice.yaml", "catalog: storage",
      "catalog: {use: rest, uri: \"http://127.0.0.1:\(try rest.firstLine())\", "
        + "warehouse: the warehouse}")
    func silver() throws -> [String] {
      let rows = try project.run([
        "query", "SELECT id || ' ' || owner || ' ' || amount AS row FROM goods.silver ORDER BY 1",
        "--json",
      ])
      return try rows.json().compactMap { $0["row"]?.string }
    }
    try Goods.fill(project)
    try project.mustRun(["run", "goods", "--lake", "elsewhere/lake"])
    // Such a catalog reads what it knows of a table where it has been, until it is told.
    let old = project.root.appending(path: "elsewhere/lake")
    try FileManager.default.copyItem(at: old, to: project.lake)
    try Goods.change(project)
    let early = try project.run(["run", "goods"])
    #expect(early.exitCode != 0 && early.standardError.contains("relocate"), "\(early)")
    for isFirst in [true, false] {
      let outcome = try project.sluice("state", "relocate", "--json")
      #expect(outcome.exitCode == 0, "\(outcome)")
      let changes = try outcome.json().map { $0["changed"] }
      #expect(!changes.isEmpty && changes.allSatisfy { $0 == .boolean(isFirst) }, "\(outcome)")
    }
    try FileManager.default.removeItem(at: old)
    try project.mustRun(["run", "goods"])
    #expect(try silver() == Goods.silver)
  }

  @Test("a run that is killed at any of its calls to the bucket is made good by the next")
  func killed() throws {
    let server = try ObjectServer(.gs)
    try stage(Self.hour, Self.lines, on: server)
    let (whole, variables) = try project(on: server)
    func lake(_ name: String) -> [String: String] {
      variables.merging(
        ["SLUICE_LAKE": server.address(name), "PAGEVIEWS_OUT": server.address("\(name)-out")]
      ) { $1 }
    }
    let command = ["run", "pageviews", "--from", Self.hour]
    let (outcome, mutations) = try whole.traced(command, variables: lake("whole"))
    #expect(outcome.exitCode == 0, "\(outcome)")
    let query = ["query", "SELECT * EXCLUDE (interval_end) FROM top_pages ORDER BY ALL", "--json"]
    let expected = try whole.run(query, variables: lake("whole")).standardOutput
    #expect(mutations.count > 15)
    for number in stride(from: 2, through: mutations.count, by: 9) {
      let place = lake("killed-\(number)")
      let (project, _) = try self.project(on: server)
      _ = try project.killed(command, at: "after:\(number)", variables: place)
      let again = try project.run(command, variables: place)
      #expect(again.exitCode == 0, "killed after \(mutations[number - 1]): \(again)")
      #expect(try project.run(query, variables: place).standardOutput == expected)
    }
  }

  @Test("credentials are in nothing that is written: output, logs, plans, records, the lake")
  func canary() throws {
    let server = try ObjectServer(.s3)
    try stage(Self.hour, Self.lines, on: server)
    let (project, variables) = try project(on: server)
    var written = ""
    for arguments in [
      ["plan", "--json"], ["run", "--json"], ["history", "--json"], ["state", "--json"], ["check"],
      ["query", "SELECT * FROM nowhere"],
      ["run", "--set", "top=x"], ["plan", "--lake", "s3://no-such-bucket/lake"],
    ] {
      let outcome = try project.run(
        arguments + (arguments.first == "query" ? [] : ["--quiet"]), variables: variables)
      written += outcome.description
    }
    var broken = variables
    broken["AWS_ENDPOINT_URL"] = "http://127.0.0.1:1"
    written += try project.sluice("plan", "--lake", "s3://bucket/other", variables: broken)
      .description
    #expect(!written.contains(ObjectServer.canary), "\(written)")
    let store = try server.store("")
    for object in try store.objects(below: "") {
      let bytes = try #require(try store.get(object.key)).bytes
      #expect(
        !String(decoding: bytes, as: UTF8.self).contains(ObjectServer.canary), "\(object.key)")
    }
  }
}
