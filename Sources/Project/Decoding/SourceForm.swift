import Core

extension Source {
  /// Everything but the name, which is the key in `sources:`.
  static var form: Form<Source> {
    .object { keys in
      let origin = self.origin(keys)
      let isLanded = keys.optional(
        "land", .boolean, default: false,
        "Whether files are first copied, byte for byte, into the lake's landing area, and read from "
          + "there.")
      let kind = keys.required(
        "format", Form<FormatKind>.word,
        "'csv' for delimited lines, 'json' for one JSON object a line, 'parquet', 'text' for whole "
          + "documents.")
      let csv = self.csv(keys)
      let text = self.text(keys, encoding: csv.encoding)
      let columns = keys.optional(
        "columns", .columns,
        "Each column's name and type: of CSV in the files' order, of JSON and Parquet by name. JSON "
          + "that is nested is read as string.")
      refuseForeign(kind, keys)
      if kind != .text { requireColumns(kind, columns, keys) }
      return Source(
        name: "", origin: origin, format: format(kind, csv, text),
        compression: keys.optional(
          "compression", .word, default: .auto, "'auto' goes by the first bytes, not by the name."),
        malformed: keys.optional(
          "malformed", Form<Misfit>.word,
          "What happens to a row or document that does not fit: fail stops (CSV's default), drop "
            + "leaves it out, quarantine sets it aside in the quarantine table (text's default).")
          ?? (kind == .csv ? .fail : .quarantine),
        isLanded: isLanded,
        columns: columns ?? Schema([]))
    }
  }

  private enum FormatKind: String, CaseIterable { case csv, json, parquet, text }

  private static func format(_ kind: FormatKind, _ csv: CSV, _ text: Text) -> Format {
    switch kind {
    case .csv: .csv(csv)
    case .json: .json
    case .parquet: .parquet
    case .text: .text(text)
    }
  }

  /// Refuses the keys of other formats.
  private static func refuseForeign(_ kind: FormatKind, _ keys: Keys) {
    let csv = ["delimiter", "quote", "header", "null_values"]
    if kind != .text {
      keys.refuse(["fallback_encoding", "binary"], because: "belongs to 'format: text'")
    }
    if kind != .csv { keys.refuse(csv, because: "belongs to 'format: csv'") }
    switch kind {
    case .csv: break
    case .json: keys.refuse(["encoding"], because: "is always utf-8 in JSON")
    case .parquet:
      keys.refuse(["encoding", "compression"], because: "is told by Parquet files themselves")
      keys.refuse(["malformed"], because: "belongs to lines of text; Parquet has none")
    case .text: keys.refuse(["columns"], because: "belongs to the other formats")
    }
  }

  private static func requireColumns(_ kind: FormatKind, _ columns: Schema?, _ keys: Keys) {
    keys.verify { reader in
      guard let columns else {
        guard keys.mark(of: "columns") == nil else { return }
        reader.fail(
          .missingKey, "'columns' is missing here", at: keys.mark,
          advice: "write columns: {name: type, …}"
            + (kind == .csv ? ", in the files' order" : ""))
        return
      }
      guard kind != .parquet else { return }
      for column in columns.fields
      where column.type.isNested || (kind == .json && column.type == .binary) {
        let entry = keys.entry("columns")?.mapping?.first { $0.key == column.name }
        reader.fail(
          .badValue,
          "'\(column.name)' cannot be \(column.type.withArticle) in "
            + (kind == .csv ? "delimited text" : "JSON lines"), at: entry?.keyMark ?? keys.mark,
          advice: "read it as string and take it apart in SQL")
      }
    }
  }

  private static func origin(_ keys: Keys) -> Origin {
    keys.exactlyOne(of: ["files", "uri"])
    let glob = keys.optional(
      "files", .glob, "All files that match: a path or URI with * ? ** in it.")
    let maxRemoved = keys.optional(
      "max_removed", .percent, default: 20, written: "20%",
      "files: the share of them that one batch may remove without --allow-removals.")
    let uri = keys.optional(
      "uri", .uriTemplate, "One file per interval: an address with {yyyy} {MM} {dd} {HH} in it.")
    let wait = keys.optional(
      "wait", .object(isOptional: true, self.wait), "uri: how long to stay for a missing file.")
    let onRepublish = keys.optional(
      "on_republish", Form<OnRepublish>.word, default: .ignore,
      "uri: what to do with an interval whose file was replaced.")
    let recheck = keys.optional(
      "recheck", .duration, default: 0, written: "0s",
      "uri: how far back replaced files are looked for.")
    let require = keys.optional(
      "require", .integer(1...8784),
      "uri: how many of an interval's files must be there; left out, all of them.")
    if let uri {
      keys.refuse(["max_removed"], because: "belongs to 'files:'")
      return .intervals(
        IntervalFileSettings(
          uri: uri, wait: wait ?? Wait(), onRepublish: onRepublish, recheckMilliseconds: recheck,
          require: require))
    }
    if glob != nil {
      keys.refuse(
        ["wait", "on_republish", "recheck", "require"], because: "belongs to 'uri:'")
    }
    return .files(FileSettings(glob: glob ?? "/", maxRemovedPercent: maxRemoved))
  }

