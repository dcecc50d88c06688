import Core

extension Project {
  /// Reads a project: every file of it, every mistake in one pass.
  ///
  /// - Throws: `.notFound` where there is no project; `.invalid` with a part for each mistake in
  ///   its files and in `--set`. Both have exit code 2.
  public static func load(_ options: LoadOptions) throws -> Project {
    let directory = try Layout.directory(options)
    return try ProjectLoader(options, directory).load()
  }
}

/// One pass over a project: parse everything, then decode from the outside in.
struct ProjectLoader {
  /// A file's tree before substitution; nil where it is no YAML.
  private struct Document {
    let reader: Reader
    let tree: YAMLNode?
  }

  private let options: LoadOptions
  private let directory: String
  private let variables: Variables
  private let problems = Problems()

  init(_ options: LoadOptions, _ directory: String) {
    self.options = options
    self.directory = directory
    variables = Variables(options)
  }

  func load() throws(ProjectError) -> Project {
    let root = document(Location.absolute(Layout.projectFile, in: directory))
    let layout = Layout(directory, display: display, problems)
    let files = layout.pipelines.map { files in
      (
        files: files, pipeline: document(files.yaml),
        models: files.models.map { ($0, $0.yaml.map(document)) }
      )
    }
    let all = [root] + files.flatMap { [$0.pipeline] + $0.models.compactMap(\.1) }
    if all.allSatisfy({ $0.tree != nil }) { checkSettings(all.compactMap(\.tree)) }
    var project = self.project(root)
    project.pipelines = files.map { entry in
      pipeline(entry.files, entry.pipeline, entry.models, lake: project.lake)
    }
    checkDestinations(project.pipelines)
    try problems.throwIfAny()
    return project
  }

  private func display(_ path: String) -> String {
    Location.display(path, from: Location.absolute(".", in: options.workingDirectory))
  }

  private func document(_ path: String) -> Document {
    let reader = Reader(file: display(path), directory: directory, problems: problems)
    guard let bytes = bytes(path) else { return Document(reader: reader, tree: nil) }
    return Document(reader: reader, tree: reader.parse(bytes))
  }

  private func bytes(_ path: String) -> [UInt8]? {
    do throws(FileSystem.Refusal) {
      return try FileSystem.read(path, limit: YAMLText.maxBytes)
    } catch {
      problems.add(.notFound, error.message, at: Place(file: display(path)))
      return nil
    }
  }

  /// Every name in `--set` has to be a param of some pipeline or a variable of some file.
  private func checkSettings(_ trees: [YAMLNode]) {
    var known: Set<String> = []
    for tree in trees {
      known.formUnion(tree.variables)
      known.formUnion(tree["params"]?.mapping?.map(\.key) ?? [])
    }
    known.remove("lake")
    for name in variables.settings.keys.sorted() where !known.contains(name) {
      problems.add(
        .unknownName, "--set \(name.shortened): nothing in the project is called that",
        at: .nowhere,
        advice: name == "lake"
          ? "write --lake URI" : suggestion(for: name, among: known, called: "it could be"))
    }
  }

  /// Two exports in one folder would delete each other's files.
  private func checkDestinations(_ pipelines: [Pipeline]) {
    var known: [String: String] = [:]
    for pipeline in pipelines {
      for export in pipeline.exports {
        let name = "\(pipeline.name).\(export.name)"
        if let other = known.updateValue(name, forKey: export.to.text) {
          problems.add(
            .badValue, "exports '\(other)' and '\(name)' write to the same folder",
            at: export.place)
        }
      }
    }
  }

  // MARK: sluice.yaml

