/// A Parquet file of a table, as a manifest records it.
public struct DataFile: Sendable, Hashable {
  /// Absolute: a URI, or a plain path on a local lake.
  public var path: String
  public var rowCount: Int64
  public var byteCount: Int64
  /// One value per field of the table's partition spec; empty when unpartitioned.
  public var partition: [Value]
  /// Statistics by field ID; a field without an entry has none.
  public var columns: [Int: ColumnStatistics]

  public init(
    path: String, rowCount: Int64, byteCount: Int64, partition: [Value] = [],
    columns: [Int: ColumnStatistics] = [:]
  ) {
    self.path = path
    self.rowCount = rowCount
    self.byteCount = byteCount
    self.partition = partition
    self.columns = columns
  }
}

/// What is known of one column in one file. Absent means unknown, never zero.
public struct ColumnStatistics: Sendable, Hashable {
  public var byteCount: Int64?
  public var valueCount: Int64?
  public var nullCount: Int64?
  public var nanCount: Int64?
  /// A lower bound of the values that are neither null nor NaN.
  public var lower: Value?
  /// An upper bound of the values that are neither null nor NaN.
  public var upper: Value?

  public init(
    byteCount: Int64? = nil, valueCount: Int64? = nil, nullCount: Int64? = nil,
    nanCount: Int64? = nil, lower: Value? = nil, upper: Value? = nil
  ) {
    self.byteCount = byteCount
    self.valueCount = valueCount
    self.nullCount = nullCount
    self.nanCount = nanCount
    self.lower = lower
    self.upper = upper
  }
}
