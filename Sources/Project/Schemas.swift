import Core

/// The JSON Schemas of the project files, made from the declarations that read them.
public enum Schemas {
  public struct File: Sendable {
    /// `pipeline.schema.json`.
    public var name: String
    public var text: String
  }

  /// One for each kind of file, draft 2020-12, as checked in under `docs/schemas/`.
  public static var all: [File] {
    [
      file("sluice", "sluice.yaml: a project", ProjectFile.form.schema()),
      file("pipeline", "pipeline.yaml: a pipeline", PipelineFile.form.schema()),
      file(
        "model", "models/<model>.yaml: a table",
        Model.form(name: "", pipeline: "", file: "").schema()),
    ]
  }

  private static func file(_ name: String, _ title: String, _ schema: JSON) -> File {
    let head: [JSON.Member] = [
      .init("$schema", "https://json-schema.org/draft/2020-12/schema"),
      .init("title", .string(title)),
    ]
    let definitions: JSON = [
      "substitution": [
        "description": "A value made of ${NAME} or ${NAME:-default}.", "type": "string",
        "pattern": "\\$\\{",
      ]
    ]
    let members = head + (schema.members ?? []) + [.init("$defs", definitions)]
    return File(
      name: "\(name).schema.json", text: JSON.object(members).text(indented: true) + "\n")
  }
}
