import Core
import Formats
import Kernels
import Lake
import Operators
import Project
import Stores
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What one commit of an index takes in: files that came or changed, and files that are gone.
struct IndexBatch {
  let delta: Delta
  let run: IndexRun
  let settings: WordIndexSettings
  private let source: Source
  private let text: Source.Text
  let sourceKey: Survey.SourceKey

  /// - Throws: `PipelineError` `.unavailable` for an input that is no text.
  init(_ run: IndexRun, _ settings: WordIndexSettings, _ delta: Delta) throws {
    guard case .files(let key, _) = delta.origin,
      let source = run.workspace.project[pipeline: key.pipeline]?[source: key.source],
      case .text(let text) = source.format
    else {
      throw PipelineError(
        .unavailable, "'word_index' reads sources of text, which '\(settings.input)' is not",
        at: Place(model: run.unit.label), advice: "give it a source with 'format: text'",
        exitCode: 2)
    }
    self.run = run
    self.settings = settings
    self.delta = delta
    self.source = source
    self.text = text
    sourceKey = key
  }

  var workspace: Workspace { run.workspace }
  private var cancellation: Cancellation { run.cancellation }
  var place: Place { Place(model: run.unit.label) }

  /// What quarantine calls the batch.
  var position: String {
    if case .log(let number, _) = delta.position { "\(number)" } else { "full" }
  }

  var state: LogState { run.survey.sources[sourceKey]?.state ?? .empty }

  var format: TextFormat {
    TextFormat(
      compression: source.compression.kernel, encoding: text.encoding.kernel,
      fallbackEncoding: text.fallbackEncoding?.kernel, rejectsBinary: true)
  }

  /// What is left for words and postings: the program itself takes its part, and what is kept of
  /// each file.
  static func memory(of byteCount: Int, among fileCount: Int) -> Int {
    max(byteCount / 4, byteCount - (64 << 20) - 700 * fileCount)
  }

  /// Whether they are indexed in less memory than planning them has used.
  var hasFewFiles: Bool { delta.fileCount <= 5000 }

  /// - Parameter fileCount: How many files are in memory with their names.
  func builder(among fileCount: Int, threads: Int) -> IndexBuilder {
    let engine = workspace.project.engine
    return IndexBuilder(
      tokenizer: settings.tokenizer.operatorSettings, format: format, threads: threads,
      memoryByteCount: IndexBatch.memory(
        of: Int(engine.memoryBytes ?? 4 << 30), among: fileCount),
      spillFolder: { [workspace] in try workspace.scratchFolder() }, cancellation: cancellation)
  }

  // MARK: - Files

  /// An object that was brought here.
  struct LocalDocument: Sendable {
    var path: String
    var byteCount: Int64
    /// Rule 2: what is read where it lies must be the version in the log.
    var state: InputFile.State?
    /// Keeps a fetched object from being evicted.
    var copy: LocalCopy?
  }

  /// A file that can be read where it was listed; nil for others, for landed copies, and where its
  /// size is not known. There is nothing else to do for a hundred thousand of them.
  func inPlace(_ numbered: DocumentNumbers.Numbered) -> IndexDocument? {
    let file = numbered.file
    guard file.isInPlace(workspace.addresses) else { return nil }
    let state = InputFile.State(listed: file)
    return workspace.addresses.isRelative(file.key)
      ? IndexDocument(
        id: numbered.id, key: file.key, size: file.byteCount, version: file.version,
        below: workspace.addresses.folder, state: state)
      : IndexDocument(
        id: numbered.id, key: file.key, size: file.byteCount, version: file.version,
        path: file.key, state: state)
  }

  /// Brings objects here, many at a time.
  func fetch(_ files: [LoggedFile]) throws -> [LocalDocument] {
    let total = files.reduce(0) { $0 + max(0, $1.byteCount) }
    let tally = ByteTally(total) {
      [progress = workspace.context.progress, label = run.unit.label] in
      progress.report(task: label, step: "fetch", done: $0, total: total)
    }
    let source = (pipeline: sourceKey.pipeline, name: sourceKey.source)
    return try concurrently(files, limit: files.count < 100 ? 4 : 16) {
      [workspace, cancellation] file in
      let (store, object) = try workspace.locate(file, of: source.name, in: source.pipeline)
      if let path = store.localPath(object.key), object.byteCount >= 0 {
        // Nobody writes a landed copy again.
        return LocalDocument(
          path: path, byteCount: object.byteCount,
          state: file.landed == nil ? InputFile.State(listed: file) : nil)
      }
      let copy = try workspace.cache.fetch(object, from: store, cancellation: cancellation)
      tally.add(max(0, file.byteCount))
      var byteCount = file.byteCount
      if byteCount < 0 {
        let (store, key) = try workspace.opener.locate(copy.path)
        byteCount = try store.head(key)?.byteCount ?? 0
      }
      return LocalDocument(path: copy.path, byteCount: byteCount, copy: copy)
    }.map { try $0.get() }
  }

  /// Documents that are none.
  func setAside(
    _ rejected: [(document: IndexDocument, reason: String, message: String)],
    _ rejects: RejectLog, _ result: inout UnitResult
  ) throws {
    for (document, reason, message) in rejected {
      try setAside(
        document.key, document.path, document.size, reason, message,
        reason == "binary" ? text.binary : source.malformed, rejects, &result)
    }
  }

