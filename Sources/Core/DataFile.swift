/// A Parquet file of a table, as a manifest records it.
public struct DataFile: Sendable, Hashable {
  /// Absolute: a URI, or a plain path on a local lake.
  public var path: String
  public var rowCount: Int64
  public var byteCount: Int64
  /// One value per field of the partition spec that the file was written under; empty when
  /// unpartitioned.
  public var partition: [Value]
  /// That spec, of files that are in a table; what is added is under the table's newest.
  public var specID: Int
  /// Statistics by field ID; a field without an entry has none.
  public var columns: [Int: ColumnStatistics]
  /// What the file itself holds, where it differs from what the table's schema would have it hold:
  /// the names of the file, and the field IDs of the table, 0 for columns that the table has not.
  /// Nil where every column is found under its ID and nested columns are as in the schema.
  public var layout: Schema?
  /// Rows of the file that are gone, in tables of other programs.
  public var deletes: [DeleteFile]

  public init(
    path: String, rowCount: Int64, byteCount: Int64, partition: [Value] = [], specID: Int = 0,
    columns: [Int: ColumnStatistics] = [:], layout: Schema? = nil, deletes: [DeleteFile] = []
  ) {
    self.path = path
    self.rowCount = rowCount
    self.byteCount = byteCount
    self.partition = partition
    self.specID = specID
    self.columns = columns
    self.layout = layout
    self.deletes = deletes
  }
}

/// A Parquet file that says which rows of data files are gone.
public struct DeleteFile: Sendable, Hashable {
  public enum Kind: Sendable, Hashable {
    /// Rows by number; the data file's address as the delete file has it.
    case positions(of: String)
    /// Rows that agree with one of the file's in these columns, null with null.
    case equality([Field])
  }

  public var path: String
  public var byteCount: Int64
  public var kind: Kind
  /// What the file holds: its names, and the table's field IDs.
  public var layout: Schema

  public init(path: String, byteCount: Int64, kind: Kind, layout: Schema) {
    self.path = path
    self.byteCount = byteCount
    self.kind = kind
    self.layout = layout
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
