import Core
import Engines
import Formats
import Foundation
import Kernels
import TestSupport
import Testing

@testable import Operators

/// The same page views as files of every format that `rank` reads.
enum Shape: CaseIterable, CustomStringConvertible {
  /// Unquoted with a header: neighbours in the key's order in the first file, not in others.
  case headed
  case quoted
  case jsonLines
  case parquet

  var description: String {
    switch self {
    case .headed: "headed"
    case .quoted: "quoted"
    case .jsonLines: "JSON lines"
    case .parquet: "Parquet"
    }
  }

  var format: DelimitedFormat {
    let columns = [
      Field(name: "page", type: .string), Field(name: "views", type: .bigint),
      Field(name: "domain", type: .string), Field(name: "n", type: .int),
    ]
    switch self {
    case .headed: return DelimitedFormat(delimiter: 0x01, quote: nil, columns: columns)
    case .jsonLines: return .jsonLines(columns: columns)
    default: return DelimitedFormat(columns: columns)
    }
  }

  /// - Parameter order: Of the four columns and of one that is not declared.
  func text(_ lines: [Line], _ order: [Int], _ random: inout Seeded) -> [UInt8] {
    let names = ["page", "views", "domain", "n", "junk"]
    var out: [UInt8] = []
    if self != .jsonLines {
      let delimiter = self == .headed ? "\u{1}" : ","
      out += Array(order.map { names[$0] }.joined(separator: delimiter).utf8) + [0x0A]
    }
    for line in lines {
      let values = [line.page, "\(line.views)", line.domain, "7", "x"].map { Array($0.utf8) }
      switch self {
      case .headed, .parquet:
        out += Array(
          order.map { $0 == 4 ? [0xFF, 0x22] : values[$0] }.joined(separator: [0x01]))
      case .quoted:
        out += Array(
          order.map { index -> [UInt8] in
            let value = values[index]
            let mustQuote = value.isEmpty || value.contains { [0x22, 0x2C, 0x0A].contains($0) }
            guard mustQuote || Int.random(in: 0..<3, using: &random) == 0 else { return value }
            return [0x22] + value.flatMap { $0 == 0x22 ? [0x22, 0x22] : [$0] } + [0x22]
          }.joined(separator: [0x2C]))
      case .jsonLines:
        let members = order.map { index -> String in
          let isText = index != 1 && index != 3
          let value = String(decoding: values[index], as: UTF8.self)
          return "\"\(names[index])\": \(isText ? Shape.json(value, &random) : value)"
        }
        out += Array("{\(members.joined(separator: ", "))}".utf8)
      }
      out += Bool.random(using: &random) ? [0x0A] : [0x0D, 0x0A]
    }
    return out
  }

  /// A JSON string, some of its characters escaped.
  private static func json(_ text: String, _ random: inout Seeded) -> String {
    var out = "\""
    for unit in text.utf16 {
      let mustEscape = unit < 0x20 || unit == 0x22 || unit == 0x5C
      if mustEscape || unit >= 0xD800 && unit < 0xE000 || Int.random(in: 0..<9, using: &random) == 0
      {
        out += "\\u" + String(format: "%04x", Int(unit))
      } else {
        out += String(decoding: [unit], as: UTF16.self)
      }
    }
    return out + "\""
  }

  /// Writes files and opens them as `rank` does.
  func input(_ views: RandomPageviews, _ scratch: Scratch, seed: UInt64) throws -> Rank.Input {
    if self == .parquet { return .batches(try Shape.batches(views, scratch)) }
    var random = Seeded(seed)
    let files = try views.files.enumerated().map { index, lines in
      let order = index == 0 ? [2, 0, 1, 3, 4] : [0, 1, 2, 3, 4].shuffled(using: &random)
      let bytes = text(lines, order, &random)
      return try scratch.file(
        "\(self)-\(index)", index % 2 == 1 ? gzipCompressed(bytes) : bytes)
    }
    return .text(files, format, rejects: nil)
  }

