import Core
import Engines
import Lake

/// Rows that were set aside before any model saw them, on their way to quarantine: lines that are
/// not what their source declares.
public protocol RejectedRows: Sendable {
  var rowCount: Int64 { get }
  /// `rule, source_file, source_row, row`, from the first row on.
  func source() throws -> any BatchSource
}

/// The table every pipeline has for the rows that were set aside, with the reason.
///
/// A row is there because of one batch of one consuming model, and the two are its partition: a
/// batch that is consumed again replaces its own rows and no others. Quarantine publishes before
/// the table that did without the rows (rule 16); where that publication then fails, the next
/// attempt replaces them.
public struct QuarantineTable: Sendable {
  public static let name = "quarantine"

  /// `model` consumed the `batch` in which the row was; `rule` is `malformed:<reason>` or a check's
  /// name; `source_row` is 1-based; `row` is the row's text, cut at 64 KiB.
  public static let columns = Schema([
    Field(name: "model", type: .string), Field(name: "rule", type: .string),
    Field(name: "source_file", type: .string), Field(name: "source_row", type: .bigint),
    Field(name: "batch", type: .string), Field(name: "run", type: .string),
    Field(name: "row", type: .string),
  ])

  public static let partitionColumns = ["model", "batch"]

  public let id: TableID
  private let lake: Lake

  public init(lake: Lake, pipeline: String) {
    self.lake = lake
    id = TableID(pipeline, QuarantineTable.name)
  }

  /// Which of a model's rows a publication takes the place of.
  public enum Replacement: Sendable {
    /// Those of the same batch.
    case batch
    /// Those of these source files, whichever batch they came with.
    case files(Set<String>)
    /// All of the model's.
    case all
  }

  /// Replaces the rows of one batch of one model, or of some source files. Where there are none and were none, nothing at
  /// all is written.
  ///
  /// - Parameters:
  ///   - malformed: What the sources set aside.
  ///   - split: What the checks set aside.
  ///   - replacing: What goes.
  ///   - sourceFile: The file that all rows of `split` come from, where there is just one.
  /// - Returns: The rows now there.
  /// - Throws: `.unbalanced` when not exactly the rejected rows were written; what engine and lake
  ///   throw.
  @discardableResult
  public func publish(
    model: String, batch: String, run: ActiveRun, malformed: (any RejectedRows)? = nil,
    split: QuarantineSplit? = nil, replacing: @autoclosure () -> Replacement = .batch,
    sourceFile: String? = nil,
    engine: some Engine, cancellation: Cancellation = .never
  ) throws -> Int64 {
    let expected = (malformed?.rowCount ?? 0) + (split?.rejected ?? 0)
    let partition: [Value] = [.string(model), .string(batch)]
    let base = try lake.catalog.load(id)
    // Of a hundred thousand files no set is made for a table that is not there.
    if expected == 0 && base == nil { return 0 }
    let replacing = replacing()
    let filter = filter(model: model, batch: batch, replacing)
    if expected == 0, try present(base, filter, replacing).isEmpty { return 0 }

    let schema = try Table.schema(
      for: QuarantineTable.columns, over: base, replacesAllRows: false)
    var files: [DataFile] = []
    if expected > 0 {
      let query = try query(
        model: model, batch: batch, run: run.id, malformed: malformed,
        failing: split?.rejectedRows(sourceFile: sourceFile))
      files = try engine.compute(
        query, into: output(schema, model: model, batch: batch, run: run.id),
        cancellation: cancellation, progress: { _ in })
      for index in files.indices { files[index].partition = partition }
    }
    var kept: [DataFile] = []
    do {
      try requireBalance(files, expected: expected, model: model, batch: batch)
      _ = try lake.publisher.publish(id, staged: files, run: run, cancellation: cancellation) {
        base, _ in
        try lake.publisher.discard(kept)
        kept = []
        let gone = try present(base, filter, replacing)
        // Another attempt may have taken them away meanwhile.
        if files.isEmpty && gone.isEmpty { return .alreadyApplied }
        kept = try rows(of: gone, besides: replacing, schema, run, engine, cancellation)
        let update = TableUpdate(
          schema: schema, partitionBy: PartitionColumn.identity(QuarantineTable.partitionColumns),
          sort: QuarantineTable.order.map { SortColumn($0) }, added: files + kept,
          removal: gone.isEmpty ? .none : .files(gone.map(\.path)),
          summary: [SummaryKey.run: run.id.rawValue], time: lake.clock.now())
        return .apply(Publication(update: update, consumption: nil, changes: nil))
      }
    } catch {
      // A commit whose outcome is unknown may name the files: maintenance finds out.
      if (error as? LakeError)?.code != .ambiguous { try? lake.publisher.discard(files + kept) }
      throw error
    }
    return expected
  }

