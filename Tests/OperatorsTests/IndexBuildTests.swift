import Core
import Formats
import Foundation
import Kernels
import TestSupport
import Testing

@testable import Operators

@Suite("index segments, of files that are none or not as they were listed")
struct IndexBuildTests {
  @Test("bad files become no documents, one by one, and the others stand")
  func badFiles() throws {
    let scratch = try Scratch()
    let packed = gzipCompressed(Array("packed words".utf8))
    let big = Array(String(repeating: "x", count: 3 << 20).utf8) + Array(" tail".utf8)
    let files: [(String, [UInt8])] = [
      ("1.txt", Array("fine words".utf8)), ("2.txt", [0x61, 0, 0x62]),
      ("3.txt", [0x61, 0xFC, 0x20]),
      ("4.txt", []), ("5.txt.gz", packed), ("6.txt.gz", Array(packed.dropLast(6))),
      ("7.txt", packed),
      ("8.txt", big), ("9.txt", big + [0xFF]), ("10.txt", [0xEF, 0xBB, 0xBF] + Array("mark".utf8)),
      ("11.txt", Array(String(repeating: "same ", count: 1_000_000).utf8)),
      ("12.txt", Array(String(repeating: "é。", count: 400_000).utf8)),
    ]
    let documents = try files.enumerated().map { index, file in
      let input = try scratch.file(file.0, file.1)
      return IndexDocument(
        id: UInt32(index + 1), key: file.0, size: input.byteCount, version: "", path: input.path)
    }
    let path = "\(scratch.path)/a.seg"
    let built = try indexBuilder(scratch).build(documents, sequence: 1, to: path)
    #expect(built.rejected.map(\.reason) == ["binary", "encoding", "damaged", "encoding"])
    #expect(built.rejected.map(\.index) == [1, 2, 5, 8])
    let postings = try SegmentReader(MappedSegment(path: path)).allPostings()
    #expect(
      postings == [
        "fine": [1: 1], "words": [1: 1, 5: 1, 7: 1], "packed": [5: 1, 7: 1], "tail": [8: 1],
        "mark": [10: 1], "same": [11: 1_000_000], "é": [12: 400_000],
      ])
    var format = TextFormat()
    format.fallbackEncoding = .latin1
    let other = try indexBuilder(scratch, format: format)
      .build(documents, sequence: 1, to: "\(scratch.path)/b.seg")
    #expect(other.rejected.map(\.reason) == ["binary", "damaged"])
    let read = try SegmentReader(MappedSegment(path: "\(scratch.path)/b.seg")).allPostings()
    #expect(read["aü"] == [3: 1])
    #expect(read["tailÿ".lowercased()] == [9: 1])
    let none = try indexBuilder(scratch)
      .build([documents[1]], sequence: 1, to: "\(scratch.path)/c.seg")
    #expect(none.segment == nil)
    #expect(!FileManager.default.fileExists(atPath: "\(scratch.path)/c.seg"))
  }

  @Test("a file that is gone or of another size stops the build; so do two documents of one ID")
  func failures() throws {
    let scratch = try Scratch()
    let file = try scratch.file("a.txt", Array("words".utf8))
    func build(_ documents: [IndexDocument]) throws {
      _ = try indexBuilder(scratch).build(documents, sequence: 1, to: "\(scratch.path)/x.seg")
    }
    let good = IndexDocument(id: 1, key: "a", size: 5, version: "", path: file.path)
    var changed = good
    changed.size = 4
    var gone = good
    gone.path += "2"
    #expect(throws: FormatError.self) { try build([changed]) }
    #expect(throws: FormatError.self) { try build([gone]) }
    #expect(throws: OperatorError.self) { try build([good, good]) }
    #expect(!FileManager.default.fileExists(atPath: "\(scratch.path)/x.seg"))
  }

  @Test("rule 2: a file in another state than was listed stops the build, also once it was read")
  func listedState() throws {
    let scratch = try Scratch()
    let file = try scratch.file("a.txt", Array("words".utf8))
    var status = stat()
    try #require(stat(file.path, &status) == 0)
    #if canImport(Glibc)
      let time = status.st_mtim
    #else
      let time = status.st_mtimespec
    #endif
    var state = InputFile.State(
      modified: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec),
      inode: UInt64(status.st_ino))
    func build(_ key: String, size: Int64) throws {
      let document = IndexDocument(
        id: 1, key: key, size: size, version: "", below: scratch.path, state: state)
      _ = try indexBuilder(scratch).build([document], sequence: 1, to: "\(scratch.path)/\(key).seg")
    }
    try build("a.txt", size: 5)
    func code(_ key: String, size: Int64) -> FormatError.Code? {
      do { try build(key, size: size) } catch { return (error as? FormatError)?.code }
      return nil
    }
    #expect(code("a.txt", size: 4) == .changed)
    #expect(code("a.txt", size: 6) == .changed)
    try FileManager.default.createDirectory(
      atPath: "\(scratch.path)/b.txt", withIntermediateDirectories: true)
    #expect(code("b.txt", size: 5) == .notAFile)
    try #require(mkfifo("\(scratch.path)/c.txt", 0o600) == 0)
    #expect(code("c.txt", size: 5) == .notAFile)
    #expect(code("d.txt", size: 5) == .notFound)
    state.modified += 1
    #expect(code("a.txt", size: 5) == .changed)
  }
}