  private static func batches(
    _ views: RandomPageviews, _ scratch: Scratch
  ) throws -> QueryBatches {
    let files = try views.files.enumerated().map { index, lines in
      let path = "\(scratch.path)/\(index) [x].parquet"
      let rows = lines.map { line -> [Value] in
        [.string(line.page), .integer(line.views), .string(line.domain), .integer(7)]
      }
      // Every other file has its columns in another order.
      let columns =
        index % 2 == 0 ? ["page", "views", "domain", "n"] : ["n", "domain", "views", "page"]
      _ = try engine.export(
        Query(
          sql: "SELECT * FROM rows",
          inputs: ["rows": .rows(RowSet(schema: Schema(Shape.quoted.format.columns), rows: rows))]),
        to: TextOutput(format: .parquet, columns: columns, sort: [], path: path),
        cancellation: .never)
      return ParquetFiles.File(path: path, name: "\(index)", contribution: "\(index)", batch: 1)
    }
    let schema = Schema(Shape.quoted.format.columns)
    return QueryBatches(
      Query(
        sql: "SELECT * FROM views",
        inputs: ["views": .parquet(ParquetFiles(files, schema: schema))]),
      schema: schema, engine: engine, cancellation: .never)
  }
}

@Suite struct RankInputTests {
  private func rank(
    _ definition: RankDefinition, _ input: Rank.Input, except: any BatchSource, _ scratch: Scratch,
    threads: Int = 2, triesOrder: Bool = true, memory: Int = 64 << 20
  ) throws -> Rank.Outcome {
    var rank = Rank(
      definition, label: "top", threads: threads, memoryByteCount: memory,
      spillFolder: { scratch.path })
    rank.triesOrder = triesOrder
    return try rank.run(input, except: except)
  }

