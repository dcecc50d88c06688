import Core

/// The files that make up a project, found but not read.
struct Layout {
  struct ModelFiles {
    var name: String
    /// Absolute paths; nil where there is none.
    var yaml: String?
    var sql: String?
    var sparkSQL: String?
  }

  struct PipelineFiles {
    var name: String
    var directory: String
    var yaml: String
    var models: [ModelFiles]
  }

  /// Absolute.
  let directory: String
  private(set) var pipelines: [PipelineFiles] = []

  static let projectFile = "sluice.yaml"
  static let pipelineFile = "pipeline.yaml"

  /// Finds the project's folder.
  static func directory(_ options: LoadOptions) throws(ProjectError) -> String {
    let start = Location.absolute(options.directory ?? ".", in: options.workingDirectory)
    func holds(_ name: String, _ directory: String) -> Bool {
      let kind = FileSystem.kind(of: Location.absolute(name, in: directory))
      return kind.exists && !kind.isDirectory
    }
    var candidate = start
    while true {
      if holds(projectFile, candidate) { return candidate }
      if options.directory != nil || candidate == "/" { break }
      candidate = Location.absolute("..", in: candidate)
    }
    let near = ["sluice.yml", "Sluice.yaml", "sluice.YAML"].first { holds($0, start) }
    let place = options.directory == nil ? "here or in a folder above" : "in this folder"
    throw ProjectError(
      .notFound, "no \(projectFile) \(place)", at: Place(file: start),
      advice: near.map { "rename \($0) to \(projectFile)" }
        ?? "start a project with 'sluice init', or name its folder with --project",
      exitCode: 2)
  }

  /// Walks the pipelines' folders; what stands there and belongs to no pipeline is left alone.
  init(_ directory: String, display: (String) -> String, _ problems: Problems) {
    self.directory = directory
    let root = Location.absolute("pipelines", in: directory)
    guard FileSystem.kind(of: root).isDirectory else {
      let near = Location.absolute("pipeline", in: directory)
      if FileSystem.kind(of: near).isDirectory {
        problems.add(
          .badLayout, "a folder called 'pipeline'", at: Place(file: display(near)),
          advice: "rename it to 'pipelines'")
      }
      return
    }
    for entry in Layout.entries(root, display, problems) where entry.isDirectory {
      let folder = "\(root)/\(entry.name)"
      if !NameRule.isIdentifier(entry.name) {
        problems.add(
          .badLayout, "the pipeline name '\(entry.name)' cannot be",
          at: Place(file: display(folder)),
          advice: "use letters, digits and '_', not starting with a digit")
      }
      let entries = Layout.entries(folder, display, problems)
      guard entries.contains(where: { $0.name == Layout.pipelineFile && !$0.isDirectory }) else {
        let near = entries.first { Layout.isNear($0.name) }
        problems.add(
          .badLayout, "no \(Layout.pipelineFile) in this folder", at: Place(file: display(folder)),
          advice: near.map { "rename \($0.name) to \(Layout.pipelineFile)" }
            ?? "every folder below pipelines/ is a pipeline: write one, or move the folder away")
        continue
      }
      for near in entries where Layout.isNear(near.name) {
        problems.add(
          .badLayout, "only \(Layout.pipelineFile) is read",
          at: Place(file: display("\(folder)/\(near.name)")), advice: "remove this file")
      }
      if entries.contains(where: { $0.name == "model" && $0.isDirectory }) {
        problems.add(
          .badLayout, "a folder called 'model'", at: Place(file: display("\(folder)/model")),
          advice: "rename it to 'models'")
      }
      pipelines.append(
        PipelineFiles(
          name: entry.name, directory: folder, yaml: "\(folder)/\(Layout.pipelineFile)",
          models: Layout.models("\(folder)/models", display, problems)))
    }
  }

  private static func isNear(_ name: String) -> Bool {
    let plain = name.lowercased()
    return name != pipelineFile
      && ["pipeline.yml", "pipeline.yaml", "pipelines.yaml", "pipelines.yml"].contains(plain)
  }

  private static func models(
    _ folder: String, _ display: (String) -> String, _ problems: Problems
  ) -> [ModelFiles] {
    guard FileSystem.kind(of: folder).isDirectory else { return [] }
    var models: [String: ModelFiles] = [:]
    for entry in entries(folder, display, problems) {
      let path = "\(folder)/\(entry.name)"
      let place = Place(file: display(path))
      if entry.isDirectory {
        let inside = entries(path, display, problems).map(\.name)
        if inside.contains(where: { $0.hasSuffix(".yaml") || $0.hasSuffix(".sql") }) {
          problems.add(
            .badLayout, "models in a folder below models/ are not read", at: place,
            advice: "move its files into models/")
        }
        continue
      }
      for (ending, key) in [
        (".yaml", \ModelFiles.yaml), (".spark.sql", \ModelFiles.sparkSQL),
        (".sql", \ModelFiles.sql),
      ] where entry.name.hasSuffix(ending) {
        let name = String(entry.name.dropLast(ending.count))
        models[name, default: ModelFiles(name: name)][keyPath: key] = path
        break
      }
      let lower = entry.name.lowercased()
      if lower.hasSuffix(".yml")
        || lower != entry.name && (lower.hasSuffix(".yaml") || lower.hasSuffix(".sql"))
          && !entry.name.hasSuffix(".yaml") && !entry.name.hasSuffix(".sql")
      {
        let stem = entry.name.prefix { $0 != "." }
        let ending = lower.hasSuffix(".sql") ? "sql" : "yaml"
        problems.add(
          .badLayout, "only .yaml and .sql are read here", at: place,
          advice: "rename it to \(stem).\(ending)")
      }
    }
    return models.values.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
  }

  private static func entries(
    _ directory: String, _ display: (String) -> String, _ problems: Problems
  ) -> [FileSystem.Entry] {
    do throws(FileSystem.Refusal) {
      return try FileSystem.entries(of: directory)
    } catch {
      problems.add(.notFound, error.message, at: Place(file: display(directory)))
      return []
    }
  }
}
