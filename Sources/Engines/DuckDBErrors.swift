import CDuckDB
import Core

/// What DuckDB says went wrong: its JSON form, or a plain message.
struct DuckDBMessage {
  var type: String
  var text: String
  /// Byte offset in the statement that was sent.
  var position: Int?

  init(_ raw: String) {
    // With errors_as_json the message is an object, sometimes behind the kind of the error.
    if let brace = raw.firstIndex(of: "{"), let json = try? JSON(parsing: String(raw[brace...])),
      let message = json["exception_message"]?.string
    {
      type = json["exception_type"]?.string ?? "Error"
      text = message
      position = json["position"]?.string.flatMap { Int($0) }
      return
    }
    guard let colon = raw.range(of: " Error: ") else {
      (type, text) = ("", raw)
      return
    }
    (type, text) = (String(raw[..<colon.lowerBound]), String(raw[colon.upperBound...]))
  }

  var code: EngineError.Code {
    switch type {
    case "Parser", "Syntax", "Binder", "Catalog", "Parameter Not Resolved",
      "Parameter Not Allowed", "Not implemented", "Mismatch Type":
      return .badQuery
    case "Out of Memory": return .exhausted
    case _ where isFatal: return .broken
    default:
      let full = ["no space left", "disk quota", "max_temp_directory_size", "disk full"]
      let lower = text.lowercased()
      return full.contains { lower.contains($0) } ? .exhausted : .failed
    }
  }

  /// Whether the whole instance is lost: DuckDB found itself in an impossible state.
  var isFatal: Bool { type.uppercased() == "FATAL" || type.uppercased() == "INTERNAL" }

  /// `Conversion Error: …`, on one line, without DuckDB's drawing of the query.
  var cleaned: String {
    var lines: [Substring] = []
    for line in text.split(separator: "\n", omittingEmptySubsequences: true) {
      // DuckDB's advice is about settings that are not the user's here.
      if line.hasPrefix("LINE ") || line.hasPrefix("Possible solutions") { break }
      lines.append(line)
    }
    let message = lines.joined(separator: "; ").trimmingSpaces()
    return type.isEmpty ? message : "\(type) Error: \(message)"
  }
}

extension String {
  fileprivate func trimmingSpaces() -> String {
    var text = Substring(self)
    while text.first?.isWhitespace == true { text.removeFirst() }
    while text.last?.isWhitespace == true { text.removeLast() }
    return String(text)
  }

  /// The first place where `piece` stands.
  fileprivate func range(of piece: String) -> Range<Index>? {
    var start = startIndex
    while start < endIndex {
      if self[start...].hasPrefix(piece) {
        return start..<index(start, offsetBy: piece.count)
      }
      start = index(after: start)
    }
    return nil
  }
}

/// How positions in a statement that was sent relate to the SQL that the user wrote.
struct SentSQL {
  /// What messages call the query.
  var label: String
  /// Where the query stands, where it stands in a file.
  var file: String?
  /// What the user wrote.
  var written: SQLText
  /// What DuckDB gets.
  var text: String
  /// Where in `text` the user's statement begins and ends, in bytes; nil where places inside
  /// views would be mistaken for places here.
  var body: Range<Int>?
  /// From `SQLText.replacingParameters`.
  var edits: [(new: Int, old: Int)] = []

  /// The user's statement with `prefix` before and `suffix` after it.
  init(_ label: String, _ written: SQLText, prefix: String, suffix: String) {
    let statement = written.statement
    self.label = label
    self.written = written
    text = "\(prefix)\(statement)\n\(suffix)"
    let start = prefix.utf8.count
    body = start..<start + statement.utf8.count + 1
  }

  func failure(_ message: DuckDBMessage, advice: String? = nil) -> EngineError {
    let code = message.code
    var place = Place(model: label)
    var text = message.cleaned
    if let (line, column) = position(of: message.position) {
      (place.file, place.line, place.column) = (file, line, column)
      if file == nil { text += " (line \(line), column \(column) of the SQL)" }
    }
    return EngineError(
      code, text, at: place, advice: advice ?? SentSQL.advice(code, text),
      exitCode: code == .badQuery ? 2 : 1)
  }

  private func position(of sent: Int?) -> (line: Int, column: Int)? {
    guard let sent, let body, body.contains(sent) else { return nil }
    let offset = sent - body.lowerBound
    let edit = edits.last { $0.new <= offset }
    return written.position(ofByte: edit.map { offset - $0.new + $0.old } ?? offset)
  }

  private static func advice(_ code: EngineError.Code, _ text: String) -> String? {
    switch code {
    case .exhausted where text.lowercased().contains("no space left"):
      "free space there, or choose another place, and run again"
    case .exhausted: "give it more with --memory, or a spill directory on a disk with room"
    case .broken: "this is a fault in DuckDB; write the query another way and report it"
    default: nil
    }
  }
}
