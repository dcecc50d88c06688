import Core
import Foundation
import Kernels
import Testing

@testable import Formats

/// Real files, read by Python's csv module as the independent reader.
@Suite(.enabled(if: realData != nil, "the folder ../shared/data is not here"))
struct RealDataTests {
  private func input(_ name: String) throws -> InputFile {
    let path = "\(realData!)/\(name)"
    let attributes = try FileManager.default.attributesOfItem(atPath: path)
    return InputFile(path: path, name: name, byteCount: Int64(attributes[.size] as! Int))
  }

  /// The header's names, as plain commas have them.
  private func headerNames(_ name: String) throws -> [String] {
    let bytes = try Data(contentsOf: URL(fileURLWithPath: "\(realData!)/\(name)"))
    let line = String(decoding: bytes.prefix { $0 != 0x0A && $0 != 0x0D }, as: UTF8.self)
    return line.split(separator: ",", omittingEmptySubsequences: false)
      .map { $0.trimmingCharacters(in: ["\"", "\u{FEFF}"]) }
  }

  /// Each row joined by unit separators, with the line it starts on; empty where it is not UTF-8.
  private func python(_ name: String) throws -> [(line: Int, row: String)] {
    let script = """
      import csv, sys
      sys.stdout.reconfigure(encoding='utf-8', newline='')
      source = open(sys.argv[1], encoding='utf-8', errors='surrogateescape', newline='')
      reader = csv.reader(source, strict=True)
      header, before = next(reader), reader.line_num
      for row in reader:
        line, before = before + 1, reader.line_num
        bad = any('\\udc80' <= c <= '\\udcff' for field in row for c in field)
        print(line, '' if bad else '\\x1f'.join(row), sep='\\x1d', end='\\x1e')
      """
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3", "-c", script, "\(realData!)/\(name)"]
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    return output.split(separator: 0x1E).map { record in
      let parts = record.split(separator: 0x1D, maxSplits: 1, omittingEmptySubsequences: false)
      return (
        Int(String(decoding: parts[0], as: UTF8.self))!, String(decoding: parts[1], as: UTF8.self)
      )
    }
  }

  /// The rows of batches of strings, joined in the same way.
  private func joined(_ batch: ColumnBatch) -> [String] {
    (0..<batch.rowCount).map { row in
      var text: [UInt8] = []
      for (index, column) in batch.columns.enumerated() {
        if index > 0 { text.append(0x1F) }
        guard case .bytes(let slices) = column.values, column.nulls?[row] != true else { continue }
        text += batch.bytes[Int(slices[row].offset)...].prefix(Int(slices[row].count))
      }
      return String(decoding: text, as: UTF8.self)
    }
  }

  @Test(
    "CSV files agree with Python's reader, row by row",
    arguments: [
      ("denver/311_service_data_2015_sample.csv", 47_170, 9),
      ("denver/traffic_accidents.csv", 4171, 0),
      ("311/nyc_311_1000.csv", 1000, 0), ("311/nyc_311_potholes.csv", 1000, 0),
      ("trips/yellow_tripdata_sample_2020-04.csv", 10_000, 0),
    ])
  func csv(_ name: String, _ total: Int, _ invalid: Int) throws {
    let names = try headerNames(name)
    let scratch = try Scratch()
    let log = try scratch.rejects()
    let format = DelimitedFormat(
      columns: names.map { Field(name: $0, type: .string) }, malformed: .quarantine)
    let source = try DelimitedSource(
      files: [input(name)], format: format, rejects: log, cancellation: .never,
      blockByteCount: 64 << 10, rowsPerBatch: 1000)
    var found: [String] = []
    while let batch = try source.next() { found += joined(batch) }
    try source.finish()

    let expected = try python(name)
    #expect(expected.count == total)
    // One thread gets the rows in their order.
    let isEqual = found == expected.map(\.row).filter { !$0.isEmpty }
    #expect(isEqual)
    let badLines = expected.filter { $0.row.isEmpty }.map(\.line)
    #expect(badLines.count == invalid)
    let rejected = try rows(of: log.source())
    #expect(rejected.map { $0[2] } == badLines.map { .integer(Int64($0)) })
    #expect(rejected.allSatisfy { $0[0] == .string("malformed:utf8") })
    #expect(source.tally.rows + source.tally.quarantined == Int64(total))
  }

  @Test("Typed columns of real rows: 3,665 page views, all of them")
  func pageviews() throws {
    let file = try input("pageviews/pageviews-sample.txt")
    let format = DelimitedFormat(
      delimiter: 0x20, quote: nil, hasHeader: false,
      columns: columns(["domain": .string, "page": .string, "views": .bigint, "bytes": .bigint]))
    let source = try DelimitedSource(files: [file], format: format)
    let found = try rows(of: source)
    let lines = String(
      decoding: try Data(contentsOf: URL(fileURLWithPath: file.path)), as: UTF8.self
    ).split(separator: "\n")
    #expect(found.count == 3665)
    #expect(
      found
        == lines.map { line in
          let parts = line.split(separator: " ")
          return [
            .string(String(parts[0])), .string(String(parts[1])), .integer(Int64(parts[2])!),
            .integer(Int64(parts[3])!),
          ]
        })
  }

  @Test("rule 34: the real gzip that is cut off in the middle is an error")
  func truncated() throws {
    let format = DelimitedFormat(
      delimiter: 0x20, quote: nil, hasHeader: false, columns: columns(["line": .string]),
      malformed: .drop)
    let source = try DelimitedSource(
      files: [input("words/docword.kos.truncated.txt.gz")], format: format)
    do {
      try source.finish()
      Issue.record("a cut off file was accepted")
    } catch let error as FormatError {
      #expect(error.code == .damaged)
      #expect(error.message.contains("cut off"))
      #expect(error.place.file == "words/docword.kos.truncated.txt.gz")
    }
  }

  @Test("Typed columns of the accidents: numbers, empty dates")
  func accidents() throws {
    let format = DelimitedFormat(
      columns: columns([
        "OFFENSE_ID": .bigint, "INCIDENT_ID": .double, "LAST_OCCURRENCE_DATE": .string,
        "longitude": .decimal(precision: 18, scale: 12), "GEO_X": .double,
      ]), malformed: .drop)
    let source = try DelimitedSource(
      files: [input("denver/traffic_accidents.csv")], format: format)
    let found = try rows(of: source)
    #expect(Int64(found.count) + source.tally.droppedCount == 4171)
    let empty = found.filter { $0[2] == .null }.count
    #expect(empty * 100 > found.count * 95 && empty < found.count)
  }
}