  private func project(_ root: Document) -> Project {
    let reader = root.reader
    let tree = root.tree ?? .nothing
    let (profile, overlay) = self.profile(tree, reader)
    let settings = tree.without(["profile", "profiles"])
    let merged = overlay.map { settings.merged(with: $0) } ?? settings

    let lake = self.lake(merged, reader)
    let scope = variables.scope(lake: lake)
    // The whole file once, for what is wrong in parts that are not in force; unresolved variables
    // there are nobody's concern.
    _ = ProjectFile.form.read(scope.substitute(tree, reader, isLenient: true), reader, "the file")
    var rest = scope.substitute(merged.without(["lake"]), reader)
    if rest.mapping == nil { rest = YAMLNode(content: .mapping([]), mark: tree.mark) }
    let file = Keys.read(
      rest.mapping ?? [], at: rest.mark, reader, isPartial: true, ProjectFile.settings
    ).value
    var engine = file.engine
    engine.spill = Location.absolute(engine.spill, in: directory)
    return Project(
      directory: directory, lake: lake, catalog: file.catalog, engine: engine,
      cache: CacheSettings(
        path: Location.absolute(file.cache.path, in: directory), maxBytes: file.cache.maxBytes),
      maintenance: file.maintenance, leases: file.leases, profile: profile, pipelines: [])
  }

  /// The profile in force and what it says.
  private func profile(_ tree: YAMLNode, _ reader: Reader) -> (String?, YAMLNode?) {
    let profiles = tree["profiles"]?.mapping ?? []
    var name = options.profile
    var node: YAMLNode?
    if name == nil, let written = tree["profile"] {
      let replaced = variables.scope(lake: nil).substitute(written, reader)
      name = Form<String>.text.read(replaced, reader, "'profile'")
      node = replaced
    }
    guard let name else { return (nil, nil) }
    if let entry = profiles.first(where: { $0.key == name }) { return (name, entry.value) }
    let advice =
      suggestion(for: name, among: profiles.map(\.key), called: "profiles")
      ?? "name it under 'profiles:'"
    if let node {
      reader.fail(
        .unknownName, "there is no profile \(node.shown)", at: node.mark, advice: advice)
    } else {
      problems.add(
        .unknownName, "--profile \(name.shortened): there is no such profile",
        at: Place(file: reader.file), advice: advice)
    }
    return (nil, nil)
  }

  private func lake(_ settings: YAMLNode, _ reader: Reader) -> String {
    if let text = options.lake {
      do throws(Location.Mistake) {
        let lake = try Location.resolve(text, against: options.workingDirectory)
        if let password = Location.password(in: lake) { Redaction.shared.register(password) }
        return lake
      } catch {
        problems.add(.badValue, "--lake: \(error.message)", at: .nowhere, advice: error.advice)
        return "/"
      }
    }
    let written = settings["lake"].map { variables.scope(lake: nil).substitute($0, reader) }
    let lake = written.flatMap { Form<String>.location.read($0, reader, "'lake'") }
    return lake ?? Location.absolute(ProjectFile.lakeDefault, in: directory)
  }

  // MARK: pipelines

  private func pipeline(
    _ files: Layout.PipelineFiles, _ document: Document,
    _ models: [(Layout.ModelFiles, Document?)], lake: String
  ) -> Pipeline {
    let reader = document.reader
    let tree = document.tree ?? .nothing
    let base = variables.scope(lake: lake)
    let params = tree["params"].map { declarations($0, base, reader) }
    let drafts =
      params.flatMap { Form.named("param", ParamDraft.form).read($0, reader, "'params'") } ?? []
    let resolver = ParamResolver(pipeline: files.name, drafts, variables, lake: lake, reader)
    let scope = resolver.scope

    var body = scope.substitute(tree.without(["params"]), reader)
    if let params, let mark = tree.mapping?.first(where: { $0.key == "params" })?.keyMark,
      let entries = body.mapping
    {
      body.content = .mapping(entries + [.init(key: "params", keyMark: mark, value: params)])
    }
    let parameters = resolver.resolve()
    // Read on where a part is wrong: what the other parts have wrong is wanted in the same pass.
    let file =
      body.mapping.map { Keys.read($0, at: body.mark, reader, PipelineFile.init).value }
      ?? PipelineFile.form.read(body, reader, "the file")
    var pipeline = Pipeline(
      name: files.name, directory: files.directory, file: reader.file,
      description: file?.description, parameters: parameters)
    pipeline.interval = file?.interval?.settings(now: options.now)
    pipeline.hooks = file?.hooks ?? Hooks()
    pipeline.sources = (file?.sources ?? []).map { named in
      var source = named.value
      source.name = named.name
      source.place = reader.place(named.mark)
      return source
    }
    var linker = Linker(pipeline: pipeline, tree: body, reader: reader)
    for (modelFiles, document) in models {
      if let model = model(modelFiles, document, pipeline: files, scope) { linker.add(model) }
    }
    return linker.link(exports: file?.exports ?? [], knownModels: files.models.map(\.name))
  }

