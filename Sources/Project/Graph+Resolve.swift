import Core

extension Project {
  /// Connects every model with what it reads.
  ///
  /// - Parameter shape: The names after FROM and JOIN in a model's SQL, as written; called once for
  ///   each model with SQL. A failure of code `badQuery` is reported as that model's mistake, any
  ///   other is passed on.
  /// - Throws: `ProjectError` `.invalid` with a part for each unknown input, each entry of
  ///   `inputs:` that nothing reads, and a circle if there is one.
  public func graph(shape: (Model) throws -> [String]) throws -> Graph {
    try GraphBuilder(self).build(shape)
  }
}

private final class GraphBuilder {
  private let project: Project
  private let problems = Problems()
  private var nodes: [String: Graph.Node] = [:]

  init(_ project: Project) { self.project = project }

  func build(_ shape: (Model) throws -> [String]) throws -> Graph {
    for pipeline in project.pipelines {
      for model in pipeline.models { try add(model, of: pipeline, shape) }
    }
    // With inputs missing, a circle could be found where there is none.
    try problems.throwIfAny()
    let order = sorted()
    try problems.throwIfAny()
    return Graph(nodes: order)
  }

  private func add(
    _ model: Model, of pipeline: Pipeline, _ shape: (Model) throws -> [String]
  ) throws {
    problems.expect(file: model.file)
    if let sql = model.sql { problems.expect(file: sql.displayPath) }
    var read: [(name: String, place: Place)] = []
    if let sql = model.sql {
      do {
        read += try shape(model).map { ($0, place(of: $0, in: sql)) }
      } catch let failure as any AnyFailure where failure.qualifiedCode.hasSuffix(".badQuery") {
        // Whoever parses knows line and column, not the file.
        var place = failure.place
        place.file = sql.displayPath
        place.model = nil
        problems.add(.syntax, failure.message, at: place, advice: failure.advice)
        return
      }
    }
    read += model.operator?.inputs.map { ($0.name, $0.place) } ?? []
    var inputs: [String: Graph.Input] = [:]
    for (name, place) in read {
      if let input = resolve(name, in: pipeline, at: place) {
        inputs[name] = input
        check(input, of: model, name, at: place)
      }
    }
    let names = Set(read.map(\.name))
    for (name, place) in model.inputMarks.sorted(by: { $0.key < $1.key })
    where !names.contains(name) {
      problems.add(
        .unknownName, "'\(model.name)' does not read '\(name)'", at: place,
        advice: suggestion(for: name, among: names, called: "it reads"))
    }
    if let incremental = model.incremental {
      check(incremental, of: model, reading: inputs, names, in: pipeline)
    }
    if let recompute = model.recompute { check(recompute, of: model, reading: inputs, names) }
    nodes[model.qualifiedName] = Graph.Node(model: model, inputs: inputs)
  }

  private func place(of name: String, in sql: Model.SQLFile) -> Place {
    let mark = SQLNames.mark(of: name, in: sql.text)
    return Place(file: sql.displayPath, line: mark?.line, column: mark?.column)
  }

  private func resolve(_ name: String, in pipeline: Pipeline, at place: Place) -> Graph.Input? {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    if parts.count == 1 {
      if pipeline[source: name] != nil { return .source(pipeline: pipeline.name, source: name) }
      if let table = table(name, in: pipeline) { return table }
    } else if parts.count == 2, let other = project[pipeline: parts[0]] {
      if let table = table(parts[1], in: other) { return table }
      if other[source: parts[1]] != nil {
        problems.add(
          .unknownName, "'\(name)' is a source, which only its own pipeline reads", at: place,
          advice: other.name == pipeline.name
            ? "write \(parts[1])" : "read a model of '\(other.name)' instead")
        return nil
      }
    }
    problems.add(
      .unknownName, "there is no source or model '\(name)'", at: place,
      advice: suggestion(for: name, among: names(in: pipeline), called: "there are"))
    return nil
  }

  private func table(_ name: String, in pipeline: Pipeline) -> Graph.Input? {
    for model in pipeline.models {
      let isTable =
        model.kind == .operator
        ? model.outputs.contains { $0.name == name } : model.name == name
      if isTable { return .table(pipeline: pipeline.name, model: model.name, table: name) }
    }
    return nil
  }

  /// All that a model of this pipeline may read.
  private func names(in pipeline: Pipeline) -> [String] {
    func tables(_ pipeline: Pipeline) -> [String] {
      pipeline.models.flatMap { model in
        model.kind == .operator ? model.outputs.map(\.name) : [model.name]
      }
    }
    let others = project.pipelines.filter { $0.name != pipeline.name }
    return pipeline.sources.map(\.name) + tables(pipeline)
      + others.flatMap { other in tables(other).map { "\(other.name).\($0)" } }
  }

