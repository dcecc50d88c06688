import Core
import Lake
import Operators
import Synchronization

/// What there is to do for the tables of a small batch before its segment is built: to look at the
/// tables, and to write the rows that older segments keep.
struct TablesAhead: Sendable {
  /// Nil where none are written.
  let rows: RowsAhead?
  private let tables: [TableID: Job<IndexTables.Present>]

  /// Starts.
  init(_ burials: [IndexChange.Burial], _ tables: IndexTables, _ open: OpenIndex) {
    let ids = IndexTables.ids(of: tables.model)
    let present = Dictionary(
      uniqueKeysWithValues: ids.map { id in (id, Job { try tables.present(id) }) })
    self.tables = present
    let id = TableID(tables.model.pipeline, RowsAhead.table)
    rows =
      burials.isEmpty
      ? nil : RowsAhead(burials, tables, open) { try present[id]?.value().table }
  }

  /// Waits for a table.
  func present(_ id: TableID) throws -> IndexTables.Present? { try tables[id]?.value() }
}

/// The rows of `documents` that a batch leaves of older segments. Which these are follows from the
/// batch's files alone: so they are written while the batch's own segment is built, and numbered, and
/// its rows are. That is a longer way, which half of the threads are left to.
final class RowsAhead: Sendable {
  let rowCount: Int64
  private let job: Job<Written>
  private let isTaken = Atomic<Bool>(false)
  fileprivate static let table = "documents"

  /// Files by the label of the segment whose rows they are.
  private struct Written {
    var schema: Schema
    var files: [String: [DataFile]] = [:]
  }

  /// Starts writing. Where a document is of another file than the burial says, there are no rows.
  fileprivate init(
    _ burials: [IndexChange.Burial], _ tables: IndexTables, _ open: OpenIndex,
    into table: @escaping @Sendable () throws -> Table?
  ) {
    rowCount = burials.reduce(0) { $0 + Int64($1.segment.liveCount) }
    job = Job {
      let id = TableID(tables.model.pipeline, RowsAhead.table)
      var written = Written(schema: try tables.schema(id, table()))
      do {
        for burial in burials {
          guard burial.segment.liveCount > 0 else {
            try burial.verify(open)
            continue
          }
          let rows = try tables.documents(
            burial.segment, burial.dead, named: burial.names, open,
            threads: max(1, tables.workspace.project.engine.threads / 2))
          written.files[tables.label(burial.segment, id)] = try tables.write(
            rows, of: burial.segment, written.schema, id)
        }
      } catch {
        tables.discard(written.files.values.flatMap { $0 })
        throw error
      }
      return written
    }
  }

  /// Waits for the rows; nil unless a document is of another file than was taken for granted.
  var unexpected: OperatorError? {
    do {
      _ = try job.value()
      return nil
    } catch let error as OperatorError where error.code == .otherName {
      return error
    } catch {
      return nil
    }
  }

  /// Waits for the rows, and gives them away; once.
  ///
  /// - Throws: `OperatorError` `.otherName`, and what the writing throws.
  /// - Parameters:
  ///   - labels: Those that are of use; the others are dropped: of segments that were merged.
  ///   - schema: The table's. What was written with another one is of no use.
  func take(
    _ labels: Set<String>, of schema: Schema, discard: ([DataFile]) -> Void
  ) throws -> [String: [DataFile]] {
    guard !isTaken.exchange(true, ordering: .relaxed) else { return [:] }
    let written = try job.value()
    let isOfUse = written.schema == schema
    let useless = written.files.filter { !isOfUse || !labels.contains($0.key) }
    if !useless.isEmpty { discard(useless.values.flatMap { $0 }) }
    return written.files.filter { useless[$0.key] == nil }
  }

  /// Waits for the rows, and drops them unless they were given away.
  func drop(_ discard: ([DataFile]) -> Void) {
    guard !isTaken.exchange(true, ordering: .relaxed) else { return }
    if let written = try? job.value() { discard(written.files.values.flatMap { $0 }) }
  }
}
