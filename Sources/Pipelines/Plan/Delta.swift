import Core
import Lake
import Project

/// What an append or merge model consumes of the input named in `incremental.on`.
struct Delta: Sendable {
  /// The input, as the SQL names it.
  var input: String
  /// Takes all of the input and replaces all rows, else only what changed.
  var isRebuild: Bool
  /// What changed, by the names that `_source_file` has. Where it is a rebuild, nothing is known of
  /// before, and all that is there is in `added`.
  var changes: ChangeSet.Changed<String>
  var origin: Origin
  /// Where the input stands once this is consumed.
  var position: InputPosition
  /// All files of the source, where an index is built again: no lists are made of what may be
  /// millions, and `changes` and `origin` have none.
  var all: LogState.Files?
  /// Whether nothing is left to consume after it.
  var isLast = true
  /// Contributions to be taken again, of which a later batch has the version that is there: the table
  /// may have rows of them, whatever that batch says.
  var postponed: [String] = []

  /// Where the rows are that are there now.
  enum Origin: Sendable {
    /// The files that were added or changed.
    case files(Survey.SourceKey, [LoggedFile])
    /// A table whose rows carry their provenance: the named contributions.
    case contributions(TableID)
    /// An interval table; each interval is one contribution.
    case intervals(TableID, [Interval])
    /// A table without provenance, all of it one contribution.
    case whole(TableID)
  }

  var files: [LoggedFile] {
    if case .files(_, let files) = origin { files } else { [] }
  }

  var fileCount: Int { all?.count ?? files.count }
  var byteCount: Int64 { all?.byteCount ?? files.reduce(0) { $0 + $1.byteCount } }

  /// Contributions of which rows are to be read.
  var present: [String] { changes.added + changes.replaced }
  /// Contributions of which the table may have rows that are not right any more.
  var gone: [String] { changes.replaced + changes.removed }

  /// The contribution that an interval of an interval table is.
  static func name(of interval: Interval) -> String { "\(interval.start)/\(interval.end)" }
}

extension Survey {
  /// What can be consumed of an input.
  enum Found {
    case delta(Delta)
    /// It is not there, or could not be looked at.
    case nothing
    /// What happened since the last commit is not on record any more.
    case expired
    /// Every row of it may be another one.
    case rebuilt
  }

  /// What a unit consumes of its incremental input.
  ///
  /// - Parameter isRebuild: Consume all of it, whatever was consumed before.
  func delta(of unit: Unit, _ on: String, isRebuild: Bool) throws -> Found {
    switch unit.node.inputs[on] {
    case .source(let pipeline, let name):
      let key = SourceKey(pipeline: pipeline, source: name)
      guard let view = sources[key] else { return .nothing }
      return try delta(of: view, key, on, unit, isRebuild)
    case .table(let pipeline, _, let table):
      return try delta(of: TableID(pipeline, table), on, unit, isRebuild)
    case nil: return .nothing
    }
  }

  // MARK: - Files

  private func delta(
    of view: SourceView, _ key: SourceKey, _ on: String, _ unit: Unit, _ isRebuild: Bool
  ) throws -> Found {
    let state = view.state
    let limits = unit.node.model.ownsIndex ? limits.ofIndexes : limits
    func delta(
      _ changes: ChangeSet.Changed<String>, upTo number: Int, _ files: [LoggedFile]? = nil,
      postponed: [String] = []
    ) -> Found {
      let files =
        files ?? (changes.added + changes.replaced).sorted().compactMap { state[$0] }
      return .delta(
        Delta(
          input: on, isRebuild: isRebuild, changes: changes, origin: .files(key, files),
          position: .log(number: number, definition: state.definition),
          isLast: number == state.number, postponed: postponed))
    }
    if isRebuild {
      if unit.node.model.ownsIndex {
        return .delta(
          Delta(
            input: on, isRebuild: true, changes: .init(), origin: .files(key, []),
            position: .log(number: state.number, definition: state.definition), all: state.files))
      }
      let files = Array(state.files)
      return delta(.init(added: files.map(\.key)), upTo: state.number, files)
    }
    guard case .log(let consumed, _)? = unit.before?.inputs[on] else {
      // A new table: in pieces, as nobody reads it yet.
      let number = state.firstBatches(within: limits)
      let files = state.files.filter { $0.batch <= number }
      return delta(.init(added: files.map(\.key)), upTo: number, files)
    }
    let again = tables[unit.id]?.consumption
    var folded = FoldedChanges(again)
    guard let number = try fold(&folded, of: view, key, after: consumed, limits) else {
      return .expired
    }
    for name in again?.pending ?? [] where state[name] == nil { folded.remove(name) }
    let changes = folded.result
    func isSettled(_ name: String) -> Bool {
      // What changes again in a later batch is that batch's: this version is gone (rule 2).
      state.batch(of: name).map { $0 <= number } ?? false
    }
    return delta(
      .init(
        added: changes.added.filter(isSettled), replaced: changes.replaced.filter(isSettled),
        removed: changes.removed), upTo: number,
      postponed: (again?.pending ?? []).filter { state[$0] != nil && !isSettled($0) })
  }

