import Core

/// Where tables are looked up and committed.
public protocol Catalog: Sendable {
  /// - Returns: The table's newest version, or nil when there is none.
  func load(_ id: TableID) throws -> Table?

  /// Publishes one new snapshot on top of `base`; nil creates the table.
  ///
  /// - Parameter ready: Called once all is written that the snapshot names, and before it becomes
  ///   visible: who publishes several tables in an order waits here for those before. What it
  ///   throws ends the commit.
  /// - Parameter visible: Called once it is certain that the snapshot is published: what is left to
  ///   do then is of use to readers, and nobody has to wait for it.
  /// - Returns: The version that holds the snapshot.
  /// - Throws: `LakeError` `.conflict` when another commit came first: nothing of this one is
  ///   visible, load and decide again. `.ambiguous` when the outcome could not be found out:
  ///   nothing may be cleaned up. `.outdated` when the added files were written with other column
  ///   IDs. After any failure but `.ambiguous` it is certain that nothing was published.
  func commit(
    _ update: TableUpdate, to id: TableID, base: Table?, ready: () throws -> Void,
    visible: () -> Void
  ) throws -> Table

  /// Forgets a table; its files stay. One that is not there is no error.
  func drop(_ id: TableID) throws

  /// Mends what a killed writer may have left behind at the version that was loaded. Cheap when
  /// there is nothing to do; every run does it, plans do not.
  func repair(_ table: Table) throws
}

extension Catalog {
  /// Publishes one new snapshot, without waiting for anyone.
  public func commit(_ update: TableUpdate, to id: TableID, base: Table?) throws -> Table {
    try commit(update, to: id, base: base, ready: {}, visible: {})
  }
}
