import Core
import Engines
import Testing

/// Batches that become Parquet without a query: read back by DuckDB and by pyarrow.
@Suite struct BatchOutputTests {
  static let list = FieldType.list(element: Field(name: "element", type: .bigint))
  static let schema = EnginesTests.schema(("i", .bigint), ("s", .string), ("l", list))

  struct Row: Equatable {
    var number: Int64
    var text: String
    var list: [Int64]

    var values: [Value] {
      [.integer(number), .string(text), .list(list.map { .integer($0) })]
    }
  }

  static func batch(_ rows: ArraySlice<Row>) -> ColumnBatch {
    var batch = ColumnBatch.strings(rows.map(\.text))
    batch.columns[0].nulls = nil
    batch.columns.insert(.init(values: .int64(rows.map(\.number))), at: 0)
    var offsets: [UInt32] = [0]
    for row in rows { offsets.append(offsets.last! + UInt32(row.list.count)) }
    batch.columns.append(
      .init(values: .int64Lists(offsets: offsets, elements: rows.flatMap(\.list))))
    return batch
  }

  static func source(_ rows: [Row], size: Int, failure: (any Error)? = nil) -> FixedBatches {
    FixedBatches(
      schema,
      stride(from: 0, to: rows.count, by: size).map {
        batch(rows[$0..<min(rows.count, $0 + size)])
      }, readerLimit: 1, failure: failure)
  }

  private func write(
    _ source: FixedBatches, _ folder: TemporaryFolder, _ schema: Schema = schema
  ) throws -> [DataFile] {
    try engine.write(
      source, into: Output(schema: schema, location: folder.path + "/out"), label: "rows",
      cancellation: .never)
  }

  /// What DuckDB finds in the files, by number.
  private func read(_ files: [DataFile], _ schema: Schema = schema) throws -> [[Value]] {
    try engine.rows("SELECT * FROM f ORDER BY i", [:], ["f": .files(files, schema: schema)])
  }

  /// What pyarrow finds in them: a line a row, in order; nil where there is no Python.
  private func lines(_ files: [DataFile]) throws -> [Substring]? {
    let program = """
      import sys, pyarrow.parquet as p
      for name in sys.argv[1:]:
          for row in p.read_table(name).to_pylist():
              print(row['i'], row['s'], *row['l'])
      """
    guard files.count == 1 else { return nil }
    return try python(program, files[0].path)?
      .split(separator: "\n", omittingEmptySubsequences: true)
  }

  /// Rows with lists of all the lengths at which something begins anew: a byte of levels, a
  /// miniblock, a block.
  static func rows(_ count: Int) -> [Row] {
    let lengths = [1, 7, 8, 9, 31, 32, 33, 34, 127, 128, 129, 130, 1000, 0, 2]
    return (0..<count).map { index in
      let length = lengths[index % lengths.count]
      return Row(
        number: Int64(index), text: String(repeating: "é\(index % 10)", count: index % 5 + 1),
        list: (0..<length).map { Int64(index * 31 + $0 * $0 % 17 + $0) })
    }
  }

