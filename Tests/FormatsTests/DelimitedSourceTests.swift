import Core
import Foundation
import Kernels
import Synchronization
import TestSupport
import Testing

@testable import Formats

@Suite struct DelimitedSourceTests {
  private let numbered = DelimitedFormat(
    quote: nil, hasHeader: false, columns: columns(["file": .int, "row": .int, "text": .string]))

  /// `file,row,text` lines, every hundredth spoilt.
  private func lines(_ file: Int, count: Int) -> String {
    (1...count).map { "\(file),\($0 % 100 == 0 ? "x" : "\($0)"),text \($0)" }
      .joined(separator: "\n")
  }

  private func code(_ body: () throws -> Void) -> FormatError? {
    do {
      try body()
      return nil
    } catch { return error as? FormatError }
  }

  private func drain(
    _ file: InputFile, _ format: DelimitedFormat, rejects: RejectLog? = nil
  ) throws -> Int {
    let source = try DelimitedSource(files: [file], format: format, rejects: rejects)
    let count = try rows(of: source).count
    try source.finish()
    return count
  }

  @Test("Several threads get every row of every file once, and every reject with its line")
  func threads() throws {
    let scratch = try Scratch()
    let counts = [5000, 1, 300, 12_000, 99, 100, 20_000]
    let files = try counts.enumerated().map { index, count in
      let bytes = Array(lines(index, count: count).utf8)
      return try index % 2 == 0
        ? scratch.file("\(index)", bytes) : scratch.file("\(index).gz", gzipCompressed(bytes))
    }
    let log = try scratch.rejects()
    var format = numbered
    format.malformed = .quarantine
    let source = try DelimitedSource(
      files: files, format: format, rejects: log, cancellation: .never, blockByteCount: 4096,
      rowsPerBatch: 100)
    let seen = Mutex<[[Value]]>([])
    onThreads(count: 5) { _ in
      do {
        while let batch = try source.next() {
          let found = rows(of: batch, source.schema)
          seen.withLock { $0 += found }
        }
      } catch { Issue.record(error) }
    }
    try source.finish()
    let expected = counts.enumerated().flatMap { index, count in
      (1...count).filter { $0 % 100 != 0 }.map { row -> [Value] in
        [.integer(Int64(index)), .integer(Int64(row)), .string("text \(row)")]
      }
    }
    #expect(Set(seen.withLock { $0 }) == Set(expected))
    #expect(seen.withLock { $0.count } == expected.count)
    let rejected = counts.enumerated().flatMap { index, count in
      (1...count).filter { $0 % 100 == 0 }.map { row in
        let name = index % 2 == 0 ? "mem:/\(index)" : "mem:/\(index).gz"
        return "malformed:not_int(row)|\(name)|\(row)|\(index),x,text \(row)"
      }
    }
    #expect(try texts(of: log).sorted() == rejected.sorted())
    let tally = source.tally
    #expect(tally.rows == Int64(expected.count))
    #expect(tally.quarantined == Int64(rejected.count))
    #expect(tally.filesFinished == files.count)
    #expect(tally.bytes == files.reduce(0) { $0 + $1.byteCount })
    #expect(source.progress == (tally.bytes, tally.bytes))
    #expect(try source.next() == nil)
  }

  @Test("Blocks of any size give the same rows and lines", arguments: [nil, UInt8(0x22)])
  func blocks(_ quote: UInt8?) throws {
    var random = Seeded(99)
    var text = "h1,h2\r\n"
    for row in 0..<400 {
      switch Int.random(in: 0..<6, using: &random) {
      case 0: text += "\"a\nb\",\(row)\n"
      case 1: text += "\"\"\"\(row),x\n"
      case 2: text += "only\r\n"
      case 3: text += "\n"
      case 4: text += "ü,\(String(repeating: "long", count: row % 60))\r\n"
      default: text += "plain,\(row)\n"
      }
    }
    let format = DelimitedFormat(quote: quote, columns: columns(["h2": .string, "h1": .string]))
    let whole = try read(Array(text.utf8), format)
    #expect(whole.rows.count > 100 && whole.rejected.count > 10)
    for size in [1, 2, 3, 7, 64, 100, 1000, 5000] {
      let pieces = try read(Array(text.utf8), format, blockByteCount: size, rowsPerBatch: 3)
      #expect(Set(pieces.rows) == Set(whole.rows) && pieces.rows.count == whole.rows.count)
      #expect(pieces.rejected == whole.rejected, "blocks of \(size)")
    }
  }

