import Core

/// What `pipeline.yaml` says, before its parts are compared with each other and with the models.
struct PipelineFile {
  var description: String?
  var params: [Named<ParamDraft>]
  var interval: IntervalDraft?
  var sources: [Named<Source>]
  var exports: [Named<ExportDraft>]
  var hooks: Hooks

  static var form: Form<PipelineFile> { .object(isOptional: true, PipelineFile.init) }

  init(_ keys: Keys) {
    description = keys.optional("description", .text, "What the pipeline is for, in a line.")
    params = keys.optional(
      "params", .named("param", ParamDraft.form), default: [],
      "By name, the values that runs may choose with --set; $name in SQL, ${name} in YAML.")
    interval = keys.optional(
      "interval", IntervalDraft.form, "How time is cut, for sources with 'uri:'.")
    sources = keys.optional(
      "sources", .named("source", Source.form), default: [], "By name, where input comes from.")
    exports = keys.optional(
      "exports", .named("export", ExportDraft.form), default: [],
      "By name, files to write for people and other programs.")
    hooks =
      keys.optional("hooks", Hooks.form, "What is told when a run fails or has published.")
      ?? Hooks()
  }
}

/// A param as declared: its values are read once its type and `--set` are known.
struct ParamDraft {
  var type: FieldType
  /// As written, `${…}` included: other params may stand in it.
  var defaultNode: YAMLNode?
  var values: [YAMLNode]
  var min: YAMLNode?
  var max: YAMLNode?
  var description: String?

  static var form: Form<ParamDraft> {
    .object { keys in
      ParamDraft(
        type: keys.optional("type", .paramType, default: .string, written: "string", "Its type."),
        defaultNode: keys.optional(
          "default", Form<YAMLNode>.anything.described(as: Form<YAMLNode>.literal.schema()),
          "Its value without --set; left out, every run has to set it."),
        values: keys.optional(
          "values", .list(of: .literal, isEmptyAllowed: false), default: [],
          "The values it may take."),
        min: keys.optional("min", .literal, "The least value it may take."),
        max: keys.optional("max", .literal, "The greatest value it may take."),
        description: keys.optional("description", .text, "What it chooses."))
    }
  }
}

extension Form where Value == FieldType {
  /// A type whose values can be written on a command line.
  static var paramType: Form {
    type.map(placeholder: .string) { type, node, reader in
      if type.hasText { return type }
      reader.fail(.badValue, "a param cannot be \(type.withArticle)", at: node.mark)
      return nil
    }
  }
}

/// `interval:` with its default as an expression of the current time.
struct IntervalDraft {
  var every: IntervalLength
  var defaultTime: TimeExpression?
  var parallel: Int
  var retries: Int
  var mark: YAMLNode.Mark

  static var form: Form<IntervalDraft> {
    .object { keys in
      IntervalDraft(
        every: keys.required(
          "every", .word, "How long each interval is: hour, day, month or year."),
        defaultTime: keys.optional(
          "default", .time,
          "A run without --from takes the interval holding this time, such as 'now - 24h'; left "
            + "out, the last that is over."),
        parallel: keys.optional("parallel", .integer(1...256), default: 1, "Intervals at once."),
        retries: keys.optional(
          "retries", .integer(0...100), default: 0, "Further attempts at an interval that failed."),
        mark: keys.mark)
    }
  }

  func settings(now: Instant) -> IntervalSettings {
    let held: Interval
    if let defaultTime {
      held = every.interval(holding: defaultTime.instant(now: now))
    } else {
      let current = every.interval(holding: now)
      held = every.interval(holding: Instant(microseconds: current.start.microseconds - 1))
    }
    return IntervalSettings(
      every: every, defaultInterval: held, parallel: parallel, retries: retries)
  }
}

/// `now`, `now - 24h` or a fixed time.
enum TimeExpression: Hashable {
  case now(offsetMilliseconds: Int64)
  case fixed(Instant)

  init?(_ text: String) {
    guard text.hasPrefix("now") else {
      guard case .success(let instant) = CommandLineTime.read(text) else { return nil }
      self = .fixed(instant)
      return
    }
    let rest = text.dropFirst(3).filter { $0 != " " }
    if rest.isEmpty {
      self = .now(offsetMilliseconds: 0)
    } else if let sign = rest.first, sign == "-" || sign == "+",
      let milliseconds = Units.milliseconds(String(rest.dropFirst()))
    {
      self = .now(offsetMilliseconds: sign == "-" ? -milliseconds : milliseconds)
    } else {
      return nil
    }
  }

  func instant(now: Instant) -> Instant {
    switch self {
    case .now(let offset): Instant(microseconds: now.microseconds + offset * 1000)
    case .fixed(let instant): instant
    }
  }
}

extension Form where Value == TimeExpression {
  static var time: Form {
    .scalar(
      placeholder: .now(offsetMilliseconds: 0), expects: "a time such as 'now - 24h' or 2024-01-01",
      schema: substitutable([
        "type": "string", "pattern": "^(now *([-+] *([0-9]+(ms|s|m|h|d))+)?|[0-9]{4}-.*)$",
      ])
    ) { TimeExpression($0.text) }
  }
}

/// An export whose model and columns are still only names.
struct ExportDraft {
  var model: Located<String>
  var to: Located<String>
  var format: Export.Format
  var compression: Export.Compression
  var header: Bool
  var columns: [Located<String>]?
  var sort: [Located<SortKey>]
  var mark: YAMLNode.Mark

  static var form: Form<ExportDraft> {
    .object { keys in
      let draft = ExportDraft(
        model: keys.required("model", Form<String>.text.located, "The model to write."),
        to: keys.required(
          "to", Form<String>.destination.located,
          "A folder: path or URI; interval models need {partition} in it."),
        format: keys.required("format", .word, "'csv' or 'parquet'."),
        compression: keys.optional("compression", .word, default: .none, "CSV: 'gzip' or 'none'."),
        header: keys.optional(
          "header", .boolean, default: true, "CSV: whether the first line names the columns."),
        columns: keys.optional(
          "columns", .list(of: Form<String>.text.located, isEmptyAllowed: false),
          "The columns, in the file's order; left out, all of the model's."),
        sort: keys.optional(
          "sort", .list(of: Form<SortKey>.sortKey.located), default: [],
          "Columns to sort by; 'name desc' turns one round."),
        mark: keys.mark)
      if draft.format == .parquet {
        keys.refuse(["compression", "header"], because: "belongs to 'format: csv'")
      }
      return draft
    }
  }
}

extension Form where Value == String {
  /// A location whose only placeholder is `{partition}`.
  static var destination: Form {
    location.map(placeholder: "/") { location, node, reader in
      let rest = location.split(
        separator: Export.Destination.placeholder, omittingEmptySubsequences: false)
      if rest.count > 2 || rest.contains(where: { $0.contains("{") || $0.contains("}") }) {
        reader.fail(
          .badValue, "the only placeholder here is one {partition}", at: node.mark,
          advice: "it becomes year=…/month=…, as the interval has it")
        return nil
      }
      let trimmed = String(location.reversed().drop { $0 == "/" }.reversed())
      return trimmed.isEmpty ? location : trimmed
    }
  }
}
