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
  var except: DelimitedSource?
  /// What makes the model's rows of the operator's.
  var query: Query
  var copies: [LocalCopy]
  var byteCount: Int64

  /// Ranks.
  ///
  /// - Returns: The query that writes the result.
  func run(progress: @escaping @Sendable (Double) -> Void) throws -> BoundQuery {
    let outcome = try rank.run(input, except: except, progress: progress)
    var query = query
    query.inputs = [BoundRank.name: .batches(outcome.rows)]
    return BoundQuery(
      query: query, texts: except.map { [$0] } ?? [], read: outcome.tally, copies: copies,
      byteCount: byteCount)
  }

  fileprivate static let name = "ranked"
}

extension QueryBuilder {
  /// Opens what a ranking reads.
  func build(_ settings: RankSettings) throws -> BoundRank {
    var copies: [String: [LocalCopy]] = [:]
    let text = try text(settings.input, &copies)
    let except = try settings.except.map { except in
      let text = try self.text(except.input, &copies)
      return try DelimitedSource(
        files: text.files, format: text.format, rejects: text.rejects, cancellation: cancellation)
    }
    let engine = workspace.project.engine
    let parallel = workspace.project[pipeline: unit.node.model.pipeline]?.interval?.parallel ?? 1
    let rank = Rank(
      settings.definition, label: unit.label, threads: engine.threads,
      memoryByteCount: Int((engine.memoryBytes ?? 4 << 30) / Int64(max(1, parallel))),
      cancellation: cancellation, spillFolder: { [workspace] in try workspace.scratchFolder() })
    return BoundRank(
      rank: rank, input: .text(text.files, text.format, rejects: text.rejects), except: except,
      query: selection, copies: copies.values.flatMap { $0 }, byteCount: unit.inputs.byteCount)
  }

  private func text(_ name: String, _ copies: inout [String: [LocalCopy]]) throws -> Text {
    guard case .source(let pipeline, let source)? = unit.node.inputs[name] else {
      throw PipelineError(
        .unavailable, "'rank' reads sources, and '\(name)' is a model",
        at: Place(model: unit.label), advice: "write the model in SQL", exitCode: 2)
    }
    return try text(pipeline, source, &copies)
  }

  /// The declared columns, of the operator's rows and of the interval.
  private var selection: Query {
    var parameters: [String: Value] = [:]
    if let interval = unit.interval {
      parameters["interval_start"] = .timestamp(interval.start)
      parameters["interval_end"] = .timestamp(interval.end)
    }
    let columns = unit.node.model.columns.fields.map { field in
      let quoted =
        "\"\(field.name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\""))\""
      return parameters[field.name] == nil ? quoted : "$\(field.name) AS \(quoted)"
    }
    return Query(
      sql: "SELECT \(columns.joined(separator: ", ")) FROM \(BoundRank.name)",
      parameters: parameters, label: unit.node.model.qualifiedName)
  }
}

extension RankSettings {
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
