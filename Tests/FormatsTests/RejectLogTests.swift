import Core
import Foundation
import Testing

@testable import Formats

@Suite struct RejectLogTests {
  @Test("Rows come back in order, in batches, more than once")
  func roundTrip() throws {
    let scratch = try Scratch()
    let log = try scratch.rejects()
    let count = 10_000
    for row in 1...count {
      try log.append(
        rule: "malformed:columns", file: "f\(row % 3)", row: Int64(row), text: Array("t\(row)".utf8)
      )
    }
    #expect(log.rowCount == Int64(count))
    for _ in 0..<2 {
      let found = try texts(of: log)
      #expect(found.count == count)
      #expect(found[9998] == "malformed:columns|f0|9999|t9999")
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path).isEmpty)
  }

  @Test("Nothing rejected is no batch")
  func empty() throws {
    #expect(try Scratch().rejects().source().next() == nil)
  }

  @Test("Text: UTF-8 as it is, other bytes escaped, cut at 64 KiB between characters")
  func text() {
    func readable(_ bytes: [UInt8], _ count: Int? = nil) -> String {
      String(
        validating: RejectLog.readable(bytes, byteCount: count ?? bytes.count), as: UTF8.self)!
    }
    #expect(readable(Array("Größe\u{0}\"".utf8)) == "Größe\u{0}\"")
    #expect(readable([0x61, 0xFC]) == "a\\xFC")
    let limit = 64 << 10
    let ascii = [UInt8](repeating: 0x61, count: limit)
    #expect(readable(ascii) == String(repeating: "a", count: limit))
    #expect(readable(ascii + [0x62]) == String(repeating: "a", count: limit) + "… (65537 bytes)")
    #expect(readable(ascii, 10_485_760).hasSuffix("a… (10485760 bytes)"))
    for character in ["ü", "€", "𐍈"] {
      for shift in 0..<4 {
        let bytes = [UInt8](repeating: 0x61, count: limit - shift) + Array(character.utf8) + [0x62]
        let fits = character.utf8.count <= shift
        let expected = String(repeating: "a", count: limit - shift) + (fits ? character : "")
        #expect(
          readable(bytes).hasPrefix(expected + (bytes.count > limit ? "…" : "")),
          "\(character) \(shift)")
      }
    }
    // Bytes that are no character at all are escaped, not dropped.
    #expect(readable(ascii.dropLast() + [0x80, 0x80]).hasSuffix("a\\x80… (65537 bytes)"))
  }

  @Test("A file read twice is recorded once")
  func twice() throws {
    let scratch = try Scratch()
    let log = try scratch.rejects()
    let file = try scratch.file("a", "1\nx\n")
    let format = DelimitedFormat(
      hasHeader: false, columns: columns(["n": .int]), malformed: .quarantine)
    for _ in 0..<2 {
      let source = try DelimitedSource(files: [file], format: format, rejects: log)
      #expect(try rows(of: source).count == 1)
      #expect(source.tally.quarantined == 1)
    }
    #expect(try texts(of: log) == ["malformed:not_int(n)|mem:/a|2|x"])
  }

  @Test("A folder that is not there is a clear error")
  func noFolder() {
    do {
      _ = try RejectLog(directory: "/nonexistent/folder")
      Issue.record("opened")
    } catch { #expect(error.code == .spill) }
  }
}
