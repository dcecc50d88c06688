import Core
import Engines
import Formats
import Foundation
import Kernels
import TestSupport
import Testing

@testable import Operators

/// Random page views that hit every edge at once.
struct RandomPageviews {
  var files: [[Line]]
  var blocked: [(String, String)]

  private static let domains = ["en", "en.m", "de", "zh-yue", "é", "en.m.d"]
  private static let pages = [
    "Main_Page", "", "A", "B", "a", "É", "日本語", "\u{1F600}", "100%", "%C3%89", "%FF", "x%2", "\"q",
    "A\u{301}", "-", "\0", "\t", "Ａ", "%41", "%E6%97%A5本語",
  ]

  init(seed: UInt64, isSorted: Bool = false) {
    var random = Seeded(seed)
    let pageCount = Int.random(in: 1...60, using: &random)
    func page() -> String {
      let number = Int.random(in: 0..<pageCount, using: &random)
      return number < Self.pages.count ? Self.pages[number] : "page_\(number)_\u{E9}"
    }
    let extreme = Bool.random(using: &random)
    files = (0..<Int.random(in: 0...5, using: &random)).map { _ in
      var lines = (0..<Int.random(in: 0...300, using: &random)).map { _ -> Line in
        let small = Int64.random(in: -2...4, using: &random)
        let views =
          extreme && Int.random(in: 0..<20, using: &random) == 0
          ? (Bool.random(using: &random) ? Int64.max / 1600 : Int64.min / 1600) + small : small
        return Line(domain: Self.domains.randomElement(using: &random)!, page: page(), views: views)
      }
      if isSorted {
        lines.sort {
          "\($0.domain) \($0.page)".utf8.lexicographicallyPrecedes("\($1.domain) \($1.page)".utf8)
        }
      }
      return lines
    }
    blocked = (0..<Int.random(in: 0...12, using: &random)).map { _ in
      (Self.domains.randomElement(using: &random)!, page())
    }
  }

  var all: [Line] { files.flatMap { $0 } }

  func input(_ scratch: Scratch, format: DelimitedFormat = pageviewFormat) throws -> Rank.Input {
    let files = try files.enumerated().map { index, lines in
      let ending = index % 2 == 0 ? "\n" : "\r\n"
      var text = lines.map(\.text).joined(separator: ending)
      // Every third file ends in the middle of its last line.
      if index % 3 != 2 && !lines.isEmpty { text += ending }
      let bytes = Array(text.utf8)
      return try scratch.file("\(index)", index % 2 == 1 ? gzipCompressed(bytes) : bytes)
    }
    return .text(files, format, rejects: nil)
  }

  func blockList(_ scratch: Scratch) throws -> DelimitedSource {
    let text = blocked.map { "\($0) \($1)\n" }.joined()
    return try DelimitedSource(
      files: [scratch.file("blocked", Array(text.utf8))], format: blockedFormat)
  }

  func ranked(
    _ definition: RankDefinition, threads: Int, memory: Int = 64 << 20,
    format: DelimitedFormat = pageviewFormat, triesOrder: Bool = true
  ) throws -> (rows: [Row], spilled: Int64, tally: Tally) {
    let scratch = try Scratch()
    var rank = Rank(
      definition, label: "top", threads: threads, memoryByteCount: memory,
      spillFolder: { scratch.path })
    rank.triesOrder = triesOrder
    let outcome = try rank.run(try input(scratch, format: format), except: try blockList(scratch))
    return (try pageRows(outcome.rows), outcome.spilledByteCount, outcome.tally)
  }
}

@Suite struct RankTests {
  @Test(
    "random page views give what the plain words give, on any number of threads",
    arguments: 0..<40 as Range<UInt64>)
  func naive(_ seed: UInt64) throws {
    let views = RandomPageviews(seed: seed, isSorted: seed % 2 == 1)
    for ties in RankDefinition.Ties.allCases {
      let top = [1, 2, 3, 25, 1000][Int(seed % 5)]
      let expected = naiveRank(views.all, blocked: views.blocked, top: top, ties: ties)
      let definition = pageviewDefinition(top: top, ties: ties)
      for threads in 1...4 {
        let found = try views.ranked(definition, threads: threads, triesOrder: threads % 2 == 1)
        #expect(found.rows == expected, "\(ties), \(threads) threads")
        #expect(found.tally.rows == views.all.count)
      }
    }
  }

  @Test(
    "what does not fit in memory is written aside and gives the same",
    arguments: 100..<112 as Range<UInt64>)
  func spills(_ seed: UInt64) throws {
    let views = RandomPageviews(seed: seed)
    for ties in RankDefinition.Ties.allCases {
      let definition = pageviewDefinition(top: 3, ties: ties)
      let expected = naiveRank(views.all, blocked: views.blocked, top: 3, ties: ties)
      let found = try views.ranked(definition, threads: 2, memory: 0, triesOrder: false)
      #expect(found.rows == expected)
      #expect(found.spilled > 0 || views.all.isEmpty)
    }
  }

