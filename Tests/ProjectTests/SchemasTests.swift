import Core
import Foundation
import Testing

@testable import Project

@Suite struct SchemasTests {
  @Test(
    "the schemas checked in are those the declarations make",
    arguments: Schemas.all.map(\.name))
  func checkedIn(_ name: String) throws {
    let file = try #require(Schemas.all.first { $0.name == name })
    let path = "\(repository)/docs/schemas/\(name)"
    // SLUICE_WRITE_SCHEMAS=1 writes them, after a key was added or described anew.
    if ProcessInfo.processInfo.environment["SLUICE_WRITE_SCHEMAS"] == "1" {
      try Data(file.text.utf8).write(to: URL(fileURLWithPath: path))
    }
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(text == file.text)
  }

  @Test("the reference checked in is the one the declarations make")
  func reference() throws {
    let path = "\(repository)/docs/project-files.md"
    if ProcessInfo.processInfo.environment["SLUICE_WRITE_SCHEMAS"] == "1" {
      try Data(Schemas.reference.utf8).write(to: URL(fileURLWithPath: path))
    }
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(text == Schemas.reference)
  }

  @Test("every key says what it is for") func documented() throws {
    for file in Schemas.all {
      let schema = try JSON(parsing: file.text)
      #expect(SchemasTests.undocumented(schema).isEmpty, "\(file.name)")
    }
  }

  /// The names of properties without a description; operators' names are left out.
  private static func undocumented(_ schema: JSON) -> [String] {
    let properties = schema["properties"]?.members ?? []
    let isChoice = schema["maxProperties"] == 1
    return properties.filter { $0.value["description"] == nil && !isChoice }.map(\.name)
      + properties.flatMap { undocumented($0.value) }
      + ["items", "additionalProperties"].flatMap { schema[$0].map(undocumented) ?? [] }
      + (schema["anyOf"]?.array ?? []).flatMap(undocumented)
  }
}

/// A small judge of JSON Schema: only the words that the schemas here use.
///
/// The twin of the decoder: where a file's shape is right the schema has to agree, and where a key
/// is unknown, missing or of the wrong type it has to disagree.
struct SchemaJudge {
  let root: JSON

  /// The first thing that does not fit; nil where all does.
  func objection(to value: JSON, _ schema: JSON, at path: String = "") -> String? {
    if schema == .boolean(true) { return nil }
    for member in schema.members ?? [] {
      if let found = objection(to: value, member.name, member.value, schema, path) { return found }
    }
    return nil
  }

  private func objection(
    to value: JSON, _ word: String, _ argument: JSON, _ schema: JSON, _ path: String
  ) -> String? {
    switch word {
    case "type":
      let types = argument.array?.compactMap(\.string) ?? [argument.string!]
      return types.contains { has($0, value) } ? nil : "\(path): type"
    case "enum": return argument.array!.contains(value) ? nil : "\(path): enum"
    case "pattern":
      guard let text = value.string else { return nil }
      return text.range(of: argument.string!, options: .regularExpression) != nil
        ? nil : "\(path): pattern"
    case "minLength":
      return (value.string?.count ?? .max) >= argument.integer! ? nil : "\(path): empty"
    case "minimum":
      return (value.number ?? .infinity) >= argument.number! ? nil : "\(path): minimum"
    case "maximum":
      return (value.number ?? -.infinity) <= argument.number! ? nil : "\(path): maximum"
    case "minItems":
      return (value.array?.count ?? .max) >= argument.integer! ? nil : "\(path): empty"
    case "minProperties":
      return (value.members?.count ?? .max) >= argument.integer! ? nil : "\(path): empty"
    case "maxProperties":
      return (value.members?.count ?? 0) <= argument.integer! ? nil : "\(path): many"
    case "items":
      return value.array?.enumerated().lazy.compactMap {
        objection(to: $1, argument, at: "\(path)/\($0)")
      }.first
    case "properties":
      return argument.members!.lazy.compactMap { property in
        value[property.name].flatMap {
          objection(to: $0, property.value, at: "\(path)/\(property.name)")
        }
      }.first
    case "additionalProperties":
      let known = schema["properties"]?.members?.map(\.name) ?? []
      return value.members?.filter { !known.contains($0.name) }.lazy.compactMap { member in
        let place = "\(path)/\(member.name)"
        return argument == .boolean(false)
          ? "\(place): unknown" : objection(to: member.value, argument, at: place)
      }.first
    case "propertyNames":
      return value.members?.lazy.compactMap {
        objection(to: .string($0.name), argument, at: "\(path)/\($0.name)")
      }.first
    case "required":
      guard value.members != nil else { return nil }
      return argument.array!.contains { value[$0.string!] == nil } ? "\(path): required" : nil
    case "anyOf":
      let all = argument.array!.map { objection(to: value, $0, at: path) }
      return all.contains(nil) ? nil : all[0]
    case "oneOf":
      let count = argument.array!.count { objection(to: value, $0, at: path) == nil }
      return count == 1 ? nil : "\(path): oneOf"
    case "$ref":
      return objection(
        to: value, root["$defs"]![argument.string!.split(separator: "/").last.map(String.init)!]!,
        at: path)
    case "description", "default", "title", "$schema", "$defs": return nil
    default: return "the judge does not know '\(word)'"
    }
  }

