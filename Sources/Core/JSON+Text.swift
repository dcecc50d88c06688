extension JSON: CustomStringConvertible {
  /// One line, no spaces; the same value always gives the same text.
  public var description: String { text(indented: false) }

  /// - Parameter indented: Two spaces a level and a line a member, for files people read.
  public func text(indented: Bool) -> String {
    var out = ""
    write(to: &out, indented: indented, depth: 0)
    return out
  }

  private func write(to out: inout String, indented: Bool, depth: Int) {
    switch self {
    case .null: out += "null"
    case .boolean(let value): out += value ? "true" : "false"
    case .integer(let value): out += String(value)
    case .number(let value):
      // JSON has no infinities; they reach text as strings, as DuckDB and Iceberg do.
      if value.isFinite { out += value.description } else { JSON.quote("\(value)", to: &out) }
    case .string(let value): JSON.quote(value, to: &out)
    case .array(let items):
      JSON.writeList(items, open: "[", close: "]", to: &out, indented, depth) { item, out in
        item.write(to: &out, indented: indented, depth: depth + 1)
      }
    case .object(let members):
      JSON.writeList(members, open: "{", close: "}", to: &out, indented, depth) { member, out in
        JSON.quote(member.name, to: &out)
        out += indented ? ": " : ":"
        member.value.write(to: &out, indented: indented, depth: depth + 1)
      }
    }
  }

  private static func writeList<Item>(
    _ items: [Item], open: String, close: String, to out: inout String, _ indented: Bool,
    _ depth: Int, _ write: (Item, inout String) -> Void
  ) {
    out += open
    for (index, item) in items.enumerated() {
      if index > 0 { out += "," }
      if indented { out += "\n" + String(repeating: "  ", count: depth + 1) }
      write(item, &out)
    }
    if indented && !items.isEmpty { out += "\n" + String(repeating: "  ", count: depth) }
    out += close
  }

  private static func quote(_ text: String, to out: inout String) {
    out += "\""
    defer { out += "\"" }
    // Nearly no text does.
    let needsEscapes = text.utf8.contains { $0 < 0x20 || $0 == 0x22 || $0 == 0x5C }
    guard needsEscapes else {
      out += text
      return
    }
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": out += "\\\""
      case "\\": out += "\\\\"
      case "\n": out += "\\n"
      case "\r": out += "\\r"
      case "\t": out += "\\t"
      case "\u{0}"..."\u{1F}":
        out += "\\u" + String(scalar.value, radix: 16).paddedLeft(to: 4, with: "0")
      default: out.unicodeScalars.append(scalar)
      }
    }
  }
}
