import Core

public enum ProjectDomain: FailureDomain {
  public static let name = "project"
}

/// What project files or the command line have wrong: file, line, column, what to write instead.
public typealias ProjectError = Failure<ProjectDomain>

extension Failure.Code where Domain == ProjectDomain {
  /// Mistakes in project files; `parts` holds each of them.
  public static var invalid: Self { .init(rawValue: "invalid") }
  /// No project where one was looked for, or a file of it cannot be read.
  public static var notFound: Self { .init(rawValue: "notFound") }
  /// Text that is not YAML.
  public static var syntax: Self { .init(rawValue: "syntax") }
  /// A key that nothing declares.
  public static var unknownKey: Self { .init(rawValue: "unknownKey") }
  public static var missingKey: Self { .init(rawValue: "missingKey") }
  /// A value of the wrong type, out of range, or not among those allowed.
  public static var badValue: Self { .init(rawValue: "badValue") }
  /// `${NAME}` that neither `--set`, nor a param, nor the environment defines.
  public static var unresolved: Self { .init(rawValue: "unresolved") }
  /// A name of a model, column, input, param or profile that does not exist.
  public static var unknownName: Self { .init(rawValue: "unknownName") }
  /// Models, params or inputs that need each other in a circle.
  public static var cycle: Self { .init(rawValue: "cycle") }
  /// A file of a pipeline folder that is missing, superfluous or misnamed.
  public static var badLayout: Self { .init(rawValue: "badLayout") }
}
