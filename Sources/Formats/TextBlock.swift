import Kernels

/// Which field of a file's rows holds which declared column.
struct FileLayout: Sendable {
  /// Fields in each row of the file.
  var fieldCount: Int
  /// By declared column.
  var fieldOfColumn: [Int]
}

/// A piece of a file that consists of whole rows.
struct TextBlock: Sendable {
  var layout: FileLayout
  var bytes: [UInt8]
  /// The complete rows are the first so many bytes; the next block has the rest.
  var textByteCount: Int
  /// Of the first byte; 1-based.
  var firstLine: Int
  /// Where cutting needed the fields; else nil, and any thread can find them.
  var table: RowTable?
  /// Rows too long to be held, before those of the text.
  var oversized: [OversizedRow] = []
}

/// A row longer than the format allows, of which only the start was kept.
struct OversizedRow: Sendable {
  var line: Int
  var start: [UInt8]
  var byteCount: Int
}
