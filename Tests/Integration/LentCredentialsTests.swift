import Core
import Foundation
import TestSupport
import Testing

/// A lake whose tables a REST catalog keeps: their files open to keys that the catalog lends for a
/// few requests, and to no others.
@Suite(
  "Credentials that a catalog lends",
  .enabled(if: Repository.canRun, Comment(rawValue: Repository.whyNot)),
  .enabled(if: Python.hasVenv, Comment(rawValue: Python.whyNoVenv)))
struct LentCredentialsTests {
  @Test("runs, queries and maintenance reach tables by lent keys alone, and renew them")
  func whole() throws {
    let project = try PageviewsProject()
    try Goods.write(to: project)
    let keys = project.root.appending(path: "keys.json").path
    let s3 = try PythonTool("moto_server.py", ["--lent", keys, "6", "bucket"])
    let endpoint = "http://127.0.0.1:\(try s3.firstLine())"
    let work = project.root.appending(path: "rest")
    try FileManager.default.createDirectory(at: work, withIntermediateDirectories: true)
    let rest = try PythonTool("rest_catalog.py", [work.path, "nobody", endpoint, keys])
    let uri = "http://127.0.0.1:\(try rest.firstLine())"
    try project.edit(
      "sluice.yaml", "catalog: storage",
      "catalog: {use: rest, uri: \"\(uri)\", warehouse: the warehouse}")
    let variables = [
      "SLUICE_LAKE": "s3://bucket/lake", "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "us-east-1",
      "AWS_ACCESS_KEY_ID": "lake-key", "AWS_SECRET_ACCESS_KEY": "lake-secret-Pq5",
    ]
    func done(_ arguments: String...) throws -> Outcome {
      let outcome = try project.run(arguments, variables: variables)
      #expect(outcome.exitCode == 0, "\(outcome)")
      return outcome
    }
    func counts() throws -> (used: Int64, expired: Int64, refused: Int64) {
      let counts = try JSON(parsing: s3.ask("how often?"))
      return (
        counts["used"]?.integer ?? -1, counts["expired"]?.integer ?? -1,
        counts["refused"]?.integer ?? -1
      )
    }

    try Goods.fill(project)
    _ = try done("run", "goods")
    let first = try counts()
    #expect(first.used > 0)
    try Goods.change(project)
    _ = try done("run", "goods")
    let rows = try done(
      "query", "SELECT id || ' ' || owner || ' ' || amount AS row FROM goods.silver ORDER BY 1",
      "--json")
    #expect(try rows.json().compactMap { $0["row"]?.string } == Goods.silver)
    _ = try done("maintain", "goods")
    let again = try done("run", "goods", "--json")
    #expect(try again.json().last?["status"] == "unchanged")
    let last = try counts()
    #expect(last.used > first.used)
    #expect(last.expired > 0)
    #expect(last.refused == 0)
  }
}