  @Test("Policies: fail names file, line and reason; drop counts by reason")
  func policies() throws {
    let scratch = try Scratch()
    let file = try scratch.file("data.csv", "1,1,a\n\n2,b\n3,x,c\n4,4,d\n5,x,e")
    let failure = code { _ = try drain(file, numbered) }
    #expect(failure?.code == .malformed)
    #expect(failure?.place == Place(file: "mem:/data.csv", line: 3))
    #expect(failure?.message.contains("malformed:columns") == true)
    #expect(failure?.exitCode == 1)

    var format = numbered
    format.malformed = .drop
    let source = try DelimitedSource(files: [file], format: format)
    #expect(try rows(of: source).count == 2)
    #expect(source.tally.dropped == ["columns": 1, "not_int(row)": 2])
    #expect(source.tally.droppedCount == 3)
    #expect(source.tally.blankLines == 1)
  }

  @Test("After a failure next() is at its end and finish() says why")
  func failureStays() throws {
    let scratch = try Scratch()
    let files = try [
      scratch.file("bad.csv", "x\n"), scratch.file("good.csv", "1,1,a\n"),
    ]
    let source = try DelimitedSource(files: files, format: numbered)
    #expect(throws: FormatError.self) { try source.next() }
    #expect(try source.next() == nil)
    #expect(throws: FormatError.self) { try source.finish() }
  }

  @Test("rule 34: finish() verifies what next() was not asked for")
  func finish() throws {
    let scratch = try Scratch()
    var packed = gzipCompressed(Array(lines(0, count: 90).utf8))
    packed[packed.count - 5] ^= 1
    let files = try [
      scratch.file("good.csv", lines(1, count: 50)), scratch.file("bad.csv.gz", packed),
    ]
    let source = try DelimitedSource(files: files, format: numbered)
    #expect(try source.next()?.rowCount == 50)
    let failure = code { try source.finish() }
    #expect(failure?.code == .damaged)
    #expect(failure?.place.file == "mem:/bad.csv.gz")
  }

  @Test(
    "rule 34: damaged packed files are errors that name the file, not a short result",
    arguments: ["truncated", "checksum", "garbage", "empty", "plain", "emptyZstd", "declared"])
  func damaged(_ kind: String) throws {
    let scratch = try Scratch()
    let packed = gzipCompressed(Array(lines(0, count: 99).utf8))
    var format = numbered
    let file: InputFile
    switch kind {
    case "truncated": file = try scratch.file("a.gz", Array(packed.dropLast(9)))
    case "checksum": file = try scratch.file("a.gz", packed.dropLast(8) + [0, 0, 0, 0, 1, 1, 1, 1])
    case "garbage": file = try scratch.file("a", packed + [1])
    case "empty": file = try scratch.file("a.gz", "")
    case "plain": file = try scratch.file("A.GZ", "0,1,x\n")
    case "emptyZstd": file = try scratch.file("a.zst", "")
    default:
      format.compression = .gzip
      file = try scratch.file("a", "")
    }
    let failure = code { _ = try drain(file, format) }
    #expect(failure?.code == .damaged)
    #expect(failure?.place.file == file.name)
    #expect(failure?.advice != nil)
    #expect(failure?.description.contains(scratch.path) == false)
  }

  @Test("Empty input is no rows: an empty file, an empty gzip member, a header alone")
  func empty() throws {
    let scratch = try Scratch()
    #expect(try drain(scratch.file("a.csv", ""), numbered) == 0)
    #expect(try drain(scratch.file("a.csv.gz", gzipCompressed([])), numbered) == 0)
    var format = numbered
    format.hasHeader = true
    #expect(try drain(scratch.file("b.csv", "file,row,text"), format) == 0)
    #expect(try drain(scratch.file("c.csv", ""), format) == 0)
    #expect(try drain(scratch.file("d.csv.zst", zstdCompressed([])), format) == 0)
  }

  @Test("The name of a URL promises its packing, not its query")
  func urlName() throws {
    let scratch = try Scratch()
    var file = try scratch.file("x", "1,1,a\n")
    file.name = "https://host/a.csv?name=b.gz"
    #expect(try drain(file, numbered) == 1)
    file.name = "https://host/a.csv.gz?token=1"
    #expect(code { _ = try drain(file, numbered) }?.code == .damaged)
  }

  @Test("No file, a directory, a pipe, another size than listed")
  func notTheFile() throws {
    let scratch = try Scratch()
    func open(_ path: String, _ byteCount: Int64) -> FormatError? {
      code { _ = try drain(InputFile(path: path, name: "n", byteCount: byteCount), numbered) }
    }
    #expect(open(scratch.path + "/none", 1)?.code == .notFound)
    #expect(open(scratch.path, 4096)?.code == .notAFile)
    mkfifo(scratch.path + "/pipe", 0o600)
    #expect(open(scratch.path + "/pipe", 0)?.code == .notAFile)
    let file = try scratch.file("a", "1,1,a\n")
    #expect(open(file.path, file.byteCount + 1)?.code == .changed)
    var status = stat()
    #expect(stat(file.path, &status) == 0)
    #if canImport(Glibc)
      let time = status.st_mtim
    #else
      let time = status.st_mtimespec
    #endif
    let modified = Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    for (state, isSame) in [
      (InputFile.State(modified: modified, inode: UInt64(status.st_ino)), true),
      (InputFile.State(modified: modified + 1, inode: UInt64(status.st_ino)), false),
      (InputFile.State(modified: modified, inode: UInt64(status.st_ino) + 1), false),
    ] {
      let listed = InputFile(
        path: file.path, name: "n", byteCount: file.byteCount, state: state)
      #expect(code { _ = try drain(listed, numbered) }?.code == (isSame ? nil : .changed))
    }
  }

