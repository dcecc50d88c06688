import Core
import Kernels
import Lake
import Project
import Stores
import Synchronization

/// Copies the files of landed sources into the lake before its log names them (rule 6): what the log
/// names is there to be read, whatever becomes of its origin.
///
/// A version that is in the lake since today is not fetched again, even where its run was killed
/// before it could log it; a transfer that broke off, in this run or in one that was killed, goes on
/// where it stopped as long as the origin still has the version.
struct Lander {
  private let workspace: Workspace

  init(_ workspace: Workspace) { self.workspace = workspace }

  private var cancellation: Cancellation { workspace.context.cancellation }
  private var today: LandingDay { LandingDay(workspace.context.clock.now()) }

  /// What a landing came to.
  struct Outcome {
    /// Those whose bytes are in the lake now, and removals, in the order given.
    var changes: [FileChange] = []
    /// What could not be fetched or filed.
    var failures: [(file: ListedFile, failure: any AnyFailure)] = []
  }

  private static let concurrency = 4
  /// How often an origin may change between a look and a read before it is left for later.
  private static let looks = 5

  // MARK: - Looking

  /// A file of a landed source as a look at it shows it, compared with what is known of it.
  ///
  /// An origin that says nothing by which its versions can be told apart is news once a day, until
  /// its copy of the day has landed.
  func settled(
    _ file: ListedFile, known: LoggedFile?, of source: String, in pipeline: String
  ) throws -> ListedFile {
    guard let known = known?.file, known.landed != nil, known.interval == file.interval else {
      return file
    }
    guard Version(file.version).isReliable else {
      if known.landed == today { return known }
      let copies = try workspace.lake.landing(pipeline: pipeline, source: source).copies(
        ofKey: file.key, on: today)
      return copies.contains { $0.isOf(version: known.version) } ? known : file
    }
    // The log has the size of what came, where the server did not say one before.
    return file.byteCount < 0 && file.version == known.version ? known : file
  }

  // MARK: - Landing

  /// Brings added and changed files into the lake, several at once.
  ///
  /// - Parameter logged: What the changes were found against.
  /// - Throws: `Cancelled`; what concerns single files is in the outcome.
  func land(
    _ changes: [FileChange], of source: Source, in pipeline: String, logged: LogState
  ) throws -> Outcome {
    let total = changes.reduce(0) { $0 + ($1.kind == .removed ? 0 : max(0, $1.file.byteCount)) }
    let task = "\(pipeline).\(source.name)"
    let done = Mutex<Int64>(0)
    defer { workspace.context.progress.finish(task: task) }
    let progress: @Sendable (Int64) -> Void = { [progress = workspace.context.progress] bytes in
      let sum = done.withLock { done in
        done += bytes
        return done
      }
      progress.report(task: task, step: "land", done: sum, total: total)
    }
    let results = concurrently(changes, limit: Lander.concurrency) { change -> FileChange? in
      guard change.kind != .removed else { return change }
      return try land(change, source, pipeline, logged, progress)
    }
    var outcome = Outcome()
    for (change, result) in zip(changes, results) {
      do {
        if let change = try result.get() { outcome.changes.append(change) }
      } catch let error as any AnyFailure {
        outcome.failures.append((change.file, error))
      }
    }
    return outcome
  }

  /// - Returns: The change as it goes to the log; nil where nothing has changed after all, or the
  ///   file went away meanwhile.
  private func land(
    _ change: FileChange, _ source: Source, _ pipeline: String, _ logged: LogState,
    _ progress: @Sendable (Int64) -> Void
  ) throws -> FileChange? {
    let area = workspace.lake.landing(pipeline: pipeline, source: source.name)
    let (store, key) = try workspace.opener.locate(
      workspace.addresses.addressToOpen(change.file.key))
    var change = change
    var object = Object(
      key: key, byteCount: change.file.byteCount, version: Version(change.file.version))
    for look in 1... {
      try cancellation.check()
      do {
        let file = try land(object, of: store, as: change.file, in: area, progress)
        let known = logged[file.key]?.file
        // The same bytes as before, of an origin that cannot say so.
        if let known, known.version == file.version, known.interval == file.interval { return nil }
        change.file = file
        return change
      } catch let error as StoreError where error.code == .changed || error.code == .notFound {
        guard let current = try store.head(key) else { return nil }
        guard look < Lander.looks else { throw error }
        object = current
        change.file.byteCount = current.byteCount
        change.file.version = current.version.rawValue
      }
    }
    preconditionFailure("the loop returns or throws")
  }

  private func land(
    _ object: Object, of store: any Store, as file: ListedFile, in area: LandingArea,
    _ progress: @Sendable (Int64) -> Void
  ) throws -> ListedFile {
    let day = today
    var file = file
    file.landed = day
    if let there = try alreadyLanded(file, in: area, on: day) { return there }

    var reported: Int64 = 0
    let copy = try workspace.cache.fetch(
      object, from: store, copiesLocal: true, cancellation: cancellation
    ) { count in
      progress(count - reported)
      reported = count
    }
    defer { copy.release() }
    let (local, name) = try workspace.opener.locate(copy.path)
    guard let here = try local.head(name) else {
      throw StoreError(
        .failed, "a fetched file went away", at: Place(file: copy.path),
        advice: "leave the cache's folder alone")
    }
    file.byteCount = here.byteCount
    if !object.version.isReliable { file.version = try contentVersion(name, in: local) }
    let landed = try area.put(copy.path, as: file, on: day)
    workspace.cache.insert(copy.path, as: landed.object, of: landed.store)
    workspace.landed.add(byteCount: here.byteCount)
    return file
  }

  /// The file, where its copy of today is in the lake.
  private func alreadyLanded(
    _ file: ListedFile, in area: LandingArea, on day: LandingDay
  ) throws -> ListedFile? {
    var file = file
    if Version(file.version).isReliable {
      guard let copy = try area.copy(of: file, on: day) else { return nil }
      file.byteCount = copy.object.byteCount
      return file
    }
    // Of a run that ended before it could log it.
    guard let copy = try area.copies(ofKey: file.key, on: day).first else { return nil }
    file.version = try contentVersion(copy.object.key, in: copy.store)
    file.byteCount = copy.object.byteCount
    return copy.isOf(version: file.version) ? file : nil
  }

  /// The version of a file whose origin does not tell versions apart: what it holds.
  private func contentVersion(_ key: String, in store: any Store) throws -> String {
    let digest = Digest(.sha256)
    _ = try store.read(key, range: nil, ifMatch: nil, cancellation: cancellation) {
      digest.update($0)
    }
    return "sha256:\(hexText(digest.finish()))"
  }
}

/// Counts what was landed, for run records.
final class LandingTally: Sendable {
  struct Snapshot: Sendable, Hashable {
    var fileCount = 0
    var byteCount: Int64 = 0
  }

  private let state = Mutex(Snapshot())

  var snapshot: Snapshot { state.withLock { $0 } }

  func add(byteCount: Int64) {
    state.withLock {
      $0.fileCount += 1
      $0.byteCount += byteCount
    }
  }
}
