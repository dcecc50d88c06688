import Core
import Formats
import Kernels
import Synchronization

/// A file that is to become a document.
public struct IndexDocument: Sendable, Hashable {
  /// No other of the same segment has it.
  public var id: UInt32
  /// The file's key.
  public var key: String
  public var size: Int64
  public var version: String
  /// What it must be in there; nil for a copy that nobody else writes.
  public var state: InputFile.State?
  private var location: Location

  /// A path of its own for each of a hundred thousand files would take up megabytes.
  private enum Location: Hashable {
    case below(String)
    case path(String)
  }

  public init(
    id: UInt32, key: String, size: Int64, version: String, path: String,
    state: InputFile.State? = nil
  ) {
    self.id = id
    self.key = key
    self.size = size
    self.version = version
    self.state = state
    location = .path(path)
  }

  /// - Parameter folder: The file lies below it, at the path that its key is.
  public init(
    id: UInt32, key: String, size: Int64, version: String, below folder: String,
    state: InputFile.State? = nil
  ) {
    self.init(id: id, key: key, size: size, version: version, path: folder, state: state)
    location = .below(folder)
  }

  /// Where it lies on this machine, with `size` bytes.
  public var path: String {
    get {
      switch location {
      case .below(let folder): "\(folder)/\(key)"
      case .path(let path): path
      }
    }
    set { location = .path(newValue) }
  }
}

/// A file that did not become a document.
public struct RejectedDocument: Sendable, Hashable {
  /// Its place among those given.
  public var index: Int
  /// `binary`, `encoding` or `damaged`.
  public var reason: String
  /// A clause that completes "the file …".
  public var message: String
}

/// What building a segment came to.
public struct IndexBuild: Sendable {
  /// Nil, and there is no file, where no document was left.
  public var segment: SegmentSummary?
  /// In the order of the documents given.
  public var rejected: [RejectedDocument]
  /// Bytes of the files.
  public var readByteCount: Int64
  public var spilledByteCount: Int64
}

/// Makes a segment of documents: inverts them in memory, on all threads, in one pass; what exceeds
/// the memory is written aside, sorted, and merged at the end.
///
/// The segment depends on the documents and settings only, not on threads or memory.
public struct IndexBuilder: Sendable {
  private let tokenizer: TokenizerSettings
  private let format: TextFormat
  private let threads: Int
  private let memoryByteCount: Int
  private let spillFolder: @Sendable () throws -> String
  private let cancellation: Cancellation
  /// Of all files; packed ones may come to more, which is only slower then.
  private static let smallByteCount: Int64 = 8 << 20
  /// Of the words that one thread merges at a time: what they become is in memory until those before
  /// them are written.
  private static let wordsInRange = 2048

  /// - Parameters:
  ///   - memoryByteCount: For words and postings; a few megabytes a thread come on top, and the
  ///     documents' names.
  ///   - spillFolder: Gives a folder for what exceeds it, when one is needed.
  public init(
    tokenizer: TokenizerSettings, format: TextFormat, threads: Int, memoryByteCount: Int,
    spillFolder: @escaping @Sendable () throws -> String, cancellation: Cancellation = .never
  ) {
    self.tokenizer = tokenizer
    self.format = format
    self.threads = max(1, threads)
    self.memoryByteCount = memoryByteCount
    self.spillFolder = spillFolder
    self.cancellation = cancellation
  }

  /// Reads the documents and writes the segment.
  ///
  /// - Parameters:
  ///   - documents: In any order.
  ///   - sequence: Of the batch.
  ///   - path: Of the segment; there must be no such file. Its writing to disk is not waited for.
  ///   - progress: Bytes read, and in all.
  /// - Throws: `FormatError` where a file is gone or was changed; `OperatorError` `.duplicate`,
  ///   `.badSettings`, `.spill`, `.unusable`; `Cancelled`.
  public func build(
    _ documents: [IndexDocument], sequence: Int64, to path: String,
    progress: @escaping @Sendable (Int64, Int64) -> Void = { _, _ in }
  ) throws -> IndexBuild {
    try tokenizer.validate()
    let inversion = Inversion(
      documents, try IndexBuilder.order(documents), SpillFile("index", directory: spillFolder))
    let total = documents.reduce(0) { $0 + $1.size }
    // A part is left for sorting, and for reading back.
    let allowance = max(1 << 20, memoryByteCount / 4 * 3 / threads)
    let stop = StopSign()
    onThreads(count: threads) { _ in
      do {
        try invert(inversion, allowance, isSmall: total < IndexBuilder.smallByteCount, stop) {
          progress($0, total)
        }
      } catch {
        stop.set(error)
      }
    }
    try stop.throwIfSet()
    let rejected = inversion.rejected
    var result = IndexBuild(
      segment: nil, rejected: rejected, readByteCount: inversion.readByteCount,
      spilledByteCount: inversion.file.byteCount)
    if rejected.count < documents.count {
      result.segment = try write(inversion, sequence: sequence, to: path)
    }
    return result
  }

