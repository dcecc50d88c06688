import Core
import Engines
import Foundation
import Testing

@Suite struct ParquetTests {
  static let numbers = RowSet(
    schema: schema(("n", .bigint)), rows: (0..<1000).map { [.integer(Int64($0))] })

  /// Computes and reads back, next to what was written.
  static func compute(
    _ sql: String, _ table: Schema, sort: [Output.SortKey] = [], folder: TemporaryFolder,
    on engine: DuckDBEngine = engine
  ) throws -> [DataFile] {
    try engine.compute(
      Query(sql: sql, inputs: ["numbers": .rows(numbers)], label: "p.m"),
      into: Output(schema: table, location: "\(folder.path)/out", sort: sort))
  }

  @Test func filesAreWhatTheyAreSaidToBe() throws {
    let folder = TemporaryFolder()
    let table = schema(("n", .bigint), ("s", .string))
    let files = try ParquetTests.compute(
      "SELECT n, 's' || n AS s FROM numbers", table, folder: folder)
    #expect(files.map(\.rowCount).reduce(0, +) == 1000)
    for file in files {
      #expect(file.path.hasPrefix("\(folder.path)/out/part-"))
      #expect(!file.path.contains("//"))
      let size = try FileManager.default.attributesOfItem(atPath: file.path)[.size] as? Int64
      #expect(size == file.byteCount)
    }
    #expect(folder.files.count == files.count + 1)
  }

  @Test func noRowsMakeNoFiles() throws {
    for sort in [[], [Output.SortKey("n")]] {
      let folder = TemporaryFolder()
      let files = try ParquetTests.compute(
        "SELECT n FROM numbers WHERE n < 0", schema(("n", .bigint)), sort: sort, folder: folder)
      #expect(files == [])
      #expect(folder.files == ["out"])
    }
  }

  @Test func aFailureLeavesNothing() throws {
    for sort in [[], [Output.SortKey("n")]] {
      let folder = TemporaryFolder()
      let error = engineError {
        _ = try ParquetTests.compute(
          "SELECT CASE WHEN n < 900 THEN n ELSE error('bad row') END AS n FROM numbers",
          schema(("n", .bigint)), sort: sort, folder: folder)
      }
      #expect(error?.message.contains("bad row") == true)
      #expect(folder.files.filter { $0.hasSuffix(".parquet") } == [])
    }
  }

