import Core
import Engines
import Foundation
import Testing

@testable import Lake

/// Tables that pyiceberg wrote, read by Sluice as pyiceberg and DuckDB read them.
@Suite("Tables of other programs", .enabled(if: Python.path != nil, "no Python with pyiceberg"))
struct ForeignTableTests {
  private let scratch = ScratchLake()
  private let id = TableID("their", "table")

  private func write(_ kind: String) throws -> Table {
    let folder = scratch.store.uri(LakeLayout.table(id))
    _ = try Python.run("write_iceberg.py", [kind, folder, scratch.path + "/work"])
    return try #require(try scratch.lake.catalog.load(id))
  }

  private func read(_ reader: String) throws -> JSON {
    let folder = scratch.store.uri(LakeLayout.table(id))
    return try #require(try Python.run("read_iceberg.py", [folder, reader])[reader])
  }

  @Test(
    "rule 28: rows come as pyiceberg sees them",
    arguments: ["types", "v1", "evolved", "partitioned", "without-ids", "positions"])
  func likePyiceberg(_ kind: String) throws {
    let table = try write(kind)
    let seen = try read("pyiceberg")
    let names = table.schema.fields.map(\.name)
    #expect(names == (seen["columns"]?.array ?? []).compactMap { $0["name"]?.string })
    let rows = try table.canonicalRows()
    #expect(!rows.isEmpty)
    #expect(rows == canonicalRows(seen, names))
  }

  @Test("what Sluice writes again of every type reads the same to others")
  func rewritten() throws {
    let table = try write("types")
    let (before, names) = (try table.canonicalRows(), table.schema.fields.map(\.name))
    let files = try engine.compute(
      Query(
        sql: "SELECT * FROM t",
        inputs: ["t": .files(try table.dataFiles(), schema: table.schema)], label: "test"),
      into: Output(
        schema: table.schema,
        location: scratch.lake.staging(id, run: RunID(start: scratch.lake.clock.now()))),
      cancellation: .never, progress: { _ in })
    let again = try scratch.lake.catalog.commit(
      TableUpdate(
        operation: .replace, schema: table.schema, added: files, removal: .all,
        time: scratch.lake.clock.now()), to: id, base: table)
    #expect(try again.canonicalRows() == before)
    #expect(canonicalRows(try read("pyiceberg"), names) == before)
    #expect(canonicalRows(try read("duckdb"), names) == before)
  }

  @Test(
    "deleted rows are gone, as DuckDB sees it", arguments: ["positions", "equality", "both"])
  func deletes(_ kind: String) throws {
    let table = try write(kind)
    let names = table.schema.fields.map(\.name)
    let rows = try table.canonicalRows()
    #expect(rows == canonicalRows(try read("duckdb"), names))
    #expect(rows.count < 22)
    // Rows that were added after the deletes stay.
    #expect(rows.contains(["id": 100, "name": "n4"]))
  }

  @Test("partitions of every spec that the table had are looked at")
  func pruning() throws {
    let table = try write("partitioned")
    let filter = RowFilter.equal("id", .integer(17))
    let scan = try table.scan(filter)
    #expect(scan.files.count < (try table.dataFiles().count))
    #expect(scan.prunedFileCount + scan.prunedManifestCount > 0)
    #expect(try table.rows(filter, where: "id = 17").count == 1)
  }

  @Test("formats that Sluice does not read are refused by name")
  func refusals() throws {
    let table = try write("positions")
    let manifest = try #require(try table.manifests().first { $0.content == 0 })
    let types = table.metadata.fieldTypes()
    var entries = try table.entries(manifest, types: types)
    entries[0].format = "ORC"
    let spec = try table.spec(manifest.specID)
    let bytes = Manifest.write(
      entries, path: manifest.path, snapshotID: 1, sequenceNumber: 1, schema: table.schema,
      schemaID: 0, spec: spec, types: types
    ).bytes
    try FileManager.default.removeItem(atPath: manifest.path)
    try Data(bytes).write(to: URL(fileURLWithPath: manifest.path))
    let failure = expectFailure(.unsupported) { try table.dataFiles() }
    #expect(failure?.message.contains("ORC") == true)
    #expect(failure?.place.file == entries[0].path)
  }
}
