import Core
import Engines
import Kernels
import Lake
import Operators
import Project
import Synchronization

/// Finds out what queries are: from what tables remember under the SHA-256 of the text, else by
/// parsing. Planning over unchanged text needs no parser and so no engine (rule 14).
final class QueryLibrary: Sendable {
  private let known: Mutex<[String: ConsumedQuery]>
  private let parse: @Sendable (_ sql: String, _ label: String) throws -> QueryShape

  /// - Parameter remembered: Facts by the SHA-256 of the SQL text, in hexadecimal.
  init(
    remembered: [String: ConsumedQuery],
    parse: @escaping @Sendable (_ sql: String, _ label: String) throws -> QueryShape
  ) {
    known = Mutex(remembered)
    self.parse = parse
  }

  static func key(_ sql: String) -> String { hash(sql) }

  /// - Throws: `EngineError` `.badQuery` with the file, line and column.
  func facts(of file: Model.SQLFile) throws -> ConsumedQuery {
    let key = QueryLibrary.key(file.text)
    if let facts = known.withLock({ $0[key] }) { return facts }
    let shape = try parse(file.text, file.displayPath)
    let facts = ConsumedQuery(
      inputs: shape.inputs, parameters: shape.parameters, syntaxSHA256: hash(shape.syntax))
    known.withLock { $0[key] = facts }
    return facts
  }
}

/// The fingerprint of what a model computes (rule 14): the parsed query with the params it uses, or
/// the operator with its version and settings; the declared columns, how its sources are read, and
/// the same of the views it reads.
///
/// White space, comments, documentation, checks, sort order and the interval's length are not part
/// of it: they do not change which rows are right.
struct DefinitionFingerprint {
  let graph: Graph
  let project: Project
  let library: QueryLibrary

  /// - Returns: 64 hexadecimal digits.
  func of(_ node: Graph.Node) throws -> String {
    hash(try description(of: node).description)
  }

  private func description(of node: Graph.Node) throws -> JSON {
    let model = node.model
    var members: [JSON.Member] = [
      .init("kind", .string(model.kind.rawValue)),
      .init(
        "columns",
        .array(model.columns.fields.map { .array([.string($0.name), .string("\($0.type)")]) })),
    ]
    if let incremental = model.incremental {
      members.append(.init("on", .string(incremental.on)))
    }
    if model.kind == .merge {
      members += [
        .init("unique_key", .array(model.uniqueKey.map(JSON.string))),
        .init(
          "order_by",
          .array(
            model.orderBy.map { .array([.string($0.column), .boolean($0.isDescending)]) })),
        .init("delete_marker", model.deleteMarker.map(JSON.string) ?? .null),
      ]
    }
    if let native = model.operator {
      // Not the twin: it gives the same rows.
      members.append(
        .init(
          "operator",
          [
            "name": .string(native.name),
            // The tokenizer's version is in its settings.
            "version": .integer(native.wordIndex == nil ? Int64(RankDefinition.version) : 1),
            "settings": native.wordIndex?.fingerprint ?? native.settings,
          ]))
    } else if let sql = model.sql {
      let facts = try library.facts(of: sql)
      let params = project[pipeline: model.pipeline]?.params ?? [:]
      members.append(.init("query", .string(facts.syntaxSHA256)))
      members.append(
        .init(
          "params",
          .object(
            facts.parameters.compactMap { name in
              params[name].map { .init(name, .string($0.description)) }
            })))
    }
    let inputs = try node.inputs.sorted { $0.key < $1.key }.map { name, input in
      JSON.Member(name, try description(of: input))
    }
    members.append(.init("inputs", .object(inputs)))
    return .object(members)
  }

  private func description(of input: Graph.Input) throws -> JSON {
    switch input {
    case .source(let pipeline, let source):
      guard let source = project[pipeline: pipeline]?[source: source] else { return .null }
      return SourceFingerprint.reading(source)
    case .table(let pipeline, let model, let table):
      guard let node = graph["\(pipeline).\(model)"], node.model.kind == .view else {
        return .string("\(pipeline).\(table)")
      }
      return .string(try of(node))
    }
  }
}

extension WordIndexSettings {
  /// What decides about words and documents: defaults that are spelled out change nothing.
  fileprivate var fingerprint: JSON {
    [
      "input": .string(input), "doc_id": .string(documentID.rawValue),
      "tokenizer": .string(tokenizer.operatorSettings.canonicalText),
    ]
  }
}

/// What identifies a source's definition.
enum SourceFingerprint {
  /// How its bytes become rows; where they come from is not part of it.
  static func reading(_ source: Source) -> JSON {
    var members: [JSON.Member] = [
      .init("compression", .string(source.compression.rawValue)),
      .init("malformed", .string(source.malformed.rawValue)),
    ]
    switch source.format {
    case .csv(let csv):
      members += [
        .init("format", "csv"), .init("delimiter", .integer(Int64(csv.delimiter))),
        .init("quote", csv.quote.map { .integer(Int64($0)) } ?? .null),
        .init("header", .boolean(csv.header)), .init("encoding", .string(csv.encoding.rawValue)),
        .init("columns", columns(source)),
      ]
      if !csv.nullValues.isEmpty {
        members.append(.init("null_values", .array(csv.nullValues.map(JSON.string))))
      }
    case .json: members += [.init("format", "json"), .init("columns", columns(source))]
    case .parquet: members += [.init("format", "parquet"), .init("columns", columns(source))]
    case .text(let text):
      members += [
        .init("format", "text"), .init("encoding", .string(text.encoding.rawValue)),
        .init("fallback_encoding", text.fallbackEncoding.map { .string($0.rawValue) } ?? .null),
        .init("binary", .string(text.binary.rawValue)),
      ]
    }
    return .object(members)
  }

  private static func columns(_ source: Source) -> JSON {
    .array(source.columns.fields.map { .array([.string($0.name), .string("\($0.type)")]) })
  }

  /// Where it looks, for the log (rule 5): a narrowed glob is told from files that went away.
  static func location(_ source: Source, _ addresses: Addresses) -> String {
    switch source.origin {
    case .files(let settings): hash("files " + addresses.key(of: settings.glob))
    case .intervals(let settings): hash("intervals " + addresses.key(of: settings.uri.text))
    }
  }
}

/// The SHA-256 of a text, 64 hexadecimal digits.
func hash(_ text: String) -> String { hexText(sha256(Array(text.utf8))) }