  private static func wait(_ keys: Keys) -> Wait {
    Wait(
      timeoutMilliseconds: keys.optional(
        "timeout", .duration, default: 0, written: "0s", "How long a run stays; 0s looks once."),
      everyMilliseconds: keys.optional(
        "every", .positiveDuration, default: 60_000, written: "60s", "How often it looks."),
      onTimeout: keys.optional(
        "on_timeout", .word, default: .skip,
        "'skip' leaves the interval for a later run, 'fail' makes this run fail."))
  }

  private static func csv(_ keys: Keys) -> CSV {
    let csv = CSV(
      delimiter: keys.optional(
        "delimiter", .delimiter, default: UInt8(ascii: ","), written: ",",
        "CSV: the byte between fields; 'tab' is one."),
      quote: keys.optional(
        "quote", .quote, default: UInt8(ascii: "\""), written: "\"",
        "CSV: the byte around fields, or 'none' where quotes are ordinary characters."),
      header: keys.optional(
        "header", .boolean, default: true, "CSV: whether the first line names the columns."),
      encoding: keys.optional(
        "encoding", .word, default: .utf8, "The files' character encoding."),
      nullValues: keys.optional(
        "null_values", .list(of: .anyText), default: [],
        "CSV: texts that are NULL in every column, quoted or not; '' makes all empty fields NULL."))
    keys.verify { reader in
      if csv.quote == csv.delimiter, let mark = keys.mark(of: "quote") ?? keys.mark(of: "delimiter")
      {
        reader.fail(.badValue, "'quote' and 'delimiter' are the same byte", at: mark)
      }
    }
    return csv
  }

  private static func text(_ keys: Keys, encoding: Encoding) -> Text {
    let fallback = keys.optional(
      "fallback_encoding", Form<FallbackEncoding>.word, default: .none,
      "Text: tried where 'encoding' does not fit; 'none' makes such a document malformed.")
    let binary = keys.optional(
      "binary", Form<Misfit>.word, default: .quarantine,
      "Text: what happens to a document with a NUL in its first 8 KiB.")
    return Text(
      encoding: encoding, fallbackEncoding: Encoding(rawValue: fallback.rawValue), binary: binary)
  }

  private enum FallbackEncoding: String, CaseIterable {
    case none
    case latin1 = "latin-1"
    case windows1252 = "windows-1252"
  }
}

extension Form where Value == String {
  /// A location with wildcards.
  static var glob: Form {
    location.map(placeholder: "/") { glob, node, reader in
      let isHTTP = Location.scheme(of: glob).map { $0.hasPrefix("http") } ?? false
      if isHTTP && glob.contains("*") {
        reader.fail(
          .badValue, "HTTP cannot list files, so '*' finds none", at: node.mark,
          advice: "name one file, or use 'uri:' for one per interval")
        return nil
      }
      return glob
    }
  }
}

extension Form where Value == URITemplate {
  static var uriTemplate: Form {
    Form<String>.location.map(placeholder: .placeholder) { location, node, reader in
      // Parsed as written first: that is where a mistake can be shown.
      for text in [node.scalar?.text ?? "", location] {
        do throws(URITemplate.Mistake) {
          let template = try URITemplate(parsing: text)
          if text == location { return template }
        } catch {
          reader.fail(
            in: node, atOffset: error.offset, error.message, advice: error.advice,
            noun: "address of one file per interval")
          return nil
        }
      }
      return nil
    }
  }
}

extension Form where Value == Schema {
  /// `{name: type, …}`, in order.
  static var columns: Form {
    Form<[Named<FieldType>]>.named("column", .type, names: .column).map(placeholder: Schema([])) {
      columns, node, reader in
      if node.mapping?.isEmpty ?? true { reader.fail(.badValue, "no columns", at: node.mark) }
      reader.checkColumns(columns.map { ($0.name, $0.mark) })
      return Schema(columns.map { Field(name: $0.name, type: $0.value) })
    }
  }
}

extension Reader {
  /// Says where columns would be one to SQL, which does not tell cases apart, or are Sluice's own.
  func checkColumns(_ columns: [(name: String, mark: YAMLNode.Mark)]) {
    var known: [String: String] = [:]
    for column in columns {
      if let other = known.updateValue(column.name, forKey: column.name.lowercased()) {
        fail(
          .badValue, "columns '\(other)' and '\(column.name)' differ only by case", at: column.mark,
          advice: "SQL takes them for one")
      }
      if Provenance.names.contains(column.name.lowercased()) {
        fail(
          .badValue, "'\(column.name)' is a column that Sluice adds itself", at: column.mark)
      }
    }
  }
}
