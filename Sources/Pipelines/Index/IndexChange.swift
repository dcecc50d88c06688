import Core
import Kernels
import Lake
import Operators

/// The next version of an index, made but not published: its manifest, and the files that it names
/// and that are not in the lake yet.
struct IndexChange {
  var manifest: IndexManifest
  /// To be put into the lake before the manifest, by name.
  var files: [(name: String, content: Content)] = []
  /// Segments that went into others.
  var merged = 0

  enum Content: Sendable {
    case bytes([UInt8])
    /// On this machine.
    case file(String)
  }

  /// A segment that was built from the files of a batch.
  struct Built {
    var name: String
    var path: String
    var summary: SegmentSummary
    var reader: SegmentReader
  }

  /// - Parameter manifest: What it becomes where nothing else is said: the version before, or an
  ///   empty one.
  init(_ manifest: IndexManifest) { self.manifest = manifest }

  /// Documents of a segment that count no more, and the file that says so.
  struct Burial {
    /// The segment's place in the manifest.
    let index: Int
    /// The segment as it becomes.
    private(set) var segment: IndexManifest.Segment
    /// All of its documents that are dead then.
    let dead: DeadDocuments
    /// The keys of those, by their IDs, of which that has not been looked up yet.
    let names: [UInt32: String]
    fileprivate let bytes: [UInt8]

    /// - Parameter base: The version of the index in which they still count.
    init(
      _ ids: [UInt32], inSegment index: Int, of base: IndexBase, named names: [UInt32: String] = [:]
    ) throws {
      self.index = index
      self.names = names
      segment = base.segments[index]
      dead = try base.open.dead(segment).union(DeadDocuments(ids))
      bytes = dead.bytes
      var checksum = CRC32C()
      bytes.withUnsafeBytes { checksum.update($0) }
      segment.dead = .init(
        name: IndexStore.freshName(ofDeadIn: segment), byteCount: Int64(bytes.count),
        checksum: checksum.value)
      segment.deadCount = dead.count
    }

    /// Looks up whether the documents have the names that they were taken to have.
    ///
    /// - Throws: `OperatorError` `.otherName`.
    func verify(_ open: OpenIndex) throws {
      let found = try open.reader(segment).documents(ids: Array(names.keys))
      for case let document? in found where names[document.id] != document.key {
        throw OperatorError(
          .otherName,
          "the document \(document.id) is of the file '\(document.key)', "
            + "not of '\(names[document.id] ?? "")'")
      }
    }
  }

  /// Says that documents count no more.
  mutating func bury(_ burial: Burial) {
    guard let file = burial.segment.dead else { return }
    files.append((file.name, .bytes(burial.bytes)))
    manifest.segments[burial.index] = burial.segment
  }

  /// Adds a built segment: its new words get IDs.
  mutating func add(_ built: Built, _ open: OpenIndex, _ workspace: Workspace) throws {
    let existing = try manifest.segments.map { segment in
      (reader: try open.reader(segment), ids: try open.wordIDs(segment))
    }
    let path = try workspace.scratchFile()
    let (ids, next) = try WordIDs.assign(
      built.reader, existing: existing, next: manifest.nextWordID, to: path,
      threads: workspace.project.engine.threads, spillFolder: workspace.scratchFolder)
    open.insert(built.name, built.reader, ids)
    manifest.nextWordID = next
    manifest.nextSequence = built.summary.sequence + 1
    add(built.name, built.summary, at: built.path, ids, at: path, wordIDLimit: next)
  }

  private mutating func add(
    _ name: String, _ summary: SegmentSummary, at path: String, _ ids: WordIDs,
    at wordsPath: String, wordIDLimit: Int64
  ) {
    files.append(("\(name).segment", .file(path)))
    files.append(("\(name).words", .file(wordsPath)))
    manifest.segments.append(
      IndexManifest.Segment(
        name: name, sequence: summary.sequence, documentCount: summary.documentCount,
        wordCount: summary.wordCount, postingCount: summary.postingCount,
        tokenCount: summary.tokenCount,
        file: .init(name: "\(name).segment", byteCount: summary.byteCount),
        checksum: summary.checksum,
        wordIDs: .init(
          name: "\(name).words", byteCount: ids.byteCount, checksum: ids.checksum),
        wordIDLimit: wordIDLimit))
    manifest.segments.sort { $0.sequence < $1.sequence }
  }

  /// Merges what the policy says is worth merging.
  mutating func merge(
    _ open: OpenIndex, run: RunID, policy: MergePolicy, _ workspace: Workspace
  ) throws {
    let cancellation = workspace.context.cancellation
    let merger = SegmentMerger(
      spillFolder: workspace.scratchFolder, cancellation: cancellation)
    let groups = try groups(open, policy)
    var gone = Set<String>()
    var made = manifest
    var change = self
    for group in groups {
      try cancellation.check()
      let segments = group.map { manifest.segments[$0] }
      let inputs = try segments.map { segment in
        LiveSegment(
          reader: try open.reader(segment), wordIDs: try open.wordIDs(segment),
          dead: try dead(of: segment, open))
      }
      let (path, wordsPath) = (try workspace.scratchFile(), try workspace.scratchFile())
      let (summary, ids) = try merger.merge(inputs, to: path, wordIDs: wordsPath)
      let name = IndexStore.freshName(run: run)
      open.insert(name, try SegmentReader(MappedSegment(path: path)), ids)
      gone.formUnion(segments.map(\.name))
      change.manifest = made
      change.manifest.segments.removeAll { gone.contains($0.name) }
      change.add(
        name, summary, at: path, ids, at: wordsPath,
        wordIDLimit: segments.map(\.wordIDLimit).max() ?? 1)
      change.merged += group.count
      made = change.manifest
    }
    // What was made for a segment that went into another is not needed.
    let needed = Set(change.manifest.segments.flatMap(\.files).map(\.name))
    change.files.removeAll { !needed.contains($0.name) }
    self = change
  }

  /// Segments that are worth merging. A changed tokenizer leaves segments behind of which only the
  /// words and their IDs count; they stay among themselves.
  private func groups(_ open: OpenIndex, _ policy: MergePolicy) throws -> [[Int]] {
    let tokenizers = try manifest.segments.map { try open.reader($0).summary.tokenizer }
    return Set(tokenizers).sorted().flatMap { tokenizer in
      let members = tokenizers.indices.filter { tokenizers[$0] == tokenizer }
      return policy.merges(
        members.map { manifest.segments[$0] }.map {
          MergePolicy.Candidate(
            documentCount: $0.documentCount, deadCount: $0.deadCount, byteCount: $0.file.byteCount)
        }
      ).map { $0.map { members[$0] } }
    }
  }

  /// Which of a segment's documents are dead in this version.
  func dead(of segment: IndexManifest.Segment, _ open: OpenIndex) throws -> DeadDocuments {
    guard let file = segment.dead else { return DeadDocuments() }
    if case .bytes(let bytes)? = files.first(where: { $0.name == file.name })?.content {
      return try DeadDocuments(bytes: bytes, name: file.name)
    }
    return try open.dead(segment)
  }

  /// Puts the files into the lake. Nothing names them yet.
  func upload(to index: IndexStore) throws {
    let results = concurrently(files, limit: 4) { name, content in
      switch content {
      case .bytes(let bytes): try index.put(name, .bytes(bytes))
      case .file(let path): try index.put(name, .file(path: path))
      }
    }
    for result in results { _ = try result.get() }
  }

  func discard(from index: IndexStore) throws {
    try index.discard(files.map { .init(name: $0.name, byteCount: 0) })
  }
}
