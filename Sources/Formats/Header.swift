import Core
import Kernels

/// A file's first row, which names its columns.
struct Header {
  let file: InputFile
  let format: DelimitedFormat

  /// Finds the declared columns.
  ///
  /// - Returns: Nil where `.more` text is needed to complete the row.
  /// - Throws: `FormatError` `.badHeader`.
  func read(
    _ text: ArraySlice<UInt8>, ending: TextEnding
  ) throws(FormatError) -> (layout: FileLayout, byteCount: Int, lineCount: Int)? {
    let row = text.withUnsafeBufferPointer { splitFirstRow($0, format.dialect, ending: ending) }
    guard let row else {
      if ending == .more { return nil }
      throw FormatError(
        .badHeader, "the header cannot be read: it never ends, or its quotes do not pair",
        at: Place(file: file.name, line: 1), advice: "correct the source's `quote` or `delimiter`")
    }
    let names = row.fields.map { name(of: $0, in: text) }
    let fields = try fieldOfColumn(names)
    return (
      FileLayout(fieldCount: names.count, fieldOfColumn: fields), row.consumedByteCount,
      row.lineCount
    )
  }

  private func name(of span: FieldSpan, in text: ArraySlice<UInt8>) -> String {
    var bytes: [UInt8] = []
    text.withUnsafeBufferPointer { text in
      let start = Int(span.offset)
      let field = UnsafeBufferPointer(rebasing: text[start..<start + span.count])
      if span.hasDoubledQuotes, let quote = format.quote {
        var single: [UInt8] = []
        appendUndoubled(field, quote: quote, to: &single)
        single.withUnsafeBufferPointer { appendUTF8(of: $0, in: format.encoding, to: &bytes) }
      } else {
        appendUTF8(of: field, in: format.encoding, to: &bytes)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private func fieldOfColumn(_ names: [String]) throws(FormatError) -> [Int] {
    var fields: [Int] = []
    var problems: [FormatError] = []
    for column in format.columns {
      let found = names.indices.filter { names[$0] == column.name }
      if found.count == 1 {
        fields.append(found[0])
      } else if found.isEmpty {
        problems.append(missing(column.name, names))
      } else {
        problems.append(
          FormatError(
            .badHeader, "the header names the column '\(column.name)' \(found.count) times",
            at: Place(file: file.name, line: 1),
            advice: "rename one, or read the file without a header"))
      }
    }
    if problems.count == 1 { throw problems[0] }
    if let first = problems.first {
      throw FormatError(
        .badHeader, problems.map(\.message).joined(separator: "; "), at: first.place,
        advice: first.advice, parts: problems)
    }
    return fields
  }

  private func missing(_ column: String, _ names: [String]) -> FormatError {
    let message = "the header has no column '\(column)'"
    let place = Place(file: file.name, line: 1)
    if names.contains(where: { $0.utf8.contains(0x0D) }) {
      return FormatError(
        .badHeader, message, at: place,
        advice: "the lines seem to end in CR alone; convert them to LF")
    }
    if let name = nearest(to: column, among: names) {
      return FormatError(
        .badHeader, message, at: place, advice: "the nearest is '\(name)'; correct `columns:`")
    }
    if names.count == 1 {
      return FormatError(
        .badHeader, "\(message), only '\(names[0].prefix(200))'", at: place,
        advice: "is the source's `delimiter` right?")
    }
    let shown = names.prefix(20).map { "'\($0.prefix(60))'" }.joined(separator: ", ")
    return FormatError(
      .badHeader, message, at: place,
      advice: "it has \(shown)\(names.count > 20 ? ", …" : ""); correct `columns:`")
  }
}
