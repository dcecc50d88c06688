import Core

/// A row as one JSON object, for people to read and for replay.
enum RowText {
  /// 64 KiB; longer rows are cut and say how long they were.
  static let byteLimit = 65_536

  /// SQL that gives the text of a staged row.
  ///
  /// NaN and the infinities, which JSON has not, become strings. A text beyond the limit is cut by
  /// characters: where each is one byte, at the limit, else at a quarter of it, which no encoding
  /// of a character can exceed.
  static func expression(_ schema: Schema) -> String {
    let members = schema.fields.map { field in
      let column = stagedColumn(field.name)
      guard field.type == .float || field.type == .double else {
        return "\(literal(field.name)): \(column)"
      }
      return "\(literal(field.name)): CASE WHEN isfinite(\(column)) THEN to_json(\(column)) "
        + "ELSE to_json(CAST(\(column) AS STRING)) END"
    }
    let text = "CAST(to_json({\(members.joined(separator: ", "))}) AS STRING)"
    let length = "strlen(\(text))"
    let suffix = "'… (' || \(length) || ' bytes)'"
    return "CASE WHEN \(length) <= \(byteLimit) THEN \(text) "
      + "WHEN length(\(text)) = \(length) THEN left(\(text), \(byteLimit)) || \(suffix) "
      + "ELSE left(\(text), \(byteLimit / 4)) || \(suffix) END"
  }

  /// A name as a string literal. Names come from the project's own files, not from data.
  private static func literal(_ name: String) -> String {
    "'" + name.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "''") + "'"
  }
}
