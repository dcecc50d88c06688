import Core
import Pipelines
import Project

/// From flags to a workspace: nothing but what the flags say is decided here.
enum Opening {
  /// - Throws: `ProjectError`, with every mistake of the project's files.
  static func project(
    _ options: Options, _ environment: Environment, variables: [String: String],
    workingDirectory: String
  ) throws -> Project {
    var project = try Project.load(
      LoadOptions(
        directory: options.project, workingDirectory: workingDirectory, profile: options.profile,
        lake: options.lake, settings: options.settings.map { ($0.name, $0.value) },
        environment: variables, now: environment.clock.now()))
    if let threads = options.threads { project.engine.threads = threads }
    if let bytes = options.memoryByteCount { project.engine.memoryBytes = bytes }
    return project
  }
}