  /// The documents' places in the order of their IDs.
  private static func order(_ documents: [IndexDocument]) throws -> [Int] {
    guard documents.count < Int(Int32.max) else {
      throw OperatorError(
        .badSettings, "a segment holds fewer than 2^31 documents", advice: "build several")
    }
    var order = Array(documents.indices)
    let isSorted = zip(documents, documents.dropFirst()).allSatisfy { $0.id < $1.id }
    if isSorted { return order }
    order.sort { documents[$0].id < documents[$1].id }
    for (a, b) in zip(order, order.dropFirst()) where documents[a].id == documents[b].id {
      throw OperatorError(
        .duplicate,
        "\(documents[a].key) and \(documents[b].key) are to have the same document ID "
          + "\(documents[a].id)", advice: "give each file another number")
    }
    return order
  }

  /// One thread's work: takes documents, a few at a time, until there are none.
  private func invert(
    _ inversion: Inversion, _ allowance: Int, isSmall: Bool, _ stop: StopSign,
    _ progress: @Sendable (Int64) -> Void
  ) throws {
    let capacity = min(1 << 20, max(64 << 10, allowance / 64))
    let reader = TextReader(format, capacity: capacity, cancellation: cancellation)
    let splitter = WordSplitter(tokenizer.rules)
    let stops = Tokenizer.stops(tokenizer)
    var table = WordTable(leavingOut: stops, isSmall: isSmall)
    while !stop.isSet, let numbers = inversion.take() {
      var byteCount: Int64 = 0
      for number in numbers {
        let document = inversion.document(number)
        let file = InputFile(
          path: document.path, name: document.key, byteCount: document.size,
          state: document.state)
        var tokens = 0
        do {
          try reader.read(file) { text, isLast in
            let words = splitter.split(text, isLast: isLast)
            tokens += table.add(words, document: UInt32(number))
            if table.byteCount > allowance {
              try inversion.spill(table)
              table = WordTable(leavingOut: stops, isSmall: isSmall)
            }
          }
          inversion.accept(number, tokens: tokens)
        } catch let rejection as TextRejection {
          // A text is judged before any of it is given out.
          guard tokens == 0 else { throw FormatError.changed(file) }
          inversion.reject(number, rejection)
        }
        byteCount += document.size
      }
      progress(inversion.count(byteCount))
    }
    inversion.keep(table.sorted())
  }

  private func write(
    _ inversion: Inversion, sequence: Int64, to path: String
  ) throws -> SegmentSummary {
    let kept = inversion.kept
    let writer = try SegmentWriter(
      path: path, sequence: sequence, tokenizer: tokenizer.canonicalText)
    // One thread packs the documents while others merge words.
    let ranges = inversion.ranges(16 * threads, ofAtMost: IndexBuilder.wordsInRange)
    let packing = Packing(writer, ranges ?? [], threads: threads)
    let stop = StopSign()
    onThreads(count: threads) { index in
      do {
        if index == 0 { packing.keep(try inversion.packDocuments(kept)) }
        try packing.work(ordinals: inversion.ordinals(kept), stop, cancellation)
      } catch {
        stop.set(error)
        packing.wake()
      }
    }
    try stop.throwIfSet()
    if packing.isEmpty {
      let merge = RunMerge(try inversion.runs(bufferByteCount: memoryByteCount / 4))
      try merge.write(
        to: writer.dictionary, ordinals: inversion.ordinals(kept), check: cancellation.check)
    }
    let ids = kept.lazy.enumerated().map { Int64(inversion.document($1).id) - Int64($0) }
    return try writer.finish(
      packing.documents, ids: try NumberSpool(ids, inversion.file),
      tokens: try NumberSpool(kept.lazy.map(inversion.tokens), inversion.file),
      spill: inversion.file)
  }
}