  @Test(
    "the same rows come of every format, with and without conditions",
    arguments: 400..<416 as Range<UInt64>)
  func formats(_ seed: UInt64) throws {
    let views = RandomPageviews(seed: seed, isSorted: seed % 2 == 1)
    let conditions: [RankCondition] =
      switch seed % 4 {
      case 0: []
      case 1: [.init("views", .greater, .integer(0))]
      case 2: [.init("domain", .notEqual, .string("de")), .init("n", .equal, .integer(7))]
      default: [.init("page", .less, .string("x")), .init("views", .lessOrEqual, .integer(3))]
      }
    let counted = views.all.filter { line in
      switch seed % 4 {
      case 0: true
      case 1: line.views > 0
      case 2: line.domain != "de"
      default: line.page.utf8.lexicographicallyPrecedes("x".utf8) && line.views <= 3
      }
    }
    for ties in RankDefinition.Ties.allCases {
      let expected = naiveRank(counted, blocked: views.blocked, top: 3, ties: ties)
      let definition = pageviewDefinition(top: 3, ties: ties, conditions: conditions)
      for shape in Shape.allCases {
        let scratch = try Scratch()
        let outcome = try rank(
          definition, try shape.input(views, scratch, seed: seed),
          except: try views.blockList(scratch), scratch, threads: 1 + Int(seed % 3),
          triesOrder: seed % 5 != 0, memory: seed % 3 == 0 ? 0 : 64 << 20)
        #expect(try pageRows(outcome.rows) == expected, "\(shape), \(ties)")
        if shape != .parquet { #expect(outcome.tally.rows == views.all.count, "\(shape)") }
      }
      // The plain format has no column n.
      if seed % 4 == 2 { continue }
      let plain = try views.ranked(definition, threads: 2)
      #expect(plain.rows == expected && plain.tally.rows == views.all.count)
    }
  }

  /// Lines with nulls, bad numbers, open quotes and broken JSON.
  private func damagedText(_ shape: Shape, _ random: inout Seeded) -> [UInt8] {
    let pieces: [String] =
      shape == .quoted
      ? [
        "a,1,en,1", "\"a\",2,\"en\",", ",3,en,1", "\"\",4,,2", "a,,en,1", "b,\"5\",\"e\"\"n\",1",
        "c,6,en", "d,7,\"en\"x,1", "e,x,en,1", "f,8,en,2147483648", "", "g,9,en,1\r",
        "\"h\nh\",1,en,1",
        "i,99999999999999999999,en,1", "j,1,\u{0},1",
      ]
      : [
        #"{"page": "a", "views": 1, "domain": "en"}"#,
        #"{"page": null, "views": 2, "domain": "en"}"#,
        #"{"page": "a", "views": null}"#, #"{"views": 3, "page": 12, "domain": {"x": [1, "é"]}}"#,
        #"{"page": "b", "views": "4", "domain": "en", "n": 1}"#, #"{"page": "c", "views": ""}"#,
        #"{"page": "\ud800", "views": 1}"#, #"{"page": "d", "views": 1.5}"#, "[]", "{", "", "{}",
        #"{"page": "e", "views": 5, "views": 6}"#, #"{"page": "f", "views": 1,}"#,
        #"{"p\u0061ge": "g\u0000h", "views": 7}  "#, #"{"page": "h", "views": 1} x"#,
      ]
    var out: [UInt8] = shape == .quoted ? Array("page,views,domain,n\n".utf8) : []
    for _ in 0..<Int.random(in: 0...60, using: &random) {
      out += Array(pieces.randomElement(using: &random)!.utf8)
      if Int.random(in: 0..<20, using: &random) == 0 { out.append(0xFF) }
      out.append(0x0A)
    }
    return out
  }

  @Test(
    "rule 34: keys taken from text are those of typed batches, and so are the rejects",
    arguments: [Shape.quoted, .jsonLines], 500..<530 as Range<UInt64>)
  func keyed(_ shape: Shape, _ seed: UInt64) throws {
    var random = Seeded(seed)
    let scratch = try Scratch()
    var format = shape.format
    format.malformed = .quarantine
    let files = try (0..<3).map { try scratch.file("\($0)", damagedText(shape, &random)) }
    let definition = RankDefinition(
      by: ["page", "domain"], within: seed % 2 == 0 ? ["domain"] : [], measure: .sum("views"),
      top: 5, ties: .rowNumber,
      conditions: seed % 3 == 0 ? [.init("views", .less, .integer(5))] : [])
    func outcome(
      _ rejects: RejectLog, _ input: Rank.Input
    ) throws -> (rows: [[String]], rejects: [[String]], tally: Tally) {
      let outcome = try Rank(
        definition, label: "top", threads: 2, memoryByteCount: 1 << 20,
        spillFolder: { scratch.path }
      ).run(input)
      let aside = try texts(rejects.source()).sorted { $0.lexicographicallyPrecedes($1) }
      return (try texts(outcome.rows), aside, outcome.tally)
    }
    let keyed = try RejectLog(directory: scratch.path)
    let found = try outcome(keyed, .text(files, format, rejects: keyed))
    let typed = try RejectLog(directory: scratch.path)
    let source = try DelimitedSource(files: files, format: format, rejects: typed)
    let expected = try outcome(typed, .batches(source))
    #expect(found.rows == expected.rows)
    #expect(found.rejects == expected.rejects)
    #expect(found.tally.rows == source.tally.rows)
    #expect(found.tally.blankLines == source.tally.blankLines)
  }

  @Test("a query that is ranked ends with who reads it", arguments: [false, true])
  func closed(_ isRead: Bool) throws {
    let scratch = try Scratch()
    let numbers = Query(
      sql: "SELECT i AS views, i::varchar AS page FROM (SELECT unnest(range(3000000)) AS i)")
    let schema = Schema([Field(name: "views", type: .bigint), Field(name: "page", type: .string)])
    let source = QueryBatches(numbers, schema: schema, engine: engine, cancellation: .never)
    if isRead { #expect(try source.next()?.rowCount ?? 0 > 0) }
    source.close()
    #expect(try source.next() == nil)
    let failing = QueryBatches(
      Query(sql: "SELECT error('no such luck')::bigint AS views, 'x' AS page"), schema: schema,
      engine: engine, cancellation: .never)
    let error = #expect(throws: EngineError.self) {
      try Rank(
        RankDefinition(by: ["page"], measure: .sum("views"), top: 1), label: "top", threads: 2,
        memoryByteCount: 1 << 20, spillFolder: { scratch.path }
      ).run(.batches(failing))
    }
    #expect(error?.message.contains("no such luck") == true)
    failing.close()
  }
}
