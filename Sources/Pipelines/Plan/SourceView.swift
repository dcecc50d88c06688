import Core
import Lake
import Project
import Stores

/// A source as planning sees it: its log, and what a look at the store adds to that.
struct SourceView: Sendable {
  var pipeline: String
  var source: Source
  /// The log's head when it was read, before the store was looked at (rule 1).
  var logged: LogState
  /// What is going to be appended, in byte order of keys.
  var changes: [FileChange]
  /// The log as it will be: what consumers see. Numbers are provisional until appended.
  var state: LogState
  private var byInterval: [Interval: [LoggedFile]]
  /// Addresses of files that were looked for and are not there yet.
  var absent: [String] = []
  /// Intervals whose file could not be looked at.
  var obstacles: [Interval: any AnyFailure] = [:]
  /// What kept files of a landed source without intervals from being landed: its readers wait.
  var landingFailure: (any AnyFailure)?
  /// What a reader of the plan should know of the look.
  var notes: [String] = []

  var batches: [SourceBatch] { logged.batches(of: changes) }

  /// Batches that this run has appended, so that they need not be read: none where they are many.
  fileprivate(set) var appended: [SourceBatch] = []
  /// Of changes; a few hundred bytes each.
  fileprivate static let mostKept = 10_000

  private let addresses: Addresses

  init(
    pipeline: String, source: Source, logged: LogState, changes: [FileChange],
    addresses: Addresses
  ) {
    self.addresses = addresses
    self.pipeline = pipeline
    self.source = source
    self.logged = logged
    self.changes = changes
    let definition = SourceFingerprint.location(source, addresses)
    state = logged.applying(logged.batches(of: changes), definition: definition)
    // Files of other sources have none, and finding that out takes going through all of them.
    byInterval = if case .intervals = source.origin { state.filesByInterval() } else { [:] }
  }

  /// The file of one interval of the source's own length: the one at today's address, else, where
  /// the address has moved since, the newest.
  func file(of tile: Interval) -> LoggedFile? {
    guard let files = byInterval[tile], case .intervals(let settings) = source.origin else {
      return nil
    }
    let key = addresses.key(of: settings.uri.expand(tile))
    return files.first { $0.key == key } ?? files.max { $0.batch < $1.batch }
  }

  /// What kept a file of this interval from being looked at.
  func obstacle(to interval: Interval?) -> (any AnyFailure)? {
    guard let interval else { return nil }
    return obstacles.sorted { $0.key < $1.key }.first {
      interval.start <= $0.key.start && $0.key.end <= interval.end
    }?.value
  }

  var planned: [PlannedBatch] {
    batches.map { batch in
      PlannedBatch(
        source: source.name, number: batch.number, added: batch.count(.added),
        changed: batch.count(.changed), removed: batch.count(.removed),
        byteCount: batch.byteCount, isLanded: source.isLanded)
    }
  }
}

/// Looks at sources: reads the log, then the store, and says what is new. Changes nothing.
struct SourcePlanner {
  let lake: Lake
  let opener: StoreOpener
  let addresses: Addresses
  let cancellation: Cancellation
  let lander: Lander

  /// What of a source is of interest.
  struct Wanted {
    /// Of an interval source: files of these are looked for.
    var tiles: [Interval]
    /// Of those in the log, the ones to look at again although they are known.
    var recheck: (Interval) -> Bool
    /// Of any other: keys in its store, in byte order, to look at; nil lists them all.
    var objects: [String]?
    /// With no `objects`: lists them all while the log is empty, since nothing could be read.
    var listsWhenNew = false
    /// Of a landed source: whether what has landed will do where its origin is out of reach.
    var landedSuffices = false
  }

  func look(
    _ source: Source, of pipeline: String, wanted: Wanted, allowRemovals: Bool
  ) throws -> SourceView {
    let logged = try lake.sourceLog(pipeline: pipeline, source: source.name).read()
    switch source.origin {
    case .files(let settings):
      do {
        if let objects = wanted.objects,
          !(objects.isEmpty && wanted.listsWhenNew && logged.number == 0)
        {
          return try named(objects, source, settings, pipeline, logged, allowRemovals)
        }
        return try files(source, settings, pipeline, logged, allowRemovals)
      } catch let error as StoreError
        where source.isLanded && wanted.landedSuffices && logged.number > 0 && error.exitCode != 2
      {
        var view = SourceView(
          pipeline: pipeline, source: source, logged: logged, changes: [], addresses: addresses)
        view.notes = [note(source, error)]
        return view
      }
    case .intervals(let settings):
      return try intervals(source, settings, pipeline, logged, wanted)
    }
  }