  @Test("what an input reports after its last row undoes the output")
  func lateDamage() throws {
    let folder = TemporaryFolder()
    let source = BatchTests.numbers(5000, failure: BatchTests.Damaged(line: 1))
    #expect(throws: BatchTests.Damaged(line: 1)) {
      try engine.compute(
        Query(sql: "SELECT i FROM b LIMIT 3", inputs: ["b": .batches(source)]),
        into: Output(schema: schema(("i", .bigint)), location: folder.path))
    }
    #expect(folder.files == [])
  }

  @Test("nulls first, strings by bytes", arguments: [1, 100_000])
  func sorted(_ copies: Int) throws {
    let folder = TemporaryFolder()
    let texts: [String?] = ["b", nil, "B", "a", "é", "ä", "z", "", "~"]
    let rows = RowSet(
      schema: schema(("s", .string)), rows: texts.map { [$0.map { .string($0) } ?? .null] })
    let table = schema(("s", .string), ("i", .int))
    let files = try engine.compute(
      Query(
        sql: "SELECT s, i::int AS i FROM t, (SELECT unnest(range($n)) AS i)",
        parameters: ["n": .integer(Int64(copies))], inputs: ["t": .rows(rows)]),
      into: Output(
        schema: table, location: folder.path, sort: [.init("s"), .init("i", isDescending: true)]))
    #expect(files.count == 1)
    // Read in the order of the file.
    let stored = try python(
      "import pyarrow.parquet as q, sys; t = q.read_table(sys.argv[1]); "
        + "print(t['s'].to_pylist()[::\(copies)]); print(all(a >= b for a, b in "
        + "zip(t['i'].to_pylist(), t['i'].to_pylist()[1:]) if a != 0))", files[0].path)
    if let stored {
      #expect(stored == "[None, '', 'B', 'a', 'b', 'z', '~', 'ä', 'é']\nTrue\n")
    }
  }

  @Test("rule 28: files are read by field ID", arguments: [true, false])
  func fieldIDs(_ isSorted: Bool) throws {
    let folder = TemporaryFolder()
    let written = Schema([
      Field(id: 4, name: "a", type: .int), Field(id: 9, name: "it's \"b\"", type: .string),
      Field(id: 12, name: "c", type: .list(element: Field(id: 13, name: "element", type: .int))),
    ])
    let files = try engine.compute(
      Query(sql: "SELECT 1 AS a, 'x' AS \"it's \"\"b\"\"\", [1, 2] AS c"),
      into: Output(
        schema: written, location: "\(folder.path)/a=7/[x]*?'", sort: isSorted ? [.init("a")] : []))
    // The same columns under other names, in another order, widened, with one that is new; and a
    // folder's name that looks like a partition says nothing about the column a.
    let wanted = Schema([
      Field(id: 9, name: "a", type: .string), Field(id: 99, name: "added", type: .date),
      Field(id: 4, name: "wide", type: .bigint),
      Field(id: 12, name: "l", type: .list(element: Field(id: 13, name: "element", type: .bigint))),
    ])
    let inputs: [String: Query.Input] = ["f": .files(files, schema: wanted)]
    #expect(
      try engine.rows("SELECT * FROM f", [:], inputs)
        == [[.string("x"), .null, .integer(1), .list([.integer(1), .integer(2)])]])
    #expect(try engine.rows("SELECT added FROM f WHERE wide = 1", [:], inputs) == [[.null]])
  }

  @Test func noFilesAreAnEmptyTable() throws {
    let table = schema(
      ("a", .int),
      ("b", .map(key: Field(name: "key", type: .string), value: Field(name: "value", type: .uuid))))
    let result = try engine.rows(
      Query(sql: "SELECT * FROM f", inputs: ["f": .files([], schema: table)]), cancellation: .never)
    #expect(result.rows == [])
    #expect(result.schema.fields.map(\.type.description) == table.fields.map(\.type.description))
  }

  @Test("large results are several files", arguments: [true, false])
  func split(_ isSorted: Bool) throws {
    let folder = TemporaryFolder()
    let small = DuckDBEngine(settings: DuckDBSettings(threads: 2, fileBytes: 400_000))
    let table = schema(("h", .bigint), ("i", .bigint))
    let files = try ParquetTests.compute(
      "SELECT (hash(n, m) >> 1)::bigint AS h, n * 1000 + m AS i "
        + "FROM numbers, (SELECT n AS m FROM numbers)", table,
      sort: isSorted ? [.init("h")] : [], folder: folder, on: small)
    #expect(files.count > 5)
    #expect(files.map(\.rowCount).reduce(0, +) == 1_000_000)
    #expect(
      Set(folder.files.filter { $0.hasSuffix(".parquet") })
        == Set(files.map { String($0.path.dropFirst(folder.path.count + 1)) }))
    let sums = try engine.rows(
      "SELECT count(*), count(DISTINCT i), min(i), max(i) FROM f", [:],
      ["f": .files(files, schema: table)])
    #expect(sums == [[.integer(1_000_000), .integer(1_000_000), .integer(0), .integer(999_999)]])
    guard isSorted else { return }
    // Each file takes up where the one before it ended.
    for (before, after) in zip(files, files.dropFirst()) {
      guard case .integer(let end)? = before.columns[1]?.upper,
        case .integer(let start)? = after.columns[1]?.lower
      else { Issue.record("no bounds"); continue }
      #expect(end <= start)
    }
  }

  @Test("rule 25: what does not fit in memory goes to the spill directory")
  func spills() throws {
    let folder = TemporaryFolder()
    let spill = "\(folder.path)/spill"
    let small = DuckDBEngine(
      settings: DuckDBSettings(memoryBytes: 128 << 20, threads: 2, spillDirectory: spill))
    let table = schema(("s", .string), ("i", .bigint))
    // About 250 MB of rows to be sorted in 128 MB.
    let largest = Peak()
    let done = Cancellation()
    let watcher = startThread {
      while !done.isCancelled {
        largest.note(diskUsage(spill))
        usleep(2000)
      }
    }
    let files = try ParquetTests.compute(
      "SELECT repeat(md5((n * 2000 + m)::varchar), 8) AS s, n * 2000 + m AS i FROM numbers, "
        + "(SELECT n AS m FROM numbers)", table, sort: [.init("s")], folder: folder, on: small)
    done.cancel()
    pthread_join(watcher, nil)
    #expect(files.map(\.rowCount).reduce(0, +) == 1_000_000)
    #expect(largest.value > 16 << 20)
    #expect(diskUsage(spill) < 1 << 20)
  }

  @Test func memoryThatDoesNotSufficeIsSaidSo() throws {
    let folder = TemporaryFolder()
    let small = DuckDBEngine(
      settings: DuckDBSettings(memoryBytes: 20 << 20, threads: 1, spillDirectory: folder.path))
    let error = try #require(
      engineError {
        _ = try small.rows(
          "SELECT length(string_agg(repeat('x', 1000), ''))::bigint AS l FROM n, (SELECT n AS m FROM n)",
          [:], ["n": .rows(ParquetTests.numbers)])
      })
    #expect(error.code == .exhausted)
    #expect(error.advice?.contains("--memory") == true)
  }

  @Test func progressEndsAtOne() throws {
    let folder = TemporaryFolder()
    let seen = Peak()
    _ = try engine.compute(
      Query(sql: "SELECT i FROM b", inputs: ["b": .batches(BatchTests.numbers(10_000))]),
      into: Output(schema: schema(("i", .bigint)), location: folder.path), cancellation: .never
    ) { seen.note(Int64($0 * 1000)) }
    #expect(seen.value == 1000)
  }
}
