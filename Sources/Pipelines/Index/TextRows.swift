import Core
import Formats
import Synchronization

/// Files of text as rows of SQL: `file`, `size`, `version`, `text`, one row a file.
final class TextRows: BatchSource {
  static let columns = Schema([
    Field(name: "file", type: .string), Field(name: "size", type: .bigint),
    Field(name: "version", type: .string), Field(name: "text", type: .string),
  ])

  struct File: Sendable {
    var key: String
    var version: String
    var path: String
    var byteCount: Int64
    var state: InputFile.State?
  }

  let schema = TextRows.columns.withFreshIDs()
  private let files: [File]
  private let format: TextFormat
  private let cancellation: Cancellation
  private let state = Mutex(State())
  private static let batchByteCount = 1 << 20

  private struct State {
    var next = 0
    var done: Int64 = 0
    var rejected: [(index: Int, rejection: TextRejection)] = []
  }

  init(_ files: [File], _ format: TextFormat, cancellation: Cancellation) {
    self.files = files
    self.format = format
    self.cancellation = cancellation
  }

  var progress: (done: Int64, total: Int64) {
    (state.withLock { $0.done }, files.reduce(0) { $0 + $1.byteCount })
  }

  /// The files that are no text, so far.
  var rejected: [(index: Int, rejection: TextRejection)] {
    state.withLock { $0.rejected.sorted { $0.index < $1.index } }
  }

  func next() throws -> ColumnBatch? {
    var bytes: [UInt8] = []
    var slices: [[ColumnBatch.Slice]] = [[], [], []]
    var sizes: [Int64] = []
    func add(_ column: Int, _ text: some Sequence<UInt8>) {
      let start = bytes.count
      bytes += text
      slices[column].append(.init(offset: UInt32(start), count: UInt32(bytes.count - start)))
    }
    let reader = TextReader(format, cancellation: cancellation)
    while bytes.count < TextRows.batchByteCount {
      let index = state.withLock { state in
        defer { state.next += 1 }
        return state.next
      }
      guard index < files.count else { break }
      let file = files[index]
      var text: [UInt8] = []
      do {
        let input = InputFile(
          path: file.path, name: file.path, byteCount: file.byteCount, state: file.state)
        try reader.read(input) { piece, _ in text += piece }
        add(0, file.key.utf8)
        add(1, file.version.utf8)
        add(2, text)
        sizes.append(file.byteCount)
      } catch let rejection as TextRejection {
        state.withLock { $0.rejected.append((index, rejection)) }
      }
      state.withLock { $0.done += file.byteCount }
    }
    guard !sizes.isEmpty || state.withLock({ $0.next < files.count }) else { return nil }
    return ColumnBatch(
      rowCount: sizes.count,
      columns: [
        .init(values: .bytes(slices[0])), .init(values: .int64(sizes)),
        .init(values: .bytes(slices[1])), .init(values: .bytes(slices[2])),
      ], bytes: bytes)
  }
}