  func setAside(
    _ key: String, _ path: String?, _ byteCount: Int64, _ reason: String, _ message: String,
    _ policy: Source.Misfit, _ rejects: RejectLog, _ result: inout UnitResult
  ) throws {
    switch policy {
    case .fail:
      throw FormatError(
        .malformed, "the file \(message)",
        at: Place(file: workspace.addresses.address(of: key)),
        advice: "correct it, or set such files aside with "
          + (reason == "binary" ? "'binary: quarantine'" : "'malformed: quarantine'"))
    case .drop: result.dropped += 1
    case .quarantine:
      result.quarantined += 1
      let start = path.map { IndexBatch.start(of: $0) } ?? Array(message.utf8)
      try rejects.append(
        rule: "malformed:\(reason)", file: key, row: 1, text: start,
        byteCount: path == nil ? nil : Int(max(0, byteCount)))
    }
  }

  /// What a rejected file begins with, so that people can see what it is.
  private static func start(of path: String) -> [UInt8] {
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else { return [] }
    defer { close(file) }
    return [UInt8](unsafeUninitializedCapacity: 1024) { buffer, count in
      count = max(0, read(file, buffer.baseAddress, buffer.count))
    }
  }

  // MARK: - The next version

  /// What the index becomes.
  ///
  /// - Parameter burials: The batch's, for this base.
  func change(
    _ base: IndexBase, _ built: Built, _ burials: [IndexChange.Burial]
  ) throws -> IndexChange {
    var change = IndexChange(
      base.manifest
        ?? IndexManifest(
          version: 0, written: workspace.context.clock.now(), consumption: Consumption(),
          numbering: built.numbering, tokenizer: ""))
    change.manifest.numbering = built.numbering
    change.manifest.tokenizer = settings.tokenizer.operatorSettings.canonicalText
    change.manifest.nextDocumentID = built.nextDocumentID
    for burial in burials { change.bury(burial) }
    for segment in built.segments { try change.add(segment, base.open, workspace) }
    try change.merge(base.open, run: run.run.id, policy: MergePolicy(), workspace)
    change.manifest.consumption = try consumption(base.manifest?.consumption)
    return change
  }

  /// What is gone or has changed counts no more where it was.
  func burials(_ base: IndexBase) throws -> [IndexChange.Burial] {
    guard !base.segments.isEmpty else { return [] }
    if delta.isRebuild {
      // The words stay, with their numbers.
      return try base.segments.enumerated().filter { $1.liveCount > 0 }.map { index, segment in
        try IndexChange.Burial(base.allIDs(of: segment), inSegment: index, of: base)
      }
    }
    // Also what is new: a file that is taken in again must not count twice.
    var gone: [Int: (ids: [UInt32], names: [UInt32: String])] = [:]
    for case let found? in try base.documents(keys: delta.present + delta.changes.removed) {
      gone[found.segment, default: ([], [:])].ids.append(found.id)
      if found.isTrusted { gone[found.segment]?.names[found.id] = found.key }
    }
    return try gone.sorted { $0.key < $1.key }.map { index, gone in
      try IndexChange.Burial(gone.ids, inSegment: index, of: base, named: gone.names)
    }
  }

  /// What will have been consumed.
  func consumption(_ base: Consumption?) throws -> Consumption {
    var next = base ?? Consumption()
    next.run = run.run.id.rawValue
    next.definition = ConsumedDefinition(
      fingerprint: run.unit.fingerprint, queries: try run.survey.queries(besides: run.unit.node))
    next.inputs = run.unit.inputs.positions
    next.pending = delta.postponed
    return next
  }
}

extension LoggedFile {
  /// Whether it is read where it was listed, on this machine.
  func isInPlace(_ addresses: Addresses) -> Bool {
    landed == nil && byteCount >= 0
      && (addresses.isRelative(key) ? addresses.folder : key).utf8.first == UInt8(ascii: "/")
  }
}

extension InputFile.State {
  /// Of a version that is none of a local file, a state that no file is in.
  fileprivate init(listed file: LoggedFile) {
    let version = Version(file.version).ofLocalFile
    self.init(modified: version?.modifiedNanoseconds ?? .min, inode: version?.inode ?? 0)
  }
}

/// Adds up bytes from several threads.
private final class ByteTally: Sendable {
  private let done: Mutex<Int64>
  private let report: @Sendable (Int64) -> Void

  init(_ total: Int64, report: @escaping @Sendable (Int64) -> Void) {
    done = Mutex(0)
    self.report = report
  }

  func add(_ count: Int64) {
    report(
      done.withLock { done in
        done += count
        return done
      })
  }
}

extension WordIndexSettings.Tokenizer {
  /// In the operator's words.
  var operatorSettings: TokenizerSettings {
    var settings = TokenizerSettings()
    settings.words = TokenizerSettings.Words(rawValue: words.rawValue)!
    settings.letterCase = TokenizerSettings.LetterCase(rawValue: letterCase.rawValue)!
    settings.accents = TokenizerSettings.Accents(rawValue: accents.rawValue)!
    settings.minimumLength = minimumLength
    settings.maximumLength = maximumLength
    settings.stopWords = stopWords
    return settings
  }
}
