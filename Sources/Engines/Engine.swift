import Core

/// One SELECT and all it needs: nothing is looked up anywhere else.
public struct Query: Sendable {
  /// One SELECT. Names after FROM and JOIN are keys of `inputs`; values are `$name` parameters.
  public var sql: String
  public var parameters: [String: Value]
  public var inputs: [String: Input]
  /// What messages call this query: a model's or a file's name.
  public var label: String
  /// Where the SQL stands, as messages name it; nil where it stands in no file.
  public var file: String?

  public init(
    sql: String, parameters: [String: Value] = [:], inputs: [String: Input] = [:],
    label: String = "query", file: String? = nil
  ) {
    self.sql = sql
    self.parameters = parameters
    self.inputs = inputs
    self.label = label
    self.file = file
  }

  /// What a name after FROM stands for.
  public indirect enum Input: Sendable {
    /// Parquet files read by field ID into `schema`; columns a file lacks are null.
    case files([DataFile], schema: Schema)
    /// Validated rows that can be read once, by several threads.
    case batches(any BatchSource)
    case rows(RowSet)
    /// Parquet files that are no table's, read by the names of their columns.
    case parquet(ParquetFiles)
    /// A view: its own SELECT over its own inputs.
    case view(Query)
  }
}

/// Where and how `compute` writes.
public struct Output: Sendable {
  public struct SortKey: Sendable, Hashable {
    public var column: String
    public var isDescending: Bool
    public init(_ column: String, isDescending: Bool = false) {
      self.column = column
      self.isDescending = isDescending
    }
  }

  /// Every column of the result is cast to its type here and written under its ID, in this order.
  public var schema: Schema
  /// Local path or URI of a fresh directory; files go right below it.
  public var location: String
  /// Nulls first, strings by bytes. Empty: any order.
  public var sort: [SortKey]
  /// Each file holds rows of one partition: of one value of all of these. Empty: not partitioned.
  public var partition: [PartitionColumn]

  public init(
    schema: Schema, location: String, sort: [SortKey] = [], partition: [PartitionColumn] = []
  ) {
    self.schema = schema
    self.location = location
    self.sort = sort
    self.partition = partition
  }
}

/// A text file for people and programs outside the lake.
public struct TextOutput: Sendable {
  public enum Format: Sendable, Hashable { case csv(header: Bool), parquet }
  public var format: Format
  public var columns: [String]
  public var sort: [Output.SortKey]
  /// A local path.
  public var path: String

  public init(format: Format, columns: [String], sort: [Output.SortKey], path: String) {
    self.format = format
    self.columns = columns
    self.sort = sort
    self.path = path
  }
}

/// What a query says of itself, found by parsing it.
public struct QueryShape: Sendable, Hashable {
  /// The names after FROM and JOIN that no CTE defines, as written (`blocked`,
  /// `wordindex.words`), each once, sorted.
  public var inputs: [String]
  /// The `$name` parameters it uses, without the `$`, each once, sorted.
  public var parameters: [String]
  /// The syntax tree in a canonical form: equal for two texts that differ only in white space,
  /// comments and positions. Part of a definition's fingerprint (rule 14).
  public var syntax: String
  /// By input, what WHERE asks of its rows where that is plain: rows that do not meet it need not
  /// be read. Values are as written, dates in text for example.
  public var filters: [String: RowFilter]

  public init(
    inputs: [String], parameters: [String], syntax: String, filters: [String: RowFilter] = [:]
  ) {
    self.inputs = inputs
    self.parameters = parameters
    self.syntax = syntax
    self.filters = filters
  }
}

/// Reads files and writes files. An engine never sees table metadata, so DuckDB and Spark are
/// interchangeable and Sluice alone owns commits.
public protocol Engine: Sendable {
  /// `duckdb` or `spark`, with its version, for run records.
  var name: String { get }

  /// Parses a query without running it.
  ///
  /// - Throws: `EngineError` `.badQuery` with line and column, also for more than one statement,
  ///   anything but a SELECT, table functions and file names in FROM, and PIVOT.
  func shape(of sql: String, label: String) throws -> QueryShape

  /// Checks that every row of a query comes from one row of `input`, whatever other rows there are
  /// (rule 10), and carries columns of that input to the result.
  ///
  /// - Parameters:
  ///   - input: As the SQL names it.
  ///   - label: For errors, a file.
  /// - Returns: The query's text with the columns, named as they are, behind its own; as it was
  ///   where it selects them itself.
  /// - Throws: `EngineError` `.badQuery` with the reason why it is not so: an aggregate, DISTINCT, a
  ///   window, LIMIT, a join of the input with itself.
  func carrying(
    _ columns: [String], of input: String, through sql: String, label: String
  ) throws -> String

  /// Runs a query and writes its rows as Parquet files that nothing refers to yet.
  ///
  /// - Returns: The files with exact row counts, sizes, statistics, and a value for each of the
  ///   output's partition columns; empty for zero rows.
  func compute(
    _ query: Query, into output: Output, cancellation: Cancellation,
    progress: @escaping @Sendable (Double) -> Void
  ) throws -> [DataFile]

  /// Writes rows as they come, in their order, as Parquet files that nothing refers to yet; of a
  /// source that only one thread may read.
  ///
  /// - Parameters:
  ///   - rows: Of the output's columns, in any order of them; none of their values is null.
  ///   - label: What messages call the rows.
  /// - Returns: As `compute` does.
  func write(
    _ rows: any BatchSource, into output: Output, label: String, cancellation: Cancellation
  ) throws -> [DataFile]

  /// Runs a query whose result fits in memory: checks, unit tests.
  func rows(_ query: Query, cancellation: Cancellation) throws -> RowSet

  /// Runs a query and hands its rows over in pieces, in order; `visit` gets the schema each time.
  func stream(
    _ query: Query, cancellation: Cancellation, visit: (RowSet) throws -> Void
  ) throws

  /// Runs a query and hands its rows over column by column, in any order; `visit` is called by one
  /// thread. All columns are of types that delimited text can hold.
  func batches(
    _ query: Query, cancellation: Cancellation, visit: (ColumnBatch) throws -> Void
  ) throws

  /// Runs a query and writes one file for an export.
  ///
  /// - Returns: The number of rows written.
  func export(_ query: Query, to output: TextOutput, cancellation: Cancellation) throws -> Int64
}

extension Engine {
  public func write(
    _ rows: any BatchSource, into output: Output, label: String, cancellation: Cancellation
  ) throws -> [DataFile] {
    try compute(
      Query(sql: "SELECT * FROM rows", inputs: ["rows": .batches(rows)], label: label),
      into: output, cancellation: cancellation, progress: { _ in })
  }
}