  #if os(Linux)
    @Test("Reading leaves no trace in one's own files")
    func trace() throws {
      let scratch = try Scratch()
      let file = try scratch.file("a", "1,1,a\n")
      func accessed() -> [Int] {
        var status = stat()
        #expect(stat(file.path, &status) == 0)
        return [status.st_atim.tv_sec, status.st_atim.tv_nsec]
      }
      let before = accessed()
      // Times of files are those of the last tick.
      usleep(20_000)
      #expect(try drain(file, numbered) == 1)
      // Another test has read other people's files.
      guard !LocalFile.mustLeaveTrace.load(ordering: .relaxed) else { return }
      #expect(accessed() == before)
    }
  #endif

  @Test("A file that grows while it is read is an error")
  func changed() throws {
    let scratch = try Scratch()
    let file = try scratch.file("a.csv", lines(0, count: 99))
    let source = try DelimitedSource(
      files: [file], format: numbered, rejects: nil, cancellation: .never, blockByteCount: 100,
      rowsPerBatch: 10)
    #expect(try source.next() != nil)
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: file.path))
    try handle.seekToEnd()
    try handle.write(contentsOf: Data("\n0,1,more".utf8))
    try handle.close()
    #expect(code { try source.finish() }?.code == .changed)
  }

  @Test("A line of 10 MB is a long field, or set aside with its length where that is too long")
  func longLine() throws {
    let scratch = try Scratch()
    let long = [UInt8](repeating: 0x78, count: 10 << 20)
    let text = Array("1,1,a\n2,2,".utf8) + long + Array("\n3,3,c\n".utf8)
    for quote in [nil, UInt8(0x22)] {
      var format = numbered
      format.quote = quote
      let whole = try read(gzipCompressed(text), format)
      #expect(whole.rows.count == 3)
      #expect(whole.rejected.isEmpty)

      format.maximumRowByteCount = 1 << 20
      format.malformed = .quarantine
      let log = try scratch.rejects()
      let file = try scratch.file("long", text)
      #expect(try drain(file, format, rejects: log) == 2)
      let found = try rows(of: log.source())
      #expect(found.count == 1)
      #expect(found[0][0] == .string("malformed:line_too_long"))
      #expect(found[0][2] == .integer(2))
      let shown = found[0][3].description
      #expect(shown.utf8.count < 66_000)
      #expect(shown.hasSuffix("x… (\(long.count + 4) bytes)"))
    }
  }

  @Test("Rows at the limit fit and rows past it do not, whatever the block")
  func rowLimit() throws {
    for size in [4, 8, 16, 1000] {
      for quote in [nil, UInt8(0x22)] {
        let format = DelimitedFormat(
          quote: quote, hasHeader: false, columns: columns(["t": .string]), maximumRowByteCount: 10)
        let (rows, rejected) = try read(
          Array("a\n0123456789\r\nb\n01234567890\r\nc\n\n01234567890123456789".utf8), format,
          blockByteCount: size)
        let kept = ["a", "0123456789", "b", "c"].map { [Value.string($0)] }
        #expect(rows.filter { $0 != [.null] && $0 != [.string("")] } == kept, "blocks of \(size)")
        #expect(
          rejected == [
            "4:line_too_long:01234567890", "7:line_too_long:01234567890123456789",
          ], "blocks of \(size)")
      }
    }
  }

  @Test("An open quote in a long file costs its line, and the rest is read")
  func openQuote() throws {
    var text = "a,\"open\n"
    for row in 0..<3000 { text += "\(row),\"x\"\"y\"\n" }
    let format = DelimitedFormat(
      hasHeader: false, columns: columns(["n": .string, "s": .string]), maximumRowByteCount: 4096)
    let (rows, rejected) = try read(text, format)
    // The open quote pairs with the next row's, which is spoilt with it.
    #expect(rejected.first == "1:quote:a,\"open\n0,\"x\"\"y\"")
    #expect(rows.count == 2999)
    let open = "a,\"open\n" + String(repeating: "plain,row\n", count: 3000)
    let second = try read(open, format)
    #expect(second.rejected == ["1:quote:a,\"open"])
    #expect(second.rows.count == 3000)
  }

  @Test("Cancelled reading stops")
  func cancelled() throws {
    let scratch = try Scratch()
    let cancellation = Cancellation()
    let source = try DelimitedSource(
      files: [scratch.file("a", lines(0, count: 99))], format: numbered,
      cancellation: cancellation)
    cancellation.cancel()
    #expect(throws: Cancelled.self) { try source.next() }
  }
}