  private func has(_ type: String, _ value: JSON) -> Bool {
    switch type {
    case "object": value.members != nil
    case "array": value.array != nil
    case "string": value.string != nil
    case "boolean": value.boolean != nil
    case "integer": value.integer != nil
    case "number": value.number != nil
    default: value.isNull
    }
  }
}

@Suite struct SchemaTwinTests {
  static func objection(_ schema: String, _ text: String) throws -> String? {
    let file = try #require(Schemas.all.first { $0.name == "\(schema).schema.json" })
    let root = try JSON(parsing: file.text)
    let tree = try #require(YAMLParser.parse(Array(text.utf8)).document)
    return SchemaJudge(root: root).objection(to: tree.json, root)
  }

  @Test("the fixture and the shared examples fit") func examples() throws {
    #expect(try Self.objection("sluice", "lake: lake") == nil)
    #expect(try Self.objection("pipeline", Fixture.pipeline) == nil)
    #expect(try Self.objection("model", Fixture.model) == nil)
    let pairs = [
      ("sluice", "sluice.yaml"), ("pipeline", "pipelines/pageviews/pipeline.yaml"),
      ("pipeline", "pipelines/wordindex/pipeline.yaml"),
      ("model", "pipelines/pageviews/models/top_pages.yaml"),
      ("model", "pipelines/wordindex/models/index.yaml"),
      ("model", "pipelines/wordindex/models/word_files.yaml"),
    ]
    for (schema, path) in pairs {
      for root in [sharedExamples, repository] {
        guard let text = try? String(contentsOfFile: "\(root)/\(path)", encoding: .utf8) else {
          continue
        }
        #expect(try Self.objection(schema, text) == nil, "\(path)")
      }
    }
  }

