import Core
import Kernels
import Synchronization

/// What became of the rows of a source. `rows + quarantined + dropped` is all rows there were.
public struct Tally: Sendable, Hashable {
  /// Rows that fit.
  public var rows: Int64 = 0
  /// Rows handed to the reject log.
  public var quarantined: Int64 = 0
  /// Rows left out under `malformed: drop`, by reason.
  public var dropped: [String: Int64] = [:]
  /// Empty lines, which are no rows.
  public var blankLines: Int64 = 0
  /// Bytes read, as they are on disk.
  public var bytes: Int64 = 0
  /// Files read and verified to their end.
  public var filesFinished = 0

  public init() {}

  public var droppedCount: Int64 { dropped.values.reduce(0, +) }
}

/// The accounts of one source: every row that was read is counted once, and what does not fit is
/// treated as the format says.
final class RowAccounts: Sendable {
  private let policy: MalformedPolicy
  private let rejects: RejectLog?
  private let state = Mutex(Tally())
  /// What is to be quarantined once `commit` is called; nil where that happens at once.
  private let held: Mutex<[(file: InputFile, row: RejectedRow)]?>
  private let holdsRejects: Bool
  /// Told by readers.
  let byteCountRead = ByteCounter()

  /// - Parameters:
  ///   - rejects: Takes the malformed rows; needed for, and only used with, `.quarantine`.
  ///   - holdsRejects: Whether nothing is written to the log before `commit`.
  init(_ policy: MalformedPolicy, rejects: RejectLog?, holdsRejects: Bool = false) {
    precondition(policy != .quarantine || rejects != nil, "quarantine needs a reject log")
    self.policy = policy
    self.rejects = rejects
    self.holdsRejects = holdsRejects
    held = Mutex(holdsRejects ? [] : nil)
  }

  var tally: Tally {
    var tally = state.withLock { $0 }
    tally.bytes = byteCountRead.value
    return tally
  }

  /// Whether this reader of the file is the one that reports its rejects.
  func claim(_ file: InputFile) -> Bool {
    !holdsRejects && rejects?.claim(file: file.name) ?? false
  }

  /// How many rejected rows are held.
  var heldCount: Int { held.withLock { $0?.count ?? 0 } }

  /// Writes what is held to the log.
  ///
  /// - Throws: `FormatError` `.spill`.
  func commit() throws {
    guard let rejects, let rows = held.withLock({ $0 }) else { return }
    let files = Set(rows.map(\.file.name).filter(rejects.claim))
    for (file, row) in rows where files.contains(file.name) { try append(row, file, rejects) }
  }

  private func append(_ row: RejectedRow, _ file: InputFile, _ rejects: RejectLog) throws {
    try rejects.append(
      rule: Reason.rule(row.reason), file: file.name, row: Int64(row.line),
      text: row.text, byteCount: row.byteCount)
  }

  func add(rows: Int, blankLines: Int) {
    state.withLock { tally in
      tally.rows += Int64(rows)
      tally.blankLines += Int64(blankLines)
    }
  }

  func finishFile() { state.withLock { $0.filesFinished += 1 } }

  /// - Parameter rejected: In the order of their lines; not empty.
  /// - Throws: `FormatError` `.malformed` where the format says so, `.spill`.
  func reject(_ rejected: [RejectedRow], of origin: BlockPool.Origin) throws {
    let file = origin.file
    switch policy {
    case .fail:
      let row = rejected[0]
      throw FormatError(
        .malformed, "the row does not fit its format: \(Reason.rule(row.reason))",
        at: Place(file: file.name, line: row.line),
        advice: "correct the file or the declared columns, or set `malformed: quarantine` to keep "
          + "such rows aside")
    case .drop:
      state.withLock { tally in
        for row in rejected { tally.dropped[row.reason, default: 0] += 1 }
      }
    case .quarantine:
      held.withLock { $0? += rejected.map { (file, $0) } }
      if origin.isRecorded, let rejects {
        for row in rejected { try append(row, file, rejects) }
      }
      state.withLock { $0.quarantined += Int64(rejected.count) }
    }
  }
}

/// Bytes read, counted by several threads.
final class ByteCounter: Sendable {
  private let count = Atomic<Int64>(0)

  var value: Int64 { count.load(ordering: .relaxed) }

  func add(_ byteCount: Int) { count.add(Int64(byteCount), ordering: .relaxed) }
}
