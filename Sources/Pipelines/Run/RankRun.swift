import Core
import Engines
import Formats
import Operators
import Project
import Stores

/// A ranking with everything it reads opened.
struct BoundRank {
  var rank: Rank
  var input: Rank.Input
  var except: (any BatchSource)?
  /// What makes the model's rows of the operator's.
  var query: Query
  var copies: [LocalCopy]
  var byteCount: Int64

  /// Ranks.
  ///
  /// - Returns: The query that writes the result.
  func run(progress: @escaping @Sendable (Double) -> Void) throws -> BoundQuery {
    defer { close() }
    let outcome = try rank.run(input, except: except, progress: progress)
    var query = query
    query.inputs = [BoundRank.name: .batches(outcome.rows)]
    return BoundQuery(
      query: query, texts: (except as? DelimitedSource).map { [$0] } ?? [], read: outcome.tally,
      copies: copies, byteCount: byteCount)
  }

  /// Ends the queries whose rows are ranked.
  private func close() {
    if case .batches(let source as QueryBatches) = input { source.close() }
    (except as? QueryBatches)?.close()
  }

  fileprivate static let name = "ranked"
}

extension QueryBuilder {
  /// Opens what a ranking reads.
  func build(_ settings: RankSettings) throws -> BoundRank {
    var copies: [String: [LocalCopy]] = [:]
    var tableBytes: Int64 = 0
    let input = try input(settings.input, settings.inputColumns, &copies, &tableBytes)
    let except = try settings.except.map { except -> any BatchSource in
      switch try self.input(except.input, except.on, &copies, &tableBytes) {
      case .text(let files, let format, let rejects):
        try DelimitedSource(
          files: files, format: format, rejects: rejects, cancellation: cancellation)
      case .batches(let source): source
      }
    }
    let engine = workspace.project.engine
    let parallel = workspace.project[pipeline: unit.node.model.pipeline]?.interval?.parallel ?? 1
    let rank = Rank(
      settings.definition, label: unit.label, threads: engine.threads,
      memoryByteCount: Int((engine.memoryBytes ?? 4 << 30) / Int64(max(1, parallel))),
      cancellation: cancellation, spillFolder: { [workspace] in try workspace.scratchFolder() })
    return BoundRank(
      rank: rank, input: input, except: except, query: selection,
      copies: copies.values.flatMap { $0 }, byteCount: unit.inputs.byteCount + tableBytes)
  }

  /// Text is read by the operator itself; anything else through the engine.
  ///
  /// - Parameter columns: Those that are wanted.
  private func input(
    _ name: String, _ columns: [String], _ copies: inout [String: [LocalCopy]],
    _ tableBytes: inout Int64
  ) throws -> Rank.Input {
    guard let input = unit.node.inputs[name] else {
      throw PipelineError(
        .unknownName, "there is no source or model '\(name)'", at: Place(model: unit.label))
    }
    if case .source(let pipeline, let name) = input {
      let source = try source(pipeline, name)
      if source.format != .parquet {
        let format = try format(of: source)
        let files = try local(source, of: pipeline, unit.inputs.all(of: name), &copies)
        return .text(files, format, rejects: rejects(of: source))
      }
    }
    var texts: [String: DelimitedSource] = [:]
    let opened = try open(input, &texts, &copies, &tableBytes)
    func query(_ list: String, _ suffix: String = "") -> Query {
      Query(
        sql: "SELECT \(list) FROM input\(suffix)", inputs: ["input": opened], label: unit.label)
    }
    let schema = try workspace.engine.rows(query("*", " LIMIT 0"), cancellation: cancellation)
      .schema
    // A column that is not there is the operator's to complain of.
    let wanted = Schema(schema.fields.filter { columns.contains($0.name) })
    let list = wanted.fields.map { quoted($0.name) }.joined(separator: ", ")
    return .batches(
      QueryBatches(
        query(list.isEmpty ? "*" : list), schema: list.isEmpty ? schema : wanted,
        engine: workspace.engine, cancellation: cancellation))
  }

  private func quoted(_ name: String) -> String {
    "\"\(name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\""))\""
  }

  /// The declared columns, of the operator's rows and of the interval.
  private var selection: Query {
    var parameters: [String: Value] = [:]
    if let interval = unit.interval {
      parameters["interval_start"] = .timestamp(interval.start)
      parameters["interval_end"] = .timestamp(interval.end)
    }
    let columns = unit.node.model.columns.fields.map { field in
      let name = quoted(field.name)
      return parameters[field.name] == nil ? name : "$\(field.name) AS \(name)"
    }
    return Query(
      sql: "SELECT \(columns.joined(separator: ", ")) FROM \(BoundRank.name)",
      parameters: parameters, label: unit.node.model.qualifiedName)
  }
}

extension RankSettings {
  /// The columns of the input that matter.
  fileprivate var inputColumns: [String] {
    var columns = by + conditions.map(\.column)
    if case .sum(let name) = measure { columns.append(name) }
    return columns
  }

  /// In the operator's words.
  var definition: RankDefinition {
    RankDefinition(
      by: by, within: within,
      measure: {
        switch measure {
        case .sum(let name): .sum(name)
        case .count(let name): .count(name)
        }
      }(),
      top: top, ties: RankDefinition.Ties(rawValue: ties.rawValue)!,
      except: except.map { .init(on: $0.on, percentDecode: $0.percentDecode) },
      conditions: conditions.map { condition in
        RankCondition(
          condition.column, RankCondition.Operation(rawValue: condition.operation)!,
          {
            switch condition.constant {
            case .integer(let number): .integer(number)
            case .string(let text): .string(text)
            }
          }())
      })
  }
}