  @Test(
    "what the decoder refuses in one file's shape, the schema refuses too",
    arguments: [
      ("sluice", "lkae: x"), ("sluice", "lake: [a]"), ("sluice", "catalog: rest"),
      ("sluice", "- a"),
      ("sluice", "engine: duckdb"), ("sluice", "engine: {use: dukdb}"),
      ("sluice", "engine: {threads: 0}"),
      ("sluice", "engine: {threads: '4'}"), ("sluice", "cache: {max: lots}"),
      ("sluice", "profiles: {a: {profile: b}}"),
      ("sluice", "profiles: {'a b': {}}"), ("sluice", "lake:"),
      ("pipeline", "descripton: x"), ("pipeline", "params: 5"),
      ("pipeline", "params: {a: {typ: int}}"),
      ("pipeline", "params: {a: {type: itn}}"), ("pipeline", "params: {a: {values: []}}"),
      ("pipeline", "interval: {}"), ("pipeline", "interval: {every: minute}"),
      ("pipeline", "interval: {every: hour, default: now - 24}"),
      ("pipeline", "interval: {every: hour, parallel: 0}"),
      ("pipeline", "sources: {s: {files: x}}"), ("pipeline", "sources: {s: {format: text}}"),
      ("pipeline", "sources: {s: {files: x, uri: '{yyyy}', format: text}}"),
      ("pipeline", "sources: {s: {files: x, format: cvs}}"),
      ("pipeline", "sources: {s: {files: x, format: text, wait: {timeout: 5}}}"),
      ("pipeline", "sources: {s: {files: x, format: csv, delimiter: ab}}"),
      ("pipeline", "sources: {s: {files: x, format: csv, columns: [a]}}"),
      ("pipeline", "sources: {s: {files: x, format: csv, columns: {a: bigin}}}"),
      ("pipeline", "sources: {s: {files: x, format: csv, max_removed: 5}}"),
      ("pipeline", "exports: {e: {model: m, format: csv}}"),
      ("pipeline", "exports: {e: {model: m, to: x, format: json}}"),
      ("pipeline", "exports: {e: {model: m, to: x, format: csv, columns: []}}"),
      ("model", "columns: {a: int}"), ("model", "kind: incremental"),
      ("model", "kind: append\nincremental: {of: x}"),
      ("model", "kind: full\nsort: a"), ("model", "kind: full\ncolumns: {a: {description: x}}"),
      ("model", "kind: full\ncolumns: {a: {type: int, checks: [not_nul]}}"),
      ("model", "kind: full\ncolumns: {a: {type: int, checks: [row_count]}}"),
      ("model", "kind: full\ncolumns: {a: {type: int, checks: [{unique: {}, not_null: {}}]}}"),
      ("model", "kind: full\ncolumns: {a: {type: int, checks: [{accepted_values: []}]}}"),
      ("model", "kind: full\ncolumns: {a: {type: int, checks: [{not_null: {severity: fatal}}]}}"),
      ("model", "kind: full\nchecks: [{unique: {}}]"), ("model", "kind: full\nchecks: [not_null]"),
      ("model", "kind: full\noperator: {rnk: {}}"), ("model", "kind: full\non_definition: x"),
      ("model", "kind: full\ninputs: {'a b': {}}"), ("model", "kind: full\ntags: [[a]]"),
    ])
  func refused(_ schema: String, _ text: String) throws {
    #expect(try Self.objection(schema, text) != nil)
  }

  @Test(
    "what the decoder takes, the schema takes too",
    arguments: [
      ("sluice", ""), ("sluice", "engine:\ncache:\nprofiles:\n  dev:"),
      ("sluice", "engine: {threads: \"${T}\", memory: 5, spill: x}"),
      ("sluice", "profile: 5\ncache: {max: 1.5 GiB}"),
      ("pipeline", ""),
      (
        "pipeline",
        "params: {a: {type: int, default: 5, min: 1}, b: {values: [x, true, 2024-01-01]}}"
      ),
      ("pipeline", "interval: {every: \"${every}\", default: now-1h30m, retries: 0}"),
      ("pipeline", "interval: {every: hour, default: 2024-01-01T05}"),
      (
        "pipeline",
        "sources: {s: {uri: 'x/{yyyy}', format: csv, delimiter: tab, quote: none, header: false, null_values: ['', NA], wait: {timeout: 1h30m}, require: 3, columns: {a b: 'decimal(10,2)'}}}"
      ),
      (
        "pipeline",
        "sources: {s: {files: x, format: text, max_removed: 12.5%, fallback_encoding: latin-1, binary: drop}}"
      ),
      ("model", "kind: view\ncolumns: {a: int, 'b c': {type: 'struct<a: int>', description: x}}"),
      (
        "model",
        "kind: full\ncolumns: {a: {type: int, checks: [not_null, unique, {not_null: {}}, {between: {min: 1}}, {accepted_values: [1]}, {accepted_values: {values: [1], name: x}}]}}"
      ),
      (
        "model",
        "kind: full\nchecks: [{row_count: {max: 5}}, {unique: {columns: [a]}}]\ninputs: {p.x: , y: {on_input_change: ignore}}"
      ),
    ])
  func taken(_ schema: String, _ text: String) throws {
    #expect(try Self.objection(schema, text) == nil)
  }
}
