import Core
import Lake

extension Workspace {
  /// The records of past runs, newest first. Runs with nothing to do leave none.
  ///
  /// - Parameter limit: At least 1.
  public func history(limit: Int) throws -> [JSON] {
    try lake.history.list(limit: limit).compactMap { try lake.history.read($0) }
  }

  /// One run's record.
  ///
  /// - Parameter run: Its name, or the beginning of one that is unique.
  /// - Throws: `PipelineError` `.unknownName` when none, or more than one, fits.
  public func historyRecord(run: String) throws -> JSON {
    let found = try lake.history.list().filter { $0.rawValue.hasPrefix(run) }
    guard let only = found.first, found.count == 1, let record = try lake.history.read(only) else {
      throw PipelineError(
        .unknownName,
        found.isEmpty ? "there is no run '\(run)'" : "\(found.count) runs begin with '\(run)'",
        advice: "see 'sluice history'", exitCode: 2)
    }
    return record
  }
}