  /// Appends what was found, of landed sources once it is in the lake. A lost put throws
  /// `.conflict`, and the look must be thrown away.
  func append(_ view: SourceView) throws -> SourceView {
    guard !view.changes.isEmpty else { return view }
    let log = lake.sourceLog(pipeline: view.pipeline, source: view.source.name)
    let definition = SourceFingerprint.location(view.source, addresses)
    var state = view.logged
    var obstacles = view.obstacles
    var failure: (any AnyFailure)?
    if view.source.isLanded {
      // Batch by batch: a run that is killed keeps what it has brought in so far.
      for batch in view.batches {
        let outcome = try lander.land(
          batch.changes, of: view.source, in: view.pipeline, logged: view.logged)
        state = try log.append(
          outcome.changes, after: state, definition: definition, clock: lake.clock)
        for (file, why) in outcome.failures {
          // One file that cannot be landed does not keep the others from their turn.
          if let tile = file.interval { obstacles[tile] = why } else { failure = failure ?? why }
        }
      }
    } else {
      state = try log.append(
        view.changes, after: state, definition: definition, clock: lake.clock,
        becoming: view.state)
    }
    var appended = SourceView(
      pipeline: view.pipeline, source: view.source, logged: state, changes: [],
      addresses: addresses)
    appended.obstacles = obstacles
    appended.landingFailure = failure
    appended.notes = view.notes
    appended.absent = view.absent
    if !view.source.isLanded && view.changes.count <= SourceView.mostKept {
      appended.appended = view.batches
    }
    return appended
  }

  /// An origin that is out of reach, where what has landed will do.
  private func note(_ source: Source, _ error: StoreError) -> String {
    "\(source.name): read as it has landed, for its origin is out of reach: \(error)"
  }

  // MARK: - Files

  private func files(
    _ source: Source, _ settings: Source.FileSettings, _ pipeline: String, _ logged: LogState,
    _ allowRemovals: Bool
  ) throws -> SourceView {
    var differ = LogDiffer(logged)
    var count = 0
    try opener.list(glob: settings.glob) { page in
      try cancellation.check()
      for (address, object) in page {
        count += 1
        try differ.add(
          listed(object, as: addresses.key(of: address), of: source, in: pipeline, logged))
      }
    }
    var changes = differ.finish()
    if count == 0 && logged.number == 0 && !Glob.hasWildcard(settings.glob) {
      throw StoreError(
        .notFound, "source '\(source.name)' of pipeline '\(pipeline)': there is no such file",
        at: Place(file: source.address), advice: "check the address in \(source.place)")
    }
    let definition = SourceFingerprint.location(source, addresses)
    // Where the source looks elsewhere now, files of the old place are no longer its own, whether
    // they are there or not; only the guard stands between them and their retraction.
    if logged.definition == definition { changes = try confirmRemovals(changes, of: source) }
    try RemovalGuard.check(
      changes, against: logged, source: source.name, definition: definition,
      maxRemoved: settings.maxRemovedPercent / 100, allowsRemovals: allowRemovals)
    return SourceView(
      pipeline: pipeline, source: source, logged: logged, changes: changes,
      addresses: addresses)
  }

