import Core
import Stores

/// The log of one source: numbered batches, each created once, for ever.
///
/// The order of work is rule 1's: read the state, then list the source, diff, append. An append
/// that comes second throws `.conflict`, and the listing must be thrown away with it.
public struct SourceLog: Sendable {
  /// A checkpoint is written once this many entries have come since the last.
  static let entriesPerCheckpoint = 100
  private static let linesPerBlock = 4096

  public let pipeline: String
  public let source: String
  private let store: any Store
  private let limits: BatchLimits
  private let entriesPerCheckpoint: Int

  public init(
    store: any Store, pipeline: String, source: String, limits: BatchLimits = .standard
  ) {
    self.init(
      store: store, pipeline: pipeline, source: source, limits: limits,
      entriesPerCheckpoint: SourceLog.entriesPerCheckpoint)
  }

  init(
    store: any Store, pipeline: String, source: String, limits: BatchLimits,
    entriesPerCheckpoint: Int
  ) {
    self.store = store
    self.pipeline = pipeline
    self.source = source
    self.limits = limits
    self.entriesPerCheckpoint = entriesPerCheckpoint
  }

  private var prefix: String { LakeLayout.sourcePrefix(pipeline: pipeline, source: source) }

  /// Checkpoints before the newest: nobody begins with them any more.
  public func oldCheckpoints() throws -> [Object] {
    let all = try store.objects(below: prefix + "checkpoint-")
    let newest = all.max { a, b in number(of: a) < number(of: b) }
    return all.filter { $0.key != newest?.key && number(of: $0) > 0 }
  }

  private func number(of object: Object) -> Int {
    SourceLog.checkpointNumber(String(object.key.dropFirst(prefix.count))) ?? 0
  }

  // MARK: - Reading

  private static let readAtOnce = 4

  /// The state at the log's head: one listing, the newest checkpoint, and the entries after it.
  ///
  /// - Throws: `LakeError` `.damaged`, `.missing` when an entry is gone, `.unsupported`.
  public func read() throws -> LogState {
    var head = 0
    var checkpoint = 0
    try store.list(prefix: prefix) { page in
      for object in page {
        let name = String(object.key.dropFirst(prefix.count))
        if let number = SourceLog.entryNumber(name) { head = max(head, number) }
        if let number = SourceLog.checkpointNumber(name) { checkpoint = max(checkpoint, number) }
      }
    }
    var state = checkpoint > 0 ? try readCheckpoint(checkpoint) : .empty
    var tail = PackedFiles()
    while state.number < head {
      // A few at a time, each of which waits for the store and is taken apart by itself.
      let numbers = Array((state.number + 1...head).prefix(SourceLog.readAtOnce))
      let entries = concurrently(numbers, limit: numbers.count) { number in
        var files = PackedFiles()
        return (definition: try readEntry(number, into: &files).definition, files: files)
      }
      for entry in entries {
        let (definition, files) = try entry.get()
        tail.append(0..<files.count, of: files)
        tail.kinds += files.kinds
        state.definition = definition
      }
      state.number = numbers.last!
    }
    return LogState(
      number: state.number, definition: state.definition, packed: state.packed.folding(tail),
      checkpoint: state.checkpoint)
  }

  /// The changes of one batch.
  ///
  /// - Throws: `LakeError` `.missing` when there is no such entry.
  public func batch(_ number: Int) throws -> SourceBatch {
    var files = PackedFiles()
    _ = try readEntry(number, into: &files)
    let kinds = FileChange.Kind.allCases
    return SourceBatch(
      number: number,
      changes: (0..<files.count).map { index in
        FileChange(kinds.first { $0.order == files.kinds[index] }!, files[index].file)
      })
  }

  // MARK: - Appending

  /// Appends the batches that `changes` make.
  ///
  /// - Parameters:
  ///   - state: What the changes were found against; the head, as far as the caller knows.
  ///   - definition: The fingerprint of the source's definition.
  ///   - next: The state after the batches, where it is known already.
  /// - Returns: The state after the batches, equal to what `read` would give.
  /// - Throws: `LakeError` `.conflict` when someone else appended first: read and list again.
  ///   Batches that came before the conflict stay; reading shows them.
  public func append(
    _ changes: [FileChange], after state: LogState, definition: String, clock: Clock,
    becoming next: LogState? = nil
  ) throws -> LogState {
    guard !changes.isEmpty else { return state }
    let batches = state.batches(of: changes, limits: limits)
    for batch in batches { try create(batch, definition: definition, written: clock.now()) }
    var next =
      next?.number == batches.last?.number
      ? next! : state.applying(batches, definition: definition)
    if next.number - next.checkpoint >= entriesPerCheckpoint {
      try writeCheckpoint(next)
      next.checkpoint = next.number
    }
    return next
  }