  /// Adds what the next batches did, as many as one commit may hold.
  ///
  /// - Returns: The number of the last; nil where they are not in the log any more.
  private func fold(
    _ folded: inout FoldedChanges<String>, of view: SourceView, _ key: SourceKey,
    after consumed: Int, _ limits: BatchLimits
  ) throws -> Int? {
    let log = lake.sourceLog(pipeline: key.pipeline, source: key.source)
    // Planned, or just appended.
    let batches = view.batches + view.appended
    var number = consumed
    var (files, bytes) = (0, Int64(0))
    while number < view.state.number {
      let batch: SourceBatch
      if let known = batches.first(where: { $0.number == number + 1 }) {
        batch = known
      } else {
        do {
          batch = try log.batch(number + 1)
        } catch let error as LakeError where error.code == .missing {
          return nil
        }
      }
      files += batch.changes.count
      bytes += batch.byteCount
      if number > consumed && (files > limits.fileCount || bytes > limits.byteCount) { break }
      for change in batch.changes {
        switch change.kind {
        case .added: folded.add(change.file.key)
        case .changed: folded.replace(change.file.key)
        case .removed: folded.remove(change.file.key)
        }
      }
      number += 1
    }
    return number
  }

  // MARK: - Tables

  private func delta(
    of id: TableID, _ on: String, _ unit: Unit, _ isRebuild: Bool
  ) throws -> Found {
    guard let view = tables[id], let table = view.table else { return .nothing }
    let kind = graph[id.description]?.model.kind
    var delta = Delta(
      input: on, isRebuild: isRebuild, changes: .init(), origin: .whole(id),
      position: view.position)
    var changes: ChangeSet.Changed<String>?
    var intervals: [Interval]?
    if !isRebuild, case .snapshot(let consumed, _)? = unit.before?.inputs[on] {
      guard let sets = try table.changes(since: consumed) else { return .expired }
      if sets.contains(where: \.isFull) && kind?.hasParts == true { return .rebuilt }
      var names = FoldedChanges(tables[unit.id]?.consumption)
      var times = FoldedChanges<Interval>()
      for set in sets {
        names.fold(set.contributions)
        times.fold(set.intervals)
      }
      changes = names.result
      var moved = times.result
      let known = Set(moved.added + moved.replaced + moved.removed)
      let pending = Set(changes!.replaced)
      moved.replaced += (view.consumption?.intervals.keys ?? [:].keys).filter {
        pending.contains(Delta.name(of: $0)) && !known.contains($0)
      }
      intervals = moved.added + moved.replaced
      if kind == .interval {
        changes = .init(
          added: moved.added.map(Delta.name), replaced: moved.replaced.map(Delta.name),
          removed: moved.removed.map(Delta.name))
      }
    }
    switch kind {
    case .append, .merge:
      delta.origin = .contributions(id)
      // Of everything, no list is made.
      delta.changes = changes ?? .init()
      if changes == nil { delta.isRebuild = true }
    case .interval:
      let all = intervals ?? view.consumption.map { Array($0.intervals.keys) } ?? []
      delta.origin = .intervals(id, all.sorted())
      delta.changes = changes ?? .init(added: all.map(Delta.name))
    default:
      delta.changes = .init(replaced: [id.description])
    }
    return .delta(delta)
  }
}

extension FoldedChanges<String> {
  /// What a table is to take again, as if it had changed before all that follows.
  fileprivate init(_ consumption: Consumption?) {
    self.init(doubtful: consumption?.held.contributions ?? [])
    for name in consumption?.pending ?? [] { replace(name) }
  }
}

extension Model {
  /// The columns of its table: its own, and where each row came from.
  var tableColumns: Schema {
    incremental == nil ? columns : Schema(columns.fields + Provenance.fields)
  }
}

extension Model.Kind {
  /// Whether commits of such a table say which parts of it they changed.
  var hasParts: Bool { self == .append || self == .merge || self == .interval }
}

extension BatchLimits {
  /// What one commit of an index takes: a segment for every ten thousand files would only have to be
  /// merged again, and what is kept in memory of a file is about a kilobyte.
  var ofIndexes: BatchLimits {
    BatchLimits(fileCount: fileCount * 25, byteCount: byteCount)
  }
}

extension LogState {
  /// The number of the last batch of those that come first and together hold no more than `limits`;
  /// the first batch always does.
  func firstBatches(within limits: BatchLimits) -> Int {
    guard files.count > limits.fileCount || byteCount > limits.byteCount else { return number }
    var sizes: [Int: (files: Int, bytes: Int64)] = [:]
    for file in files {
      sizes[file.batch, default: (0, 0)].files += 1
      sizes[file.batch]!.bytes += file.byteCount
    }
    var (count, bytes) = (0, Int64(0))
    var last: Int?
    for (batch, size) in sizes.sorted(by: { $0.key < $1.key }) {
      count += size.files
      bytes += size.bytes
      if let last, count > limits.fileCount || bytes > limits.byteCount { return last }
      last = batch
    }
    return number
  }
}