  private func check(_ input: Graph.Input, of model: Model, _ name: String, at place: Place) {
    if model.kind == .view, case .source = input {
      problems.add(
        .badValue, "a view reads tables, but '\(name)' is a source", at: place,
        advice: "choose 'kind: full', or read a model")
    }
  }

  private func check(
    _ incremental: Model.Incremental, of model: Model, reading inputs: [String: Graph.Input],
    _ names: Set<String>, in pipeline: Pipeline
  ) {
    let place = incremental.place
    guard names.contains(incremental.on) else {
      problems.add(
        .unknownName, "'\(model.name)' does not read '\(incremental.on)'", at: place,
        advice: suggestion(for: incremental.on, among: names, called: "it reads"))
      return
    }
    if case .table(let owner, let other, _)? = inputs[incremental.on],
      project[pipeline: owner]?[model: other]?.kind == .view
    {
      problems.add(
        .badValue, "'\(incremental.on)' is a view, which keeps no record of its changes",
        at: place, advice: "name a table or a source here")
    }
    // Rows that must stay cannot follow a change of what they were computed with.
    if model.onChange == .keep {
      for name in names.sorted() where name != incremental.on {
        guard model.settings(ofInput: name).onInputChange == .rebuild else { continue }
        problems.add(
          .badValue,
          "a change of '\(name)' would build '\(model.name)' again, which is to keep "
            + "its rows (on_change: keep)", at: model.inputMarks[name] ?? place,
          advice: "write inputs: {\(name): {on_input_change: ignore}}")
      }
    }
  }

  /// Groups are told by the changes that a table keeps a record of.
  private func check(
    _ recompute: Model.Recompute, of model: Model, reading inputs: [String: Graph.Input],
    _ names: Set<String>
  ) {
    guard names.contains(recompute.on) else {
      problems.add(
        .unknownName, "'\(model.name)' does not read '\(recompute.on)'", at: recompute.place,
        advice: suggestion(for: recompute.on, among: names, called: "it reads"))
      return
    }
    guard case .table(let owner, let other, _)? = inputs[recompute.on],
      let upstream = project[pipeline: owner]?[model: other],
      [.append, .merge, .interval].contains(upstream.kind)
    else {
      problems.add(
        .badValue,
        "'\(recompute.on)' keeps no record of which rows came and went, so that 'recompute' "
          + "cannot tell which groups to build again", at: recompute.place,
        advice: "put an append table between the two")
      return
    }
    for column in recompute.columns {
      guard let theirs = upstream.columns[column]?.type else {
        problems.add(
          .unknownName, "'\(recompute.on)' has no column '\(column)'", at: recompute.place,
          advice: suggestion(
            for: column, among: Set(upstream.columns.fields.map(\.name)), called: "its columns"))
        continue
      }
      if let ours = model.columns[column]?.type, ours != theirs {
        problems.add(
          .badValue, "'\(column)' is \(theirs) in '\(recompute.on)' and \(ours) here",
          at: recompute.place, advice: "groups are told apart by equal values: give both one type")
      }
    }
  }

  /// Kahn's algorithm; of the models that are ready, the first by name comes next.
  private func sorted() -> [Graph.Node] {
    var waiting = nodes
    var done: Set<String> = []
    var order: [Graph.Node] = []
    while !waiting.isEmpty {
      let ready = waiting.filter { $0.value.upstream.allSatisfy(done.contains) }.keys.min()
      guard let ready else {
        reportCircle(waiting)
        return order
      }
      order.append(waiting.removeValue(forKey: ready)!)
      done.insert(ready)
    }
    return order
  }

  private func reportCircle(_ waiting: [String: Graph.Node]) {
    // Every model that waits has an input that waits: following them leads round.
    var path = [waiting.keys.min()!]
    while true {
      let next = waiting[path.last!]!.upstream.first { waiting[$0] != nil }!
      if let start = path.firstIndex(of: next) {
        // Begun at the least name, so that the message is the same however it was found.
        let circle = Array(path[start...])
        let least = circle.indices.min { circle[$0] < circle[$1] }!
        let turned = circle[least...] + circle[..<least]
        let model = waiting[turned.first!]!.model
        problems.add(
          .cycle, "models read each other: \((turned + [turned.first!]).joined(separator: " → "))",
          at: Place(file: model.sql?.displayPath ?? model.file))
        return
      }
      path.append(next)
    }
  }
}
