import Core

extension Model {
  /// What `<model>.yaml` says, its columns and checks already compared with each other.
  static func form(name: String, pipeline: String, file: String) -> Form<Model> {
    .object { keys in
      let kind = keys.attempt(
        "kind", Form<Model.Kind>.word,
        "How new rows replace old ones: view, full, append, interval or merge; "
          + "operator, for a native operator that owns several tables.",
        isRequired: true)
      let description = keys.optional("description", .text, "What a row is, in a line.")
      let inputs = keys.optional(
        "inputs", .named("input", inputSettings, names: .qualified), default: [],
        "Of sources and models it reads whole, what a change of theirs means.")
      let onDefinition = keys.optional(
        "on_definition", Form<Model.OnDefinition>.word, default: .fail,
        "What to do when this file or its SQL changed: stop, or build the table again.")
      let incremental = keys.optional(
        "incremental", .incremental,
        "kind append and merge, and with recompute: the input it is kept up to date by.")
      let recompute = keys.optional(
        "recompute", .list(of: Form<String>.text.located), default: [],
        "kind full: the columns it groups by, of the input named in incremental; only groups of "
          + "which rows came, changed or went are then built again.")
      let onChange = keys.optional(
        "on_change", Form<Model.OnChange>.word, default: .replace,
        "kind append and merge: what becomes of rows whose file is changed or removed.")
      let uniqueKey = keys.optional(
        "unique_key", .list(of: Form<String>.text.located), default: [],
        "kind merge: the columns that tell rows apart.")
      let orderBy = keys.optional(
        "order_by", .list(of: Form<SortKey>.sortKey.located), default: [],
        "kind merge: of several rows of one key, the last in this order stays; "
          + "among equals the last of the file whose name sorts last.")
      let deleteMarker = keys.optional(
        "delete_marker", Form<String>.text.located,
        "kind merge: a boolean column, true in rows that say that their key is gone.")
      let sort = keys.optional(
        "sort", .list(of: Form<SortKey>.sortKey.located), default: [],
        "Columns to sort the table's files by; 'name desc' turns one round.")
      let partitionBy = keys.optional(
        "partition_by", .list(of: Form<PartitionColumn>.partitionColumn.located), default: [],
        "Columns to keep rows apart by, as they are or as year(c), month(c), day(c), hour(c), "
          + "bucket(16, c), truncate(4, c)."
      )
      let tags = keys.optional("tags", .list(of: .text), default: [], "Words to select it by.")
      let oper = keys.optional(
        "operator", Model.Operator.form,
        "A native operator that makes the rows, with its settings: rank, the top rows of each "
          + "group, or word_index, which finds words in text. The model's SQL is then its twin, "
          + "which 'run --twin' runs instead.")
      let outputs = keys.optional(
        "outputs", .named("output", TableDraft.form), default: [],
        "kind operator: by name, the tables it owns.")
      let table = TableDraft.read(keys, isRequired: false)
      var model = Model(
        name: name, pipeline: pipeline, kind: kind ?? .full, description: description, file: file,
        inputs: Dictionary(inputs.map { ($0.name, $0.value) }) { first, _ in first },
        onDefinition: onDefinition, incremental: recompute.isEmpty ? incremental?.value : nil,
        onChange: onChange,
        uniqueKey: uniqueKey.map(\.value), orderBy: orderBy.map(\.value),
        deleteMarker: deleteMarker?.value, sort: sort.map(\.value),
        partitionBy: partitionBy.map(\.value), operator: oper, tags: tags)
      keys.verify { reader in
        for input in inputs { model.inputMarks[input.name] = reader.place(input.mark) }
        if let incremental { model.incremental?.place = reader.place(incremental.mark) }
        if let incremental, !recompute.isEmpty {
          model.recompute = Model.Recompute(
            on: incremental.value.on, columns: recompute.map(\.value),
            place: reader.place(incremental.mark))
        }
        if let index = oper?.wordIndex {
          // What changes in its source is all that it reads.
          model.incremental = Model.Incremental(
            on: index.input, place: oper?.inputs.first?.place ?? .nowhere)
        }
        if let kind { refuse(kind, oper, keys) }
        model.outputs = outputs.map { output in
          Model.Output(
            name: output.name, description: output.value.description,
            columns: output.value.schema,
            checks: output.value.checks(reader, model: "\(name).\(output.name)"),
            place: reader.place(output.mark))
        }
        if oper?.wordIndex != nil, kind == .operator, let mark = keys.mark(of: "outputs") {
          WordIndexSettings.check(outputs, of: mark, reader)
        }
        for output in model.outputs {
          for check in output.checks where check.severity == .quarantine {
            reader.fail(
              .badValue, "rows of '\(output.name)' cannot be set aside one by one",
              at: outputs.first { $0.name == output.name }?.mark ?? keys.mark,
              advice: "the check '\(check.name)' may be 'error' or 'warn'")
          }
        }
        model.columns = table.schema
        model.checks = table.checks(reader, model: name)
        // Columns that failed to read would only be missed a second time.
        guard table.isSound, kind != .operator, keys.mark(of: "columns") != nil else { return }
        if let rank = oper?.rank { RankSettings.check(rank, of: kind, table.columns, reader) }
        for key in sort {
          reader.require(column: key.value.column, in: model.columns, key.node)
        }
        for part in partitionBy {
          reader.require(partition: part.value, in: model.columns, part.node)
        }
        for key in recompute { reader.require(column: key.value, in: model.columns, key.node) }
        if kind == .interval { requireInterval(table.columns, keys, reader) }
        guard kind == .append || kind == .merge else { return }
        for key in uniqueKey { reader.require(column: key.value, in: model.columns, key.node) }
        for key in orderBy {
          reader.require(column: key.value.column, in: model.columns, key.node)
        }
        if let deleteMarker {
          reader.require(column: deleteMarker.value, in: model.columns, deleteMarker.node)
          if let type = model.columns[deleteMarker.value]?.type, type != .boolean {
            reader.fail(
              .badValue, "'delete_marker' must be a boolean column, not \(type.withArticle)",
              at: deleteMarker.mark)
          }
        }
        if onChange == .keep && onDefinition == .rebuild {
          reader.fail(
            .badValue, "rows that were kept cannot be built again, but 'on_definition' is rebuild",
            at: keys.mark(of: "on_change") ?? keys.mark,
            advice: "leave on_definition out, and use --full-refresh where the rows may go")
        }
      }
      return model
    }
  }

