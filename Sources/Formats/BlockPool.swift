import Core
import Synchronization

/// The files of a source, cut into blocks that any number of threads take.
///
/// Each thread takes a file of its own while there are some; then they share: one unpacks and cuts
/// the next block while others work on theirs.
final class BlockPool: Sendable {
  private let files: [InputFile]
  private let format: DelimitedFormat
  private let blockByteCount: Int
  private let accounts: RowAccounts
  private let cancellation: Cancellation
  private let state = Mutex(State())

  private struct State: Sendable {
    var nextFile = 0
    var open: [OpenFile] = []
  }

  init(
    _ files: [InputFile], _ format: DelimitedFormat, blockByteCount: Int, accounts: RowAccounts,
    cancellation: Cancellation
  ) {
    self.files = files
    self.format = format
    self.blockByteCount = blockByteCount
    self.accounts = accounts
    self.cancellation = cancellation
  }

  /// Where a block comes from.
  struct Origin: Sendable {
    var file: InputFile
    /// Whether the file's rejects are to be written to the reject log.
    var isRecorded: Bool
  }

  /// A file that one or several threads read.
  private final class OpenFile: Sendable {
    let origin: Origin
    /// Nil until the first thread opens it.
    let reader = Mutex<BlockReader?>(nil)
    /// Threads inside or waiting; under the pool's lock.
    let userCount = Atomic<Int>(0)

    init(_ origin: Origin) { self.origin = origin }
  }

  /// - Returns: A block of whole rows; nil when all files are taken and read.
  /// - Throws: `FormatError`, `Cancelled`.
  func next() throws -> (block: TextBlock, origin: Origin)? {
    while let open = takeFile() {
      defer { open.userCount.subtract(1, ordering: .relaxed) }
      if let block = try nextBlock(of: open) { return (block, open.origin) }
      state.withLock { state in
        guard let index = state.open.firstIndex(where: { $0 === open }) else { return }
        state.open.remove(at: index)
        accounts.finishFile()
      }
    }
    return nil
  }

  /// Gives no more blocks.
  func stop() {
    state.withLock { state in
      state.nextFile = files.count
      state.open = []
    }
  }

  func reader(of file: InputFile) throws -> BlockReader {
    try BlockReader(
      file, format, blockByteCount: blockByteCount, cancellation: cancellation,
      byteCountRead: accounts.byteCountRead)
  }

  private func nextBlock(of open: OpenFile) throws -> TextBlock? {
    try open.reader.withLock { reader -> TextBlock? in
      if reader == nil { reader = try self.reader(of: open.origin.file) }
      return try reader!.next()
    }
  }

  /// A file nobody reads, else one nobody has opened, else the one with the fewest readers.
  private func takeFile() -> OpenFile? {
    state.withLock { state in
      func users(_ open: OpenFile) -> Int { open.userCount.load(ordering: .relaxed) }
      var chosen = state.open.min { users($0) < users($1) }
      if chosen.map(users) != 0, state.nextFile < files.count {
        let file = files[state.nextFile]
        state.nextFile += 1
        let open = OpenFile(Origin(file: file, isRecorded: accounts.claim(file)))
        state.open.append(open)
        chosen = open
      }
      chosen?.userCount.add(1, ordering: .relaxed)
      return chosen
    }
  }
}