  @Test(
    "rows read as batches are counted as rows read as text", arguments: 200..<212 as Range<UInt64>)
  func batches(_ seed: UInt64) throws {
    let views = RandomPageviews(seed: seed)
    var format = pageviewFormat
    // Null texts send it the long way.
    format.nullTexts = ["no such text"]
    for ties in RankDefinition.Ties.allCases {
      let definition = pageviewDefinition(top: 4, ties: ties)
      let expected = naiveRank(views.all, blocked: views.blocked, top: 4, ties: ties)
      #expect(try views.ranked(definition, threads: 2, format: format).rows == expected)
    }
  }

  static let twin =
    (try? String(
      contentsOfFile: "\(repository)/pipelines/pageviews/models/top_pages.sql", encoding: .utf8))!

  @Test(
    "rule 35: the SQL twin gives the same rows on DuckDB", arguments: 300..<312 as Range<UInt64>)
  func sqlTwin(_ seed: UInt64) throws {
    let views = RandomPageviews(seed: seed)
    for ties in RankDefinition.Ties.allCases {
      let scratch = try Scratch()
      guard case .text(let files, let format, _) = try views.input(scratch) else { return }
      let query = Query(
        sql: "SELECT domain, page, views, rank FROM (\(Self.twin)) t",
        parameters: [
          "ties": .string(ties.rawValue), "top": .integer(3),
          "interval_start": .timestamp(Instant(seconds: 0)),
          "interval_end": .timestamp(Instant(seconds: 3600)),
        ],
        inputs: [
          "pageviews": .batches(try DelimitedSource(files: files, format: format)),
          "blocked": .batches(try views.blockList(scratch)),
        ])
      let expected = try engine.rows(query, cancellation: .never).rows.map { row in
        Row(
          domain: row[0].description, page: row[1].description,
          views: Int64(row[2].description)!, rank: Int64(row[3].description)!)
      }.sorted()
      let found = try views.ranked(pageviewDefinition(top: 3, ties: ties), threads: 2)
      #expect(found.rows == expected)
    }
  }

