import Core
import Kernels

/// The rows of a block that were rejected, and why.
struct RejectedRow: Sendable {
  /// 1-based.
  var line: Int
  var reason: String
  /// The row's text, or its first 64 KiB.
  var text: [UInt8]
  /// Of the whole row.
  var byteCount: Int
}

/// Turns a block of text into typed columns. Pure; any thread.
struct RowConverter: Sendable {
  let format: DelimitedFormat
  let nullTexts: [[UInt8]]
  private let names: [[UInt8]]
  let rowsPerBatch: Int
  let carriesProvenance: Bool

  init(_ format: DelimitedFormat, rowsPerBatch: Int, carriesProvenance: Bool = false) {
    self.format = format
    self.rowsPerBatch = rowsPerBatch
    self.carriesProvenance = carriesProvenance
    nullTexts = format.nullTexts.map { Array($0.utf8) }
    names = format.columns.map { Array($0.name.utf8) }
  }

  struct Result: Sendable {
    /// None is empty.
    var batches: [ColumnBatch] = []
    /// By line.
    var rejected: [RejectedRow] = []
    var blankLineCount = 0
  }

  /// - Parameter file: The block's; matters only to provenance.
  func convert(_ block: TextBlock, of file: InputFile? = nil) -> Result {
    var result = Result()
    for row in block.oversized {
      result.rejected.append(
        RejectedRow(
          line: row.line, reason: Reason.lineTooLong, text: row.start, byteCount: row.byteCount))
    }
    block.bytes.withUnsafeBufferPointer { bytes in
      guard bytes.baseAddress != nil else { return }
      let text = UnsafeBufferPointer(rebasing: bytes[..<block.textByteCount])
      let table = block.table ?? split(text, block.layout)
      result.blankLineCount = table.blankLineCount
      var rejected: [(row: RowSpan, reason: String)] = table.misfits.map { misfit in
        (misfit.row, Reason.of(misfit.defect))
      }
      let isUTF8 =
        format.encoding != .utf8
        || Kernels.isUTF8(bytes.baseAddress!, count: text.count)
      for start in stride(from: 0, to: table.rows.count, by: rowsPerBatch) {
        let rows = start..<min(start + rowsPerBatch, table.rows.count)
        var conversion = BatchConversion(
          converter: self, text: bytes.baseAddress!, byteCount: bytes.count, table: table,
          rows: rows, isUTF8: isUTF8)
        let batch = conversion.convert(
          block, carrying: carriesProvenance ? file?.provenance : nil)
        for (row, reason) in conversion.failures { rejected.append((table.rows[row], reason)) }
        if batch.rowCount > 0 { result.batches.append(batch) }
      }
      rejected.sort { $0.row.offset < $1.row.offset }
      for (row, reason) in rejected {
        let start = Int(row.offset)
        let kept = min(Int(row.count), BlockReader.keptByteCount)
        result.rejected.append(
          RejectedRow(
            line: block.firstLine + Int(row.line), reason: reason,
            text: Array(text[start..<start + kept]), byteCount: Int(row.count)))
      }
    }
    return result
  }

  /// Finds the rows and fields of whole rows.
  func split(_ text: UnsafeBufferPointer<UInt8>, _ layout: FileLayout) -> RowTable {
    if format.syntax == .jsonLines { return splitJSONLines(text, names: names) }
    let delimiter = format.delimiter
    if let quote = format.quote {
      return splitQuoted(
        text, delimiter: delimiter, quote: quote, fieldCount: layout.fieldCount, ending: .end)
    }
    return splitUnquoted(
      text, delimiter: delimiter, fieldCount: layout.fieldCount, ending: .end)
  }
}

extension Reason {
  fileprivate static func of(_ defect: RowDefect) -> String {
    switch defect {
    case .fieldCount: columns
    case .quote: quote
    case .json: json
    }
  }
}
