/// A chunk of rows, column by column: how validated text reaches an engine or an operator.
public struct ColumnBatch: Sendable {
  public var rowCount: Int
  /// One per field of the source's schema, each with `rowCount` entries.
  public var columns: [Column]
  /// What the ranges of `.bytes` columns point into.
  public var bytes: [UInt8]

  public init(rowCount: Int, columns: [Column], bytes: [UInt8]) {
    self.rowCount = rowCount
    self.columns = columns
    self.bytes = bytes
  }

  /// One column of a batch.
  public struct Column: Sendable {
    public var values: Values
    /// True where the row is null; nil when no row is. The value beside a null is unspecified.
    public var nulls: [Bool]?

    public init(values: Values, nulls: [Bool]? = nil) {
      self.values = values
      self.nulls = nulls
    }
  }

  /// The values of one column, in the widths that Iceberg and DuckDB share.
  public enum Values: Sendable {
    case boolean([Bool])
    /// `int`, and `date` as days since 1970-01-01.
    case int32([Int32])
    /// `bigint`; `time`, `timestamp`, `timestamptz` in microseconds.
    case int64([Int64])
    case float([Float])
    case double([Double])
    /// `decimal`, unscaled.
    case int128([Int128])
    case uuid([UInt128])
    /// `string` (UTF-8, validated) and `binary`: ranges into the batch's `bytes`.
    case bytes([Slice])
    /// `list<bigint>`: row `i` holds the elements from offset `i` to offset `i + 1`, so that there is
    /// one offset more than rows. No element is null.
    case int64Lists(offsets: [UInt32], elements: [Int64])
  }

  /// A range of a batch's bytes.
  public struct Slice: Sendable, Hashable {
    public var offset: UInt32
    public var count: UInt32

    public init(offset: UInt32, count: UInt32) {
      self.offset = offset
      self.count = count
    }
  }
}

/// A stream of batches that several threads may pull from, unless it says otherwise. Every row comes
/// exactly once; the order across threads is not defined. A class, because its rows come once: who names it twice must be
/// seen to name the same source.
public protocol BatchSource: AnyObject, Sendable {
  var schema: Schema { get }
  /// Bytes of input consumed so far and in all, for progress.
  var progress: (done: Int64, total: Int64) { get }
  /// How many threads may pull. Where it is 1, an engine keeps the rows in their order.
  var readerLimit: Int { get }
  /// - Returns: The next batch, or nil when the input is exhausted, then for ever.
  /// - Throws: When the input is damaged or may not be read; the source is then at its end.
  func next() throws -> ColumnBatch?
}

extension BatchSource {
  public var readerLimit: Int { 1024 }
}