  /// Params with everything but their defaults substituted: those wait for other params.
  private func declarations(_ params: YAMLNode, _ base: Scope, _ reader: Reader) -> YAMLNode {
    guard let entries = params.mapping else { return base.substitute(params, reader) }
    let replaced = entries.map { param in
      var param = param
      guard let keys = param.value.mapping else {
        param.value = base.substitute(param.value, reader)
        return param
      }
      param.value.content = .mapping(
        keys.map { key in
          var key = key
          if key.key != "default" { key.value = base.substitute(key.value, reader) }
          return key
        })
      return param
    }
    return YAMLNode(content: .mapping(replaced), mark: params.mark)
  }

  private func model(
    _ files: Layout.ModelFiles, _ document: Document?, pipeline: Layout.PipelineFiles,
    _ scope: Scope
  ) -> Linker.ModelDraft? {
    let sql = files.sql.flatMap(sqlFile)
    let sparkSQL = files.sparkSQL.flatMap(sqlFile)
    guard let document else {
      let path = files.sql ?? files.sparkSQL ?? ""
      let others = pipeline.models.filter { $0.yaml != nil && $0.sql == nil }.map(\.name)
      problems.add(
        .badLayout, "a query without its \(files.name).yaml", at: Place(file: display(path)),
        advice: nearest(to: files.name, among: others).map { "did you mean \($0).sql?" }
          ?? "write \(files.name).yaml beside it, with 'kind' and 'columns'")
      return nil
    }
    guard let tree = document.tree else { return nil }
    let reader = document.reader
    let form = Model.form(name: files.name, pipeline: pipeline.name, file: reader.file)
    guard var model = form.read(scope.substitute(tree, reader), reader, "the file") else {
      return nil
    }
    model.sql = sql
    model.sparkSQL = sparkSQL
    return Linker.ModelDraft(model: model, tree: tree, reader: reader, files: files)
  }

  private func sqlFile(_ path: String) -> Model.SQLFile? {
    guard let bytes = bytes(path) else { return nil }
    let shown = display(path)
    guard bytes.count <= YAMLText.maxBytes else {
      problems.add(.badLayout, "larger than 1 MiB", at: Place(file: shown))
      return nil
    }
    guard let text = String(validating: bytes, as: UTF8.self) else {
      problems.add(.syntax, "bytes that are not UTF-8", at: Place(file: shown))
      return nil
    }
    if text.allSatisfy({ $0.isWhitespace }) {
      problems.add(
        .badLayout, "an empty file", at: Place(file: shown), advice: "write one SELECT")
      return nil
    }
    return Model.SQLFile(path: path, displayPath: shown, text: text)
  }
}

extension YAMLNode {
  /// The name of every `${NAME}` below; text that is no template names none.
  var variables: Set<String> {
    switch content {
    case .scalar(let scalar): (try? Template(parsing: scalar.text))?.names ?? []
    case .sequence(let items): items.reduce(into: []) { $0.formUnion($1.variables) }
    case .mapping(let entries): entries.reduce(into: []) { $0.formUnion($1.value.variables) }
    }
  }
}
