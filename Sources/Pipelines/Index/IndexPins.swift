import Core
import Lake
import Project

/// Lets one reader see the tables of an index at one version of it, whatever a run is publishing
/// meanwhile (rule 16).
final class IndexPins {
  private var pinned: [TableID: [TableID: Table]] = [:]

  /// One of the tables that follow an index, in the newest version that all of them have.
  func table(_ id: TableID, of model: Model, in catalog: any Catalog) throws -> Table? {
    let owner = TableID(model.pipeline, model.name)
    if let tables = pinned[owner] { return tables[id] }
    var tables: [TableID: Table] = [:]
    for id in IndexTables.ids(of: model) {
      guard let table = try catalog.load(id) else { continue }
      tables[id] = table
    }
    if let common = tables.values.compactMap(\.indexVersion).min(), tables.count > 1 {
      for (id, table) in tables {
        guard let version = table.indexVersion, version > common,
          let snapshot = table.history().first(where: {
            ($0[summary: SummaryKey.index].flatMap { Int($0) } ?? .max) <= common
          })
        else { continue }
        tables[id] = try table.at(snapshot: snapshot.id)
      }
    }
    pinned[owner] = tables
    return tables[id]
  }
}