  /// Looks at single objects, without a listing (rule 2: their HEADs decide).
  private func named(
    _ keys: [String], _ source: Source, _ settings: Source.FileSettings, _ pipeline: String,
    _ logged: LogState, _ allowRemovals: Bool
  ) throws -> SourceView {
    guard !keys.isEmpty else {
      return SourceView(
        pipeline: pipeline, source: source, logged: logged, changes: [], addresses: addresses)
    }
    let definition = SourceFingerprint.location(source, addresses)
    guard logged.number == 0 || logged.definition == definition else {
      // It looks elsewhere now. Only a listing settles what became of the files of the old place,
      // and an entry with the new definition would hide that this is still to be done.
      return try files(source, settings, pipeline, logged, allowRemovals)
    }
    let store = try opener.store(of: Glob(settings.glob))
    let objects = try concurrently(keys, limit: 8) { key -> Object? in
      try cancellation.check()
      do {
        return try store.head(key)
      } catch let error as StoreError where error.code == .notAnObject {
        // A folder has taken its place.
        return nil
      }
    }.map { try $0.get() }
    var changes: [FileChange] = []
    for (key, object) in zip(keys, objects) {
      let name = addresses.key(of: store.uri(key))
      let known = logged[name]
      guard let object else {
        if let known, !source.isLanded { changes.append(FileChange(.removed, known.file)) }
        continue
      }
      let file = try listed(object, as: name, of: source, in: pipeline, logged)
      guard known?.file.isSame(as: file) != true else { continue }
      changes.append(FileChange(known == nil ? .added : .changed, file))
    }
    changes.sort { $0.file.key.utf8.lexicographicallyPrecedes($1.file.key.utf8) }
    try RemovalGuard.check(
      changes, against: logged, source: source.name, definition: definition,
      maxRemoved: settings.maxRemovedPercent / 100, allowsRemovals: allowRemovals)
    return SourceView(
      pipeline: pipeline, source: source, logged: logged, changes: changes, addresses: addresses)
  }

  /// An object as the log would have it.
  private func listed(
    _ object: Object, as key: String, of source: Source, in pipeline: String, _ logged: LogState,
    interval: Interval? = nil
  ) throws -> ListedFile {
    let file = ListedFile(
      key: key, byteCount: object.byteCount, version: object.version.rawValue, interval: interval)
    guard source.isLanded, !object.version.isReliable || object.byteCount < 0 else { return file }
    return try lander.settled(file, known: logged[key], of: source.name, in: pipeline)
  }

  /// Rule 5: a removal is believed only when a HEAD says so too. What has landed stays, whatever
  /// becomes of its origin.
  private func confirmRemovals(
    _ changes: [FileChange], of source: Source
  ) throws -> [FileChange] {
    guard !source.isLanded else { return changes.filter { $0.kind != .removed } }
    let removed = changes.filter { $0.kind == .removed }
    guard !removed.isEmpty else { return changes }
    let gone = try concurrently(removed, limit: 8) { change in
      try cancellation.check()
      return try opener.head(addresses.addressToOpen(change.file.key)) == nil
    }.map { try $0.get() }
    let kept = Set(zip(removed, gone).filter { !$0.1 }.map(\.0.file.key))
    return changes.filter { $0.kind != .removed || !kept.contains($0.file.key) }
  }

  // MARK: - One file an interval

  private func intervals(
    _ source: Source, _ settings: Source.IntervalFileSettings, _ pipeline: String,
    _ logged: LogState, _ wanted: Wanted
  ) throws -> SourceView {
    let tiles = wanted.tiles.filter { tile in
      logged[addresses.key(of: settings.uri.expand(tile))] == nil || wanted.recheck(tile)
    }
    let found = concurrently(tiles, limit: 8) { tile -> ListedFile? in
      try cancellation.check()
      let address = settings.uri.expand(tile)
      guard let object = try opener.head(address) else { return nil }
      return try listed(
        object, as: addresses.key(of: address), of: source, in: pipeline, logged, interval: tile)
    }
    var notes: [String] = []
    var listing: [ListedFile] = []
    var obstacles: [Interval: any AnyFailure] = [:]
    for (tile, result) in zip(tiles, found) {
      do {
        if let file = try result.get() { listing.append(file) }
      } catch let error as StoreError
        where source.isLanded && wanted.landedSuffices && error.exitCode != 2
        && logged[addresses.key(of: settings.uri.expand(tile))] != nil
      {
        notes.append(note(source, error))
      } catch let error as any AnyFailure {
        // One file that cannot be looked at does not keep the others from their turn.
        obstacles[tile] = error
      }
    }
    listing.sort { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
    var view = SourceView(
      pipeline: pipeline, source: source, logged: logged,
      changes: try logged.diff(listing: listing, isComplete: false), addresses: addresses)
    view.obstacles = obstacles
    view.notes = notes
    let came = Set(listing.map(\.key))
    view.absent = tiles.map(settings.uri.expand).filter { address in
      let key = addresses.key(of: address)
      return logged[key] == nil && !came.contains(key)
    }.map(Addresses.shown)
    return view
  }
}

extension StoreOpener {
  /// The object at a full address; nil when there is none.
  func head(_ address: String) throws -> Object? {
    let (store, key) = try locate(address)
    return try store.head(key)
  }
}