  private static var inputSettings: Form<Model.InputSettings> {
    .object(isOptional: true) { keys in
      Model.InputSettings(
        onInputChange: keys.optional(
          "on_input_change", .word, default: .rebuild,
          "Whether a change of this input makes the table stale."))
    }
  }

  private static func refuse(_ kind: Model.Kind, _ oper: Model.Operator?, _ keys: Keys) {
    var missing: [String]
    var owns = false
    let incremental = ["incremental", "on_change"]
    let merge = ["unique_key", "order_by", "delete_marker"]
    let recomputes = kind == .full && keys.mark(of: "recompute") != nil
    if recomputes {
      keys.refuse(
        ["on_change"], because: "belongs to 'kind: append' and 'kind: merge'")
      keys.refuse(["operator"], because: "makes whole tables, not groups of their rows")
    } else {
      if kind != .append && kind != .merge {
        keys.refuse(incremental, because: "belongs to 'kind: append' and 'kind: merge'")
      }
      keys.refuse(["recompute"], because: "belongs to 'kind: full'")
    }
    if kind != .merge { keys.refuse(merge, because: "belongs to 'kind: merge'") }
    switch kind {
    case .operator:
      keys.refuse(
        ["columns", "checks"], because: "belongs to each of the 'outputs' of an operator")
      keys.refuse(
        ["sort", "partition_by"],
        because: "means nothing for an operator, which sorts its own tables")
      missing = ["operator", "outputs"]
      owns = true
    case .view:
      keys.refuse(["outputs"], because: "belongs to 'kind: operator'")
      keys.refuse(
        ["operator", "sort", "partition_by"],
        because: "means nothing for a view, which stores no rows")
      missing = ["columns"]
    case .full, .interval:
      keys.refuse(["outputs"], because: "belongs to 'kind: operator'")
      missing = ["columns"] + (recomputes ? ["incremental"] : [])
    case .append, .merge:
      keys.refuse(["outputs"], because: "belongs to 'kind: operator'")
      keys.refuse(["operator"], because: "makes whole intervals or tables, not parts of them")
      missing = ["columns", "incremental"] + (kind == .merge ? ["unique_key"] : [])
    }
    keys.verify { reader in
      if let oper, oper.ownsTables != owns, let mark = keys.mark(of: "operator") {
        reader.fail(
          .badValue,
          owns
            ? "'\(oper.name)' makes the rows of one table, not tables of its own"
            : "'\(oper.name)' makes tables of its own", at: mark,
          advice: owns
            ? "choose 'kind: full' or 'kind: interval'" : "choose 'kind: operator' with 'outputs:'")
      }
      for name in missing where keys.mark(of: name) == nil {
        reader.fail(
          .missingKey, "'\(name)' is missing here", at: keys.mark,
          advice: "'kind: \(kind.rawValue)' needs it")
      }
    }
  }

  /// Rule 13: interval tables carry their interval, and are partitioned by it.
  private static func requireInterval(
    _ columns: [Named<TableDraft.Column>], _ keys: Keys, _ reader: Reader
  ) {
    for name in ["interval_start", "interval_end"] {
      guard let column = columns.first(where: { $0.name == name }) else {
        reader.fail(
          .missingKey, "the column '\(name)' is missing", at: keys.mark(of: "columns") ?? keys.mark,
          advice: "'kind: interval' needs it: write \(name): {type: timestamp}")
        continue
      }
      if column.value.type != .timestamp {
        reader.fail(
          .badValue, "'\(name)' must be a timestamp, not \(column.value.type.withArticle)",
          at: column.mark)
      }
    }
  }
}

extension Form where Value == Located<Model.Incremental> {
  /// `{on: orders}`.
  static var incremental: Form {
    Form<Model.Incremental>.object { keys in
      Model.Incremental(
        on: keys.required(
          "on", .text, "A source or table that its SQL reads: only what is new in it is read."))
    }.located
  }
}
