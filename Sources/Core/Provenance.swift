/// Where a row came from: columns that append and merge tables have beside their own (rule 9;
/// Iceberg's readers keep `_file` for themselves).
public enum Provenance {
  /// The contribution that the row belongs to: a file of a source as its log names it; what a
  /// changed or removed file takes back is found by it.
  public static let file = "_source_file"
  /// The log entry that the file came with; null where the rows are no source's.
  public static let batch = "_source_batch"
  /// The 1-based line of the file; null where rows have no order.
  public static let row = "_source_row"

  public static let names = [file, batch, row]

  /// Without IDs.
  public static let fields = [
    Field(name: file, type: .string, documentation: "The file the row came from."),
    Field(name: batch, type: .bigint, documentation: "The batch that brought the file."),
    Field(name: row, type: .bigint, documentation: "The row's line in the file, from 1."),
  ]
}
