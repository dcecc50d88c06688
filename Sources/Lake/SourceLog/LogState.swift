import Core

/// One file of a source, as a listing shows it.
public struct ListedFile: Sendable, Hashable {
  /// What tells the source's files apart: a URI or path.
  public var key: String
  public var byteCount: Int64
  public var version: String
  /// Only in interval sources.
  public var interval: Interval?
  /// When the copy came that this file is read from; nil where it is read at its origin.
  public var landed: LandingDay?

  public init(
    key: String, byteCount: Int64, version: String, interval: Interval? = nil,
    landed: LandingDay? = nil
  ) {
    self.key = key
    self.byteCount = byteCount
    self.version = version
    self.interval = interval
    self.landed = landed
  }

  /// Whether this is the same version of the same file, wherever it is read from.
  public func isSame(as other: ListedFile) -> Bool {
    byteCount == other.byteCount && version == other.version && interval == other.interval
      && key == other.key
  }
}

/// One file of a source as its log knows it.
public struct LoggedFile: Sendable, Hashable {
  public var file: ListedFile
  /// The number of the log entry that added or last changed it.
  public var batch: Int

  public init(file: ListedFile, batch: Int) {
    self.file = file
    self.batch = batch
  }

  public var key: String { file.key }
  public var byteCount: Int64 { file.byteCount }
  public var version: String { file.version }
  public var interval: Interval? { file.interval }
  public var landed: LandingDay? { file.landed }
}

/// One thing that happened to a source.
public struct FileChange: Sendable, Hashable {
  public enum Kind: String, Sendable, Hashable, CaseIterable {
    case added, changed, removed

    var order: UInt8 {
      switch self {
      case .added: 0
      case .changed: 1
      case .removed: 2
      }
    }
  }

  public var kind: Kind
  /// As it is now; a removed one as it was.
  public var file: ListedFile

  public init(_ kind: Kind, _ file: ListedFile) {
    self.kind = kind
    self.file = file
  }
}

/// A batch: the number of a log entry and its changes.
public struct SourceBatch: Sendable {
  public var number: Int
  public var changes: [FileChange]

  public var byteCount: Int64 {
    changes.reduce(0) { $0 + ($1.kind == .removed ? 0 : $1.file.byteCount) }
  }

  public func count(_ kind: FileChange.Kind) -> Int { changes.count { $0.kind == kind } }
}

/// A source after all batches up to `number`: its files in byte order of their keys.
public struct LogState: Sendable {
  /// The newest entry; 0 while the log is empty.
  public internal(set) var number: Int
  /// The fingerprint of the source's definition in the newest entry; empty while there is none.
  public internal(set) var definition: String
  private var folding: Folding
  var packed: PackedFiles { folding.files }
  /// The newest checkpoint that exists; 0 for none.
  var checkpoint = 0

  init(number: Int, definition: String, packed: PackedFiles, checkpoint: Int = 0) {
    (self.number, self.definition, self.checkpoint) = (number, definition, checkpoint)
    folding = Folding(packed)
  }

  public static let empty = LogState(number: 0, definition: "", packed: PackedFiles())

  public var files: Files { Files(packed: packed) }

  /// The files of a state; each is unpacked when asked for.
  public struct Files: RandomAccessCollection, Sendable {
    let packed: PackedFiles
    public var startIndex: Int { 0 }
    public var endIndex: Int { packed.count }
    public subscript(index: Int) -> LoggedFile { packed[index] }
    public var byteCount: Int64 { packed.sizes.reduce(0, +) }

    /// Goes through the keys of all files, in their order, without unpacking any.
    ///
    /// - Parameter visit: Gets a file's index and its key's bytes.
    public func forEachKey(
      _ visit: (_ index: Int, _ key: UnsafeRawBufferPointer) throws -> Void
    ) rethrows {
      try packed.keys.bytes.withUnsafeBytes { bytes in
        for index in 0..<packed.count {
          try visit(index, UnsafeRawBufferPointer(rebasing: bytes[packed.keys.range(index)]))
        }
      }
    }
  }

  public var byteCount: Int64 { files.byteCount }

  /// - Complexity: O(log *n*).
  public subscript(key: String) -> LoggedFile? { folding.find(key) { $0[$1] } }

  /// The number of the batch that added or last changed a file; nil where there is no such file.
  ///
  /// - Complexity: O(log *n*).
  public func batch(of key: String) -> Int? {
    folding.find(key) { Int($0.batches[$1]) }
  }

  /// The files of exactly this interval.
  ///
  /// - Complexity: O(*n*), without unpacking the others.
  public func files(of interval: Interval) -> [LoggedFile] {
    let packed = packed
    let (start, end) = (interval.start.microseconds, interval.end.microseconds)
    return (0..<packed.count).filter { packed.starts[$0] == start && packed.ends[$0] == end }
      .map { packed[$0] }
  }

  /// The files by interval; files without one are left out.
  public func filesByInterval() -> [Interval: [LoggedFile]] {
    let packed = packed
    var groups: [Interval: [LoggedFile]] = [:]
    for index in 0..<packed.count {
      if let interval = packed.interval(index) {
        groups[interval, default: []].append(packed[index])
      }
    }
    return groups
  }

