import Core
import Stores

extension Lake {
  /// Where an engine may write rows that say that keys are gone: absolute.
  public func deletionStaging(_ id: TableID, run: RunID, part: String) -> String {
    store.uri(LakeLayout.statePrefix(id) + LakeLayout.deletions(run: run, part: part))
  }

  /// How a consumption file names what an engine has written there.
  public func deletionFile(_ file: DataFile, of id: TableID) throws -> DeletionFile {
    let key = try Table.key(of: file.path, in: store)
    return DeletionFile(
      name: String(key.dropFirst(LakeLayout.statePrefix(id).count)), rowCount: file.rowCount,
      byteCount: file.byteCount)
  }
}

extension Table {
  /// Rows that the table does not hold, ready to be read by an engine.
  ///
  /// - Throws: `LakeError` `.missing`, `.damaged`.
  public func dataFiles(of deletions: [DeletionFile]) throws -> [DataFile] {
    var files = deletions.map { file in
      DataFile(
        path: store.uri(LakeLayout.statePrefix(id) + file.name), rowCount: file.rowCount,
        byteCount: file.byteCount)
    }
    try FileLayouts(self).fill(&files)
    return files
  }
}