  @Test(
    "what is written is what is read, in its order",
    arguments: [(1, 1), (2, 1), (15, 7), (16_384, 20_000), (16_385, 20_000), (20_000, 999)])
  func roundTrip(_ count: Int, _ size: Int) throws {
    let folder = TemporaryFolder()
    let rows = BatchOutputTests.rows(count)
    let files = try write(BatchOutputTests.source(rows, size: size), folder)
    #expect(files.map(\.rowCount) == [Int64(count)])
    #expect(files.map(\.byteCount) == [diskUsage(folder.path + "/out")])
    #expect(try read(files) == rows.map(\.values))
    if let lines = try lines(files) {
      #expect(
        lines
          == rows.map { row in
            ([String(row.number), row.text] + row.list.map(String.init)).joined(separator: " ")[...]
          })
    }
  }

  @Test(
    "texts are written without what they share, whatever their order; bounds are right",
    arguments: [
      ["a"], [""], ["", ""], ["b", "a"], ["a", "ab", "abc", "abc", "ab", "b", ""],
      ["folder/10.txt", "folder/11.txt", "folder/2.txt", "folder", "é", "e", "zz", "zé"],
    ])
  func texts(_ texts: [String]) throws {
    let folder = TemporaryFolder()
    let rows = texts.enumerated().map { Row(number: Int64($0), text: $1, list: [1]) }
    let files = try write(BatchOutputTests.source(rows, size: 3), folder)
    #expect(try read(files) == rows.map(\.values))
    let bounds = files[0].columns[BatchOutputTests.schema.fields[1].id]
    let sorted = texts.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    #expect(bounds?.lower == .string(sorted.first!))
    #expect(bounds?.upper == .string(sorted.last!))
    let program = """
      import sys, pyarrow.parquet as p
      print(','.join(p.read_table(sys.argv[1])['s'].to_pylist()))
      print(sorted(p.read_metadata(sys.argv[1]).row_group(0).column(1).encodings))
      """
    if let output = try python(program, files[0].path) {
      #expect(output == texts.joined(separator: ",") + "\n['DELTA_BYTE_ARRAY', 'RLE']\n")
    }
  }

  @Test("numbers of every size, however far apart")
  func extremes() throws {
    let folder = TemporaryFolder()
    var random = SystemRandomNumberGenerator()
    var rows: [Row] = []
    for width in 0...64 {
      let numbers = (0..<200).map { _ in
        width == 0
          ? 7
          : Int64(
            bitPattern: UInt64.random(in: .min ... .max, using: &random)
              >> UInt64(64 - width))
      }
      rows.append(Row(number: Int64(width), text: "w", list: numbers))
    }
    rows.append(Row(number: 65, text: "x", list: [.min, .max, .min, 0, .max, -1, .min]))
    rows.append(Row(number: .max, text: "y", list: [.max]))
    rows.insert(Row(number: .min, text: "z", list: [.min]), at: 0)
    let files = try write(BatchOutputTests.source(rows, size: 10), folder)
    #expect(try read(files) == rows.map(\.values))
    if let lines = try lines(files) {
      #expect(
        lines
          == rows.map { row in
            ([String(row.number), row.text] + row.list.map(String.init)).joined(separator: " ")[...]
          })
    }
    let bounds = files[0].columns[BatchOutputTests.schema.fields[0].id]
    #expect(bounds?.lower == .integer(.min))
    #expect(bounds?.upper == .integer(.max))
  }

  @Test(
    "many rows are several row groups, each with its bounds",
    .enabled(if: hasPython, "there is no Python with pyarrow"))
  func rowGroups() throws {
    let folder = TemporaryFolder()
    let rows = (0..<300_000).map {
      Row(number: Int64($0), text: "w\($0)", list: [Int64($0), Int64($0) + 5])
    }
    let files = try write(BatchOutputTests.source(rows, size: 16_384), folder)
    let program = """
      import sys, pyarrow.parquet as p
      m = p.read_metadata(sys.argv[1])
      for g in range(m.num_row_groups):
          s = [m.row_group(g).column(c).statistics for c in range(2)]
          print(m.row_group(g).num_rows, *[f'{c.min} {c.max} {c.null_count}' for c in s])
      """
    #expect(
      try python(program, files[0].path)?.split(separator: "\n") == [
        "131072 0 131071 0 w0 w99999 0",
        "131072 131072 262143 0 w131072 w262143 0",
        "37856 262144 299999 0 w262144 w299999 0",
      ])
    let sums = try engine.rows(
      "SELECT count(*), sum(i)::bigint, sum(list_sum(l))::bigint, count(DISTINCT s) FROM f "
        + "WHERE i >= 131000", [:], ["f": .files(files, schema: BatchOutputTests.schema)])
    let wanted = (131_000..<300_000).reduce(into: (0, 0)) { $0 = ($0.0 + $1, $0.1 + 2 * $1 + 5) }
    #expect(
      sums == [
        [
          .integer(169_000), .integer(Int64(wanted.0)), .integer(Int64(wanted.1)),
          .integer(169_000),
        ]
      ])
  }

  @Test("statistics are those that DuckDB gives of the same rows")
  func statistics() throws {
    let folder = TemporaryFolder()
    let rows = BatchOutputTests.rows(3000).filter { !$0.list.isEmpty }
    let own = try write(BatchOutputTests.source(rows, size: 700), folder)
    let other = try engine.compute(
      Query(
        sql: "SELECT * FROM b", inputs: ["b": .batches(BatchOutputTests.source(rows, size: 700))]),
      into: Output(schema: BatchOutputTests.schema, location: folder.path + "/duckdb"))
    func comparable(_ files: [DataFile]) -> [[Int: ColumnStatistics]] {
      files.map { file in
        file.columns.mapValues { column in
          var column = column
          // How well it packs is each one's own.
          column.byteCount = column.byteCount.map { min($0, 1) }
          return column
        }
      }
    }
    #expect(own.count == 1)
    #expect(comparable(own) == comparable(other))
  }

  @Test func noRowsMakeNoFiles() throws {
    let folder = TemporaryFolder()
    #expect(try write(BatchOutputTests.source([], size: 1), folder).isEmpty)
    #expect(folder.files == ["out"])
  }

  @Test("what the source throws comes out, and leaves nothing")
  func failure() throws {
    struct Broken: Error {}
    let folder = TemporaryFolder()
    let rows = BatchOutputTests.rows(40_000)
    #expect(throws: Broken.self) {
      try write(BatchOutputTests.source(rows, size: 5000, failure: Broken()), folder)
    }
    #expect(folder.files == ["out"])
  }

  @Test("large results are several files, in order")
  func split() throws {
    let folder = TemporaryFolder()
    let small = DuckDBEngine(settings: DuckDBSettings(threads: 1, fileBytes: 10_000))
    let rows = (0..<300_000).map {
      Row(number: Int64($0), text: "w\($0)", list: [Int64($0)])
    }
    let files = try small.write(
      BatchOutputTests.source(rows, size: 16_384),
      into: Output(schema: BatchOutputTests.schema, location: folder.path), label: "rows",
      cancellation: .never)
    #expect(files.map(\.rowCount) == [131_072, 131_072, 37_856])
    #expect(try read(files).map { $0[0] } == rows.map { .integer($0.number) })
  }

  @Test("columns are found by name, and others are cast by a query")
  func columns() throws {
    let folder = TemporaryFolder()
    let rows = BatchOutputTests.rows(30)
    let fields = BatchOutputTests.schema.fields
    let moved = Schema([fields[2], fields[0], fields[1]])
    #expect(
      try read(write(BatchOutputTests.source(rows, size: 7), folder, moved), moved)
        == rows.map { [$0.values[2], $0.values[0], $0.values[1]] })
    let cast = EnginesTests.schema(("i", .double), ("s", .string), ("l", BatchOutputTests.list))
    #expect(
      try read(write(BatchOutputTests.source(rows, size: 7), folder, cast), cast)
        == rows.map { [.double(Double($0.number)), $0.values[1], $0.values[2]] })
    let strange = EnginesTests.schema(("i", .bigint), ("s", .string))
    #expect(
      engineError { _ = try write(BatchOutputTests.source(rows, size: 7), folder, strange) }?.code
        == .wrongColumns)
  }

  @Test("a null where none may be is an error, not a value")
  func nulls() throws {
    let folder = TemporaryFolder()
    var batch = BatchOutputTests.batch(BatchOutputTests.rows(3)[...])
    batch.columns[0].nulls = [false, true, false]
    let source = FixedBatches(BatchOutputTests.schema, [batch], readerLimit: 1)
    #expect(engineError { _ = try write(source, folder) }?.code == .wrongColumns)
    #expect(folder.files == ["out"])
  }
}