  // MARK: - Changes

  /// What a listing says has happened since.
  ///
  /// - Parameters:
  ///   - listing: In strictly ascending byte order of keys.
  ///   - isComplete: The listing shows every file of the source, so what is not in it is removed.
  ///     False for interval sources, which look only at the intervals asked for.
  /// - Throws: `LakeError` `.invalid` for a listing out of order, and what `listing` throws.
  /// - Complexity: O(*n* + *m*); memory for the changes only.
  public func diff(listing: some Sequence<ListedFile>, isComplete: Bool = true) throws
    -> [FileChange]
  {
    var differ = LogDiffer(self, isComplete: isComplete)
    for file in listing { try differ.add(file) }
    return differ.finish()
  }

  /// The batches that `changes` will make, numbered as they would be if nobody else appends.
  public func batches(of changes: [FileChange], limits: BatchLimits = .standard) -> [SourceBatch] {
    var batches: [SourceBatch] = []
    var start = 0
    var bytes: Int64 = 0
    for (index, change) in changes.enumerated() {
      let size = change.kind == .removed ? 0 : change.file.byteCount
      if index > start
        && (index - start >= limits.fileCount || bytes + size > limits.byteCount)
      {
        batches.append(
          SourceBatch(number: number + batches.count + 1, changes: Array(changes[start..<index])))
        start = index
        bytes = 0
      }
      bytes += size
    }
    if start < changes.count {
      batches.append(
        SourceBatch(number: number + batches.count + 1, changes: Array(changes[start...])))
    }
    return batches
  }

  /// The state after further batches. Its files are put together when they are asked for.
  public func applying(_ batches: [SourceBatch], definition: String) -> LogState {
    guard let last = batches.last else { return self }
    var changes = PackedFiles()
    for batch in batches {
      for change in batch.changes {
        changes.append(change.file, batch: batch.number)
        changes.kinds.append(change.kind.order)
      }
    }
    var state = self
    state.folding = Folding(packed, changes)
    state.number = last.number
    state.definition = definition
    return state
  }
}

/// How much one batch may hold.
public struct BatchLimits: Sendable, Hashable {
  public var fileCount: Int
  public var byteCount: Int64

  public init(fileCount: Int, byteCount: Int64) {
    self.fileCount = fileCount
    self.byteCount = byteCount
  }

  /// 10,000 files or 64 GB (rule 4).
  public static let standard = BatchLimits(fileCount: 10_000, byteCount: 64_000_000_000)
}

/// Compares a listing, file by file as it arrives, with a state.
public struct LogDiffer {
  private let packed: PackedFiles
  private let isComplete: Bool
  private var position = 0
  private var last: String?
  private var changes: [FileChange] = []

  public init(_ state: LogState, isComplete: Bool = true) {
    packed = state.packed
    self.isComplete = isComplete
  }

  /// - Throws: `LakeError` `.invalid` when `file` does not come after the one before.
  public mutating func add(_ file: ListedFile) throws {
    if let last, ByteTable.compare(last, file.key) >= 0 {
      throw LakeError(
        .invalid, "a listing is not in the order of its keys: '\(last)' came before",
        at: Place(file: file.key))
    }
    last = file.key
    skip(to: file.key)
    guard position < packed.count, packed.keys.compare(position, file.key) == 0 else {
      changes.append(FileChange(.added, file))
      return
    }
    // Compared as it is packed: of a million files a hundred are worth a value of their own.
    if packed.sizes[position] != file.byteCount
      || packed.versions.compare(position, file.version) != 0
      || packed.interval(position) != file.interval
    {
      changes.append(FileChange(.changed, file))
    }
    position += 1
  }

  /// - Returns: The changes in byte order of keys.
  public mutating func finish() -> [FileChange] {
    skip(to: nil)
    return changes
  }

  private mutating func skip(to key: String?) {
    while position < packed.count {
      if let key, packed.keys.compare(position, key) >= 0 { return }
      if isComplete { changes.append(FileChange(.removed, packed[position].file)) }
      position += 1
    }
  }
}

/// Guards a source against a listing that lost its files (rule 5).
public enum RemovalGuard {
  /// - Parameter maxRemoved: The greatest share of the known files that may go, 0.2 by default.
  /// - Throws: `LakeError` `.tooManyRemovals`.
  public static func check(
    _ changes: [FileChange], against state: LogState, source: String, definition: String,
    maxRemoved: Double = 0.2, allowsRemovals: Bool = false
  ) throws(LakeError) {
    let removed = changes.count { $0.kind == .removed }
    let known = state.files.count
    guard removed > 0, !allowsRemovals, Double(removed) > maxRemoved * Double(known) else { return }
    let percent = Int((Double(removed) * 100 / Double(known)).rounded())
    let cause =
      state.definition == definition
      ? "" : "; the source's definition has changed since the last run"
    throw LakeError(
      .tooManyRemovals,
      "\(removed) of the \(known) known files of source '\(source)' (\(percent) %) are gone, "
        + "more than max_removed allows\(cause)",
      advice: "check the source's address and mounts; if they are really gone, "
        + "run again with --allow-removals")
  }
}