  private func create(_ batch: SourceBatch, definition: String, written: Instant) throws {
    let nonce = Nonce.hex()
    let header = LogFormat.entryHeader(
      source: "\(pipeline)/\(source)", number: batch.number, nonce: nonce,
      definition: definition, written: written, batch: batch)
    var text = Array((header.description + "\n").utf8)
    for change in batch.changes { LogFormat.append(change, to: &text) }
    let key = prefix + SourceLog.entryName(batch.number)
    do {
      _ = try store.put(key, .bytes(Packing.zstd(text)), .absent)
    } catch let error as StoreError {
      switch error.code {
      case .denied, .full, .notAnObject, .badAddress, .unsafe: throw error
      default: break
      }
      // The answer may have been lost on the way: the nonce says whose entry it is.
      var ignored = PackedFiles()
      let found: LogFormat.Header
      do {
        found = try readEntry(batch.number, into: &ignored)
      } catch {
        throw LakeError(
          .ambiguous, "it is not known whether batch \(batch.number) was appended: \(error)",
          at: Place(file: store.uri(key)), advice: "run again")
      }
      guard found.nonce == nonce else {
        throw LakeError(
          .conflict, "another run appended batch \(batch.number) of source '\(source)' first",
          at: Place(file: store.uri(key)), advice: "run again")
      }
    }
  }

  // MARK: - Files

  private func readEntry(_ number: Int, into files: inout PackedFiles) throws -> LogFormat.Header {
    let key = prefix + SourceLog.entryName(number)
    let file = store.uri(key)
    guard let found = try store.get(key) else {
      throw LakeError(
        .missing, "batch \(number) of source '\(source)' is gone from its log",
        at: Place(file: file), advice: "restore the file from a copy")
    }
    let text = try unpack(found.bytes, file)
    let before = files.count
    let header = try text.withUnsafeBytes { bytes in
      var lines = FlatJSONLines(bytes, file: file)
      let header = try LogFormat.header(&lines)
      guard header.number == number else {
        throw lines.damaged("the entry says that its number is \(header.number)")
      }
      try LogFormat.files(&lines, batch: number, into: &files)
      return header
    }
    try check(header, files.count - before, file)
    return header
  }

  private func readCheckpoint(_ number: Int) throws -> LogState {
    let key = prefix + SourceLog.checkpointName(number)
    let file = store.uri(key)
    guard let found = try store.get(key) else {
      throw LakeError(
        .missing, "a checkpoint went away while it was read", at: Place(file: file),
        advice: "run again")
    }
    var files = PackedFiles()
    var header: LogFormat.Header?
    var line = 1
    // Block by block, so that a large checkpoint is never unpacked as a whole.
    let blocks = SeekableZstd.blocks(of: found.bytes) ?? [0..<found.bytes.count]
    for block in blocks {
      let text = try unpack(Array(found.bytes[block]), file)
      try text.withUnsafeBytes { bytes in
        var lines = FlatJSONLines(bytes, file: file, firstLine: line)
        if header == nil { header = try LogFormat.header(&lines) }
        let isFirst = files.count == 0
        try LogFormat.files(&lines, batch: nil, into: &files)
        if isFirst, let header { files.reserve(like: header.fileCount) }
        line = lines.line + 1
      }
    }
    guard let header else {
      throw LakeError(.damaged, "the checkpoint is empty", at: Place(file: file))
    }
    try check(header, files.count, file)
    return LogState(
      number: number, definition: header.definition, packed: files, checkpoint: number)
  }

  private func writeCheckpoint(_ state: LogState) throws {
    var writer = SeekableZstd.Writer()
    let header = LogFormat.checkpointHeader(source: "\(pipeline)/\(source)", state: state)
    var text = Array((header.description + "\n").utf8)
    for (index, file) in state.files.enumerated() {
      LogFormat.append(file, to: &text)
      if (index + 1) % SourceLog.linesPerBlock == 0 {
        writer.append(text)
        text.removeAll(keepingCapacity: true)
      }
    }
    if !text.isEmpty { writer.append(text) }
    do {
      _ = try store.put(
        prefix + SourceLog.checkpointName(state.number), .bytes(writer.finish()), .absent)
    } catch let error as StoreError where error.code == .conditionFailed {
      // Someone else folded the same entries.
    }
  }

  private func unpack(_ bytes: [UInt8], _ file: String) throws -> [UInt8] {
    do {
      return try Packing.unzstd(bytes)
    } catch {
      throw LakeError(
        .damaged, "the file does not unpack: \(error)", at: Place(file: file),
        advice: "restore the file from a copy")
    }
  }

  private func check(_ header: LogFormat.Header, _ count: Int, _ file: String) throws {
    guard header.fileCount == count else {
      throw LakeError(
        .damaged, "the header promises \(header.fileCount) files, \(count) are there",
        at: Place(file: file), advice: "restore the file from a copy")
    }
  }

  static func entryName(_ number: Int) -> String {
    String(number).paddedLeft(to: 8, with: "0") + ".jsonl.zst"
  }

  static func checkpointName(_ number: Int) -> String { "checkpoint-" + entryName(number) }

  static func entryNumber(_ name: String) -> Int? {
    guard name.hasSuffix(".jsonl.zst") else { return nil }
    let digits = name.dropLast(".jsonl.zst".count)
    guard digits.count >= 8, digits.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
    return Int(digits)
  }

  static func checkpointNumber(_ name: String) -> Int? {
    name.hasPrefix("checkpoint-") ? entryNumber(String(name.dropFirst(11))) : nil
  }
}
