import Core

/// Compares what the files of one pipeline say about each other.
struct Linker {
  struct ModelDraft {
    var model: Model
    var tree: YAMLNode
    var reader: Reader
    var files: Layout.ModelFiles

    /// Where a key of the model's file stands, else the file's start.
    func mark(of key: String) -> YAMLNode.Mark {
      tree.mapping?.first { $0.key == key }?.keyMark ?? tree.mark
    }
  }

  private var pipeline: Pipeline
  /// `pipeline.yaml`.
  private let tree: YAMLNode
  private let reader: Reader
  private var drafts: [ModelDraft] = []

  init(pipeline: Pipeline, tree: YAMLNode, reader: Reader) {
    self.pipeline = pipeline
    self.tree = tree
    self.reader = reader
  }

  mutating func add(_ draft: ModelDraft) { drafts.append(draft) }

  /// - Parameter knownModels: Of all model files, those included that could not be read.
  mutating func link(exports: [Named<ExportDraft>], knownModels: [String]) -> Pipeline {
    checkNames()
    checkIntervals()
    for draft in drafts { checkSQL(draft) }
    pipeline.models = drafts.map(\.model)
    pipeline.exports = exports.compactMap { export($0, knownModels) }
    return pipeline
  }

  private var hasInterval: Bool { tree["interval"] != nil }

  /// Sources, models and outputs are all names in SQL, which does not tell cases apart.
  private func checkNames() {
    var known: [String: String] = [:]
    func claim(_ name: String, _ what: String, at mark: YAMLNode.Mark, _ reader: Reader) {
      if let other = known.updateValue(what, forKey: name.lowercased()) {
        reader.fail(
          .badValue, "the name '\(name)' is \(other) already", at: mark,
          advice: "SQL could not tell them apart")
      }
      if name.lowercased() == "quarantine" {
        reader.fail(
          .badValue, "the name 'quarantine' cannot be", at: mark,
          advice: "every pipeline has that table for rows set aside")
      }
    }
    for entry in tree["sources"]?.mapping ?? [] {
      claim(entry.key, "a source", at: entry.keyMark, reader)
    }
    for draft in drafts {
      let name = draft.model.name
      if !NameRule.isIdentifier(name) {
        draft.reader.fail(
          .badLayout, "the model name '\(name)' cannot be", at: draft.tree.mark,
          advice: "use letters, digits and '_', not starting with a digit")
      }
      claim(name, "a model", at: draft.tree.mark, draft.reader)
      for output in draft.tree["outputs"]?.mapping ?? [] where output.key != name {
        claim(output.key, "a table of '\(name)'", at: output.keyMark, draft.reader)
      }
    }
  }

  private func checkIntervals() {
    let entries = tree["sources"]?.mapping ?? []
    for source in pipeline.sources {
      guard case .intervals(let files) = source.origin,
        let node = entries.first(where: { $0.key == source.name })?.value,
        let mark = node.mapping?.first(where: { $0.key == "uri" })?.value.mark
      else { continue }
      guard let every = pipeline.interval?.every else {
        if !hasInterval {
          reader.fail(
            .missingKey, "one file per interval, but the pipeline has none", at: mark,
            advice: "write interval: {every: \(files.uri.length.rawValue)}")
        }
        continue
      }
      guard files.uri.length <= every else {
        reader.fail(
          .badValue,
          "one file for each \(files.uri.length.rawValue), but intervals of one \(every.rawValue)",
          at: mark, advice: "write interval: {every: \(files.uri.length.rawValue)}")
        continue
      }
      let most = every.mostTiles(of: files.uri.length)
      if let require = files.require, require > most {
        reader.fail(
          .badValue, "'require' asks for \(require) files, but one \(every.rawValue) has \(most)",
          at: node["require"]?.mark ?? mark)
      }
    }
    for draft in drafts where draft.model.kind == .interval && !hasInterval {
      draft.reader.fail(
        .badValue, "'kind: interval' in a pipeline without intervals", at: draft.mark(of: "kind"),
        advice: "write interval: {every: hour} into \(reader.file)")
    }
  }

  private func checkSQL(_ draft: ModelDraft) {
    let model = draft.model
    let name = model.name
    guard draft.files.sql == nil else { return }
    if draft.files.sparkSQL != nil {
      draft.reader.fail(
        .badLayout, "\(name).spark.sql without the \(name).sql that it translates",
        at: draft.tree.mark)
    } else if model.operator == nil && model.kind != .operator {
      draft.reader.fail(
        .badLayout, "no \(name).sql beside this file", at: draft.tree.mark,
        advice: "'kind: \(model.kind.rawValue)' takes its rows from one SELECT there")
    }
  }

  private func export(_ named: Named<ExportDraft>, _ knownModels: [String]) -> Export? {
    let draft = named.value
    guard let model = pipeline.models.first(where: { $0.name == draft.model.value }) else {
      if !knownModels.contains(draft.model.value) {
        reader.fail(
          .unknownName, "there is no model \(draft.model.node.shown)", at: draft.model.mark,
          advice: suggestion(for: draft.model.value, among: knownModels, called: "models")
            ?? "the pipeline has none")
      }
      return nil
    }
    guard model.kind != .operator else {
      reader.fail(
        .badValue, "'\(model.name)' owns several tables, so there is no one to export",
        at: draft.model.mark, advice: "write a view that selects from one of them")
      return nil
    }
    let destination = Export.Destination(draft.to.value)
    if model.kind == .interval && !destination.hasPartition {
      reader.fail(
        .badValue, "each interval of '\(model.name)' would replace the last one's file",
        at: draft.to.mark, advice: "add /{partition}")
    }
    if model.kind != .interval && destination.hasPartition {
      reader.fail(
        .badValue, "'\(model.name)' has no intervals to make a {partition} of", at: draft.to.mark)
    }
    for column in draft.columns ?? [] {
      reader.require(column: column.value, in: model.columns, column.node)
    }
    for key in draft.sort {
      reader.require(column: key.value.column, in: model.columns, key.node)
    }
    return Export(
      name: named.name, model: model.name, to: destination, format: draft.format,
      compression: draft.compression, header: draft.header,
      columns: draft.columns?.map(\.value) ?? model.columns.fields.map(\.name),
      sort: draft.sort.map(\.value), place: reader.place(named.mark))
  }
}

extension IntervalLength {
  static func <= (a: IntervalLength, b: IntervalLength) -> Bool {
    allCases.firstIndex(of: a)! <= allCases.firstIndex(of: b)!
  }

  /// How many shorter intervals one of these holds at most.
  func mostTiles(of shorter: IntervalLength) -> Int {
    // 2024 is a leap year that begins with a month of 31 days.
    let start = CivilTime(year: 2024).instant
    return shorter.tiles(of: interval(holding: start)).count
  }
}