  private static let order = ["rule", "source_file", "source_row"]

  private func filter(
    model: String, batch: String, _ replacing: Replacement
  ) -> RowFilter {
    let ofModel = RowFilter.equal("model", .string(model))
    if case .batch = replacing { return ofModel && .equal("batch", .string(batch)) }
    return ofModel
  }

  /// The files of the table that may hold rows that go.
  private func present(
    _ table: Table?, _ filter: RowFilter, _ replacing: Replacement
  ) throws -> [DataFile] {
    guard let table else { return [] }
    let present = try table.dataFiles(filter).filter { $0.rowCount > 0 }
    guard case .files(let names) = replacing else { return present }
    let column = table.schema["source_file"]?.id ?? 0
    return present.filter { file in
      guard let statistics = file.columns[column], let lower = statistics.lower,
        let upper = statistics.upper
      else { return true }
      return names.contains { name in
        ValueOrder.isLess(.string(name), lower) != true
          && ValueOrder.isLess(upper, .string(name)) != true
      }
    }
  }

  /// Of files that go, the rows that stay, written again into their partitions.
  private func rows(
    of gone: [DataFile], besides replacing: Replacement, _ schema: Schema, _ run: ActiveRun,
    _ engine: some Engine, _ cancellation: Cancellation
  ) throws -> [DataFile] {
    guard case .files(let names) = replacing, !gone.isEmpty else { return [] }
    var kept: [DataFile] = []
    let column = Field(name: "source_file", type: .string)
    for (partition, files) in Dictionary(grouping: gone, by: \.partition) {
      let query = Query(
        sql: "SELECT q.* FROM q ANTI JOIN gone ON q.source_file = gone.source_file",
        inputs: [
          "q": .files(files, schema: schema),
          "gone": .rows(
            RowSet(schema: Schema([column]), rows: names.sorted().map { [.string($0)] })),
        ], label: "\(id)")
      var written = try engine.compute(
        query, into: output(schema, model: "kept", batch: "\(kept.count)", run: run.id),
        cancellation: cancellation, progress: { _ in })
      for index in written.indices { written[index].partition = partition }
      kept += written
    }
    return kept
  }

  private func query(
    model: String, batch: String, run: RunID, malformed: (any RejectedRows)?, failing: Query?
  ) throws -> Query {
    var inputs: [String: Query.Input] = [:]
    if let malformed, malformed.rowCount > 0 {
      inputs["malformed"] = .batches(try malformed.source())
    }
    if let failing { inputs["failing"] = .view(failing) }
    let parts = inputs.keys.sorted().map {
      "SELECT \"rule\", source_file, source_row, \"row\" FROM \($0)"
    }
    return Query(
      sql: "SELECT $model AS model, r.\"rule\", r.source_file, r.source_row, $batch AS batch, "
        + "$run AS run, r.\"row\" FROM (\(parts.joined(separator: " UNION ALL "))) r",
      parameters: [
        "model": .string(model), "batch": .string(batch), "run": .string(run.rawValue),
      ], inputs: inputs, label: "\(id): rows of \(model), \(batch)")
  }

  private func output(_ schema: Schema, model: String, batch: String, run: RunID) -> Output {
    // Attempts of one run must not meet in one folder.
    let attempt = String(UInt64.random(in: .min ... .max), radix: 16)
    return Output(
      schema: schema, location: lake.staging(id, run: run, part: "\(model)-\(batch)-\(attempt)"),
      sort: QuarantineTable.order.map { Output.SortKey($0) })
  }

  private func requireBalance(
    _ files: [DataFile], expected: Int64, model: String, batch: String
  ) throws(AuditError) {
    let written = files.reduce(0) { $0 + $1.rowCount }
    guard written != expected else { return }
    throw AuditError(
      .unbalanced, "\(expected) rows were set aside but \(written) were written to quarantine",
      at: Place(model: model, batch: batch), advice: "nothing was published; run again")
  }
}
