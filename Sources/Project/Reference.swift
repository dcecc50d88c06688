import Core

extension Schemas {
  /// `docs/project-files.md`: every key of every file, made from the same declarations as the
  /// schemas.
  public static var reference: String {
    var text = introduction
    for file in all {
      guard let schema = try? JSON(parsing: file.text) else { continue }
      text += "\n## \(schema["title"]?.string ?? file.name)\n\n"
      text += list(schema, depth: 0).joined(separator: "\n") + "\n"
    }
    return text
  }

  /// A line for each key of an object, and below it the keys of what it holds.
  private static func list(_ schema: JSON, depth: Int) -> [String] {
    let required = Set((schema["required"]?.array ?? []).compactMap(\.string))
    let indent = String(repeating: "  ", count: depth)
    var blocks = (schema["properties"]?.members ?? []).map { key in
      [indent + line(key, isRequired: required.contains(key.name))]
        + list(key.value, depth: depth + 1)
    }
    for inner in ["items", "additionalProperties"] {
      if let schema = schema[inner] { blocks.append(list(schema, depth: depth)) }
    }
    for choice in schema["anyOf"]?.array ?? [] { blocks.append(list(choice, depth: depth)) }
    // A key that several choices have is described once.
    var seen = Set<[String]>()
    return blocks.filter { seen.insert($0).inserted }.flatMap { $0 }
  }

  private static func line(_ key: JSON.Member, isRequired: Bool) -> String {
    var notes: [String] = []
    if isRequired { notes.append("required") }
    let words = words(of: key.value)
    if !words.isEmpty { notes.append(words.map { "`\($0)`" }.joined(separator: " ")) }
    if let standard = key.value["default"] {
      notes.append("default `\(standard.string ?? standard.description)`")
    }
    let note = notes.isEmpty ? "" : " (\(notes.joined(separator: "; ")))"
    let description = key.value["description"]?.string.map { ": \($0)" } ?? ""
    return "- `\(key.name)`\(note)\(description)"
  }

  /// The words a value may be, where it is one of a few.
  private static func words(of schema: JSON) -> [String] {
    let own = schema["enum"]?.array ?? []
    let choices = (schema["anyOf"]?.array ?? []).flatMap { $0["enum"]?.array ?? [] }
    return (own + choices).compactMap(\.string)
  }

  private static let introduction = """
    # Project files

    Every key of `sluice.yaml`, `pipeline.yaml` and `models/<model>.yaml`. The files under `docs/schemas` say the
    same to editors. Unknown keys, wrong types and unknown names are errors with file, line and column.

    - **Values**: `${NAME}` and `${NAME:-default}` stand for `--set NAME=…`, else the pipeline's param, else the
      environment variable; defaults nest, `${lake}` is the lake's address, `$$` is a dollar sign. Substitution comes
      before typing: an unquoted `${top}` that becomes `25` is a number.
    - **Paths** that are relative start at the folder of `sluice.yaml`; on the command line at the working folder.
    - **Times** are UTC, intervals half-open: `[start, end)`. Durations are written `90s`, `5m`, `24h`, `3d`; sizes
      `512MB`, `4GB`, `2GiB`.
    - **Types** of columns: `boolean int bigint float double decimal(p,s) date time timestamp timestamptz string binary
      uuid list<…> map<…,…> struct<name: type, …>`.
    - **SQL** files hold one SELECT. Names after FROM and JOIN are sources and models of the same pipeline, or
      `pipeline.model`. `$name` is a param, bound as a value; interval models also have `$interval_start` and
      `$interval_end`. Every declared column is cast to its type; a cast that would lose something is an error, so a
      sum of `bigint` is written `sum(x)::bigint`.
    - **An empty field** of a CSV source is null, except that in a string column it is the empty string where quotes
      are off (`quote: none`) or it is written `""`.

    """
}