  @Test("sums pass 64 bits on their way without harm, and fail outside of them") func overflow()
    throws
  {
    let scratch = try Scratch()
    func rank(_ numbers: [Int64]) throws -> [Row] {
      let text = numbers.map { "en A \($0) 0\n" }.joined()
      let outcome = try Rank(
        RankDefinition(
          by: ["domain", "page"], within: ["domain"], measure: .sum("views"), top: 1),
        label: "top", threads: 2, memoryByteCount: 1 << 20, spillFolder: { scratch.path }
      ).run(
        .text([try scratch.file("x", Array(text.utf8))], pageviewFormat, rejects: nil))
      return try pageRows(outcome.rows)
    }
    #expect(try rank([.max, 1, -5]).map(\.views) == [.max - 4])
    #expect(try rank([.min, -7, 7]).map(\.views) == [.min])
    #expect(try rank([.max, .max, .min, .min, 2]).map(\.views) == [0])
    let error = #expect(throws: OperatorError.self) { try rank([.max, 1]) }
    #expect(
      error?.description
        == "model top: the sum of ('en', 'A') is 9223372036854775808, which no bigint holds; look at the input's numbers: one of them may be damaged"
    )
    #expect(throws: OperatorError.self) { try rank([.min, -1]) }
  }

  @Test("rule 34: malformed lines are counted and set aside with file and line") func malformed()
    throws
  {
    let scratch = try Scratch()
    var format = pageviewFormat
    format.malformed = .quarantine
    let long = String(repeating: "x", count: 10 << 20)
    var bytes = Array("en A 1 0\nen B two 0\n\nen C 1\nen D  0\nen \(long) 5 0\r\nen \0 3 \n".utf8)
    bytes += Array("en ".utf8) + [0xFF] + Array(" 1 0\nen E 99999999999999999999 0\nen F 1 0".utf8)
    for packed in [gzipCompressed(bytes), bytes] {
      let rejects = try RejectLog(directory: scratch.path)
      let outcome = try Rank(
        RankDefinition(
          by: ["domain", "page"], within: ["domain"], measure: .sum("views"), top: 9),
        label: "top", threads: 2, memoryByteCount: 1 << 20, spillFolder: { scratch.path }
      ).run(.text([try scratch.file("x", packed)], format, rejects: rejects))
      #expect(outcome.tally.rows == 4)
      #expect(outcome.tally.quarantined == 5)
      #expect(outcome.tally.blankLines == 1)
      #expect(try pageRows(outcome.rows).map(\.page) == [long, "\0", "A", "F"])
      #expect(
        try texts(rejects.source()).map { Array($0[0...2]) }.sorted { Int($0[2])! < Int($1[2])! }
          == [
            ["malformed:not_bigint(views)", "x", "2"], ["malformed:columns", "x", "4"],
            ["malformed:not_bigint(views)", "x", "5"], ["malformed:utf8", "x", "8"],
            ["malformed:not_bigint(views)", "x", "9"],
          ])
    }
    format.malformed = .fail
    let error = #expect(throws: FormatError.self) {
      try Rank(
        pageviewDefinition(top: 1, ties: .rank), label: "top", threads: 2,
        memoryByteCount: 1 << 20, spillFolder: { scratch.path }
      ).run(.text([try scratch.file("y", bytes)], format, rejects: nil))
    }
    #expect(error?.place == Place(file: "y", line: 2))
  }

  @Test("rule 34: a damaged or cut gzip is an error, not a short result", arguments: [true, false])
  func damaged(_ isCut: Bool) throws {
    let scratch = try Scratch()
    let text = (0..<200_000).map { "en page_\($0) \($0 % 7) 0\n" }.joined()
    var packed = gzipCompressed(Array(text.utf8))
    if isCut {
      packed.removeLast(packed.count / 2)
    } else {
      for index in packed.count / 2..<packed.count / 2 + 64 { packed[index] ^= 0x55 }
    }
    var format = pageviewFormat
    format.malformed = .drop
    let error = #expect(throws: FormatError.self) {
      try Rank(
        pageviewDefinition(top: 1, ties: .rank), label: "top", threads: 2,
        memoryByteCount: 1 << 24, spillFolder: { scratch.path }
      ).run(.text([try scratch.file("x", packed)], format, rejects: nil))
    }
    #expect(error?.code == .damaged)
    #expect(error?.place.file == "x")
  }

  @Test("any column of an exact type can be ranked by, counted, compared, and null") func typed()
    throws
  {
    let scratch = try Scratch()
    let format = DelimitedFormat(
      columns: [
        Field(name: "day", type: .date), Field(name: "n", type: .int),
        Field(name: "name", type: .string), Field(name: "ok", type: .boolean),
        Field(name: "price", type: .decimal(precision: 9, scale: 2)),
        Field(name: "at", type: .timestamp), Field(name: "ratio", type: .double),
      ])
    let text = """
      day,n,name,ok,price,at,ratio
      2024-01-01,-3,a,true,1.50,2024-01-01 00:00:00,1.5
      2024-01-01,4,a,true,1.50,2024-01-01 00:00:00,1.5
      2024-01-01,4,,false,-1.50,2024-01-01 00:00:00,1.5
      ,4,,false,-1.50,1969-01-01 00:00:00,1.5
      ,,b,false,-1.50,1969-01-01 00:00:00,1.5
      2023-01-01,9,zz,,,,
      """
    func rank(_ definition: RankDefinition) throws -> [[String]] {
      let input = Rank.Input.text(
        [try scratch.file("t", Array(text.utf8))], format, rejects: nil)
      return try texts(
        Rank(
          definition, label: "t", threads: 2, memoryByteCount: 1 << 20,
          spillFolder: { scratch.path }
        ).run(input).rows)
    }
    #expect(
      try rank(
        RankDefinition(by: ["name", "day"], within: ["day"], measure: .count("c"), top: 9))
        == [
          ["NULL", "NULL", "1", "1"], ["b", "NULL", "1", "1"], ["zz", "19358", "1", "1"],
          ["a", "19723", "2", "1"], ["NULL", "19723", "1", "2"],
        ])
    #expect(
      try rank(
        RankDefinition(
          by: ["price", "ok", "at"], measure: .sum("n"), top: 2, ties: .rowNumber,
          conditions: [.init("n", .less, .integer(9)), .init("name", .notEqual, .string("b"))]))
        == [["150", "true", "1704067200000000", "1", "1"]])
    let wrong = [
      RankDefinition(by: ["nam"], measure: .count("c"), top: 1),
      RankDefinition(by: ["ratio"], measure: .count("c"), top: 1),
      RankDefinition(by: ["name"], measure: .sum("ratio"), top: 1),
      RankDefinition(by: ["name"], measure: .count("name"), top: 1),
      RankDefinition(
        by: ["name"], measure: .count("c"), top: 1,
        conditions: [.init("name", .less, .integer(1))]),
    ]
    for definition in wrong {
      let error = #expect(throws: OperatorError.self) { _ = try rank(definition) }
      #expect(error?.code == .badSettings && error?.exitCode == 2)
    }
  }
}
