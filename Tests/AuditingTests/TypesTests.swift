import Core
import Engines
import Project
import Testing

@testable import Auditing

/// A type with two values of it, the smaller first.
struct TypeCase: Sendable, CustomTestStringConvertible {
  var type: FieldType
  var low: Value
  var high: Value
  var testDescription: String { "\(type)" }

  static let all: [TypeCase] = [
    TypeCase(type: .boolean, low: .boolean(false), high: .boolean(true)),
    TypeCase(type: .int, low: .integer(-1), high: .integer(2_147_483_647)),
    TypeCase(type: .bigint, low: .integer(.min), high: .integer(.max)),
    TypeCase(type: .float, low: .float(0.1), high: .float(0.2)),
    TypeCase(type: .double, low: .double(-0.1), high: .double(1e300)),
    TypeCase(
      type: .decimal(precision: 38, scale: 2), low: .decimal(unscaled: -101, scale: 2),
      high: .decimal(unscaled: 9_007_199_254_740_993_00, scale: 2)),
    TypeCase(type: .date, low: .date(-800_000), high: .date(19_723)),
    TypeCase(type: .time, low: .time(0), high: .time(86_399_999_999)),
    TypeCase(
      type: .timestamp, low: .timestamp(Instant(microseconds: -1)),
      high: .timestamp(Instant(microseconds: 1_704_085_200_000_001))),
    TypeCase(
      type: .timestamptz, low: .timestamptz(Instant(microseconds: -1)),
      high: .timestamptz(Instant(microseconds: 1_704_085_200_000_001))),
    TypeCase(type: .string, low: .string("Z"), high: .string("a")),
    TypeCase(type: .binary, low: .binary([0]), high: .binary([0, 255])),
    TypeCase(type: .uuid, low: .uuid(1), high: .uuid(.max)),
  ]
}

@Suite("Checks on every type", .enabled(if: TestEngine.isThere, "needs scripts/fetch-duckdb"))
struct TypesTests {
  @Test("Bounds, accepted values, keys and NULLs", arguments: TypeCase.all)
  func kinds(_ sample: TypeCase) throws {
    let schema = Schema([Field(name: "v", type: sample.type)]).withFreshIDs()
    let (low, high) = (sample.low, sample.high)
    let rows = RowSet(schema: schema, rows: [low, low, high, .null].map { [$0] })
    let expected: [(Check, Int64)] = [
      (.notNull("v"), 1), (.between("v", low, high), 0), (.between("v", high, nil), 2),
      (.between("v", nil, low), 1), (.between("v", low, low), 1), (.accepted("v", [low]), 1),
      (.accepted("v", [high, .null]), 2), (.accepted("v", [low, high]), 0), (.unique(["v"]), 2),
    ]
    let checks = expected.enumerated().map { index, item in
      var check = item.0
      check.name = "c\(index)"
      return check
    }
    let audit = try Audit(checks: checks, schema: schema, label: "m")
    let engine = try TestEngine.make()
    let folder = try TemporaryFolder()
    let files = try engine.files(rows, below: folder)
    for staged in [files, files.map(\.withoutStatistics)] {
      let result = try audit.run(staged: staged, engine: engine.engine)
      #expect(result.outcomes.map(\.failingRows) == expected.map(\.1))
      for outcome in result.outcomes where !outcome.isPassed {
        #expect(outcome.samples.count == outcome.failingRows)
      }
    }
    // A file of one value proves what it can by its statistics, and says the same when it cannot.
    let single = try engine.files(RowSet(schema: schema, rows: [[low], [low]]), below: folder)
    for staged in [single, single.map(\.withoutStatistics)] {
      let result = try audit.run(staged: staged, current: files, engine: engine.engine)
      #expect(result.outcomes.map(\.failingRows) == [0, 0, 2, 0, 0, 0, 2, 0, 2])
    }
  }

  @Test("A row of every type is one JSON object")
  func rowText() throws {
    let scalars = TypeCase.all.enumerated().map { Field(name: "c\($0)", type: $1.type) }
    let schema = Schema(
      scalars + [
        Field(name: "l", type: .list(element: Field(name: "element", type: .int))),
        Field(name: "s", type: .structure([Field(name: "x", type: .string)])),
        Field(
          name: "m",
          type: .map(
            key: Field(name: "key", type: .string), value: Field(name: "value", type: .int))),
      ]
    ).withFreshIDs()
    let row =
      TypeCase.all.map(\.high) + [
        .list([.integer(1), .null]), .structure(["x"], [.string("\"")]),
        .map([.string("k")], [.integer(2)]),
      ]
    let engine = try TestEngine.make().engine
    let result = try Audit(
      checks: [.between("c1", nil, .integer(0), .quarantine)], schema: schema, label: "m"
    ).run(
      rows: .rows(RowSet(schema: schema, rows: [row, schema.fields.map { _ in .null }])),
      engine: engine)
    let split = try #require(result.split)
    #expect((split.kept, split.rejected) == (1, 1))
    #expect(result.outcomes[0].samples.count == 1)
    let rejected = try engine.rows(split.rejectedRows(), cancellation: .never).rows
    guard case .string(let text) = rejected[0][3] else {
      Issue.record("no text: \(rejected)")
      return
    }
    let json = try JSON(parsing: text)
    #expect(json.members?.map(\.name) == schema.fields.map(\.name))
    #expect(json["c5"] == 9_007_199_254_740_993 || text.contains("9007199254740993.00"), "\(text)")
    #expect(json["c6"] == "2024-01-01")
    #expect(json["c8"] == "2024-01-01 05:00:00.000001")
    #expect(json["l"] == [1, nil])
    #expect(json["s"] == ["x": "\""])
    #expect(json["m"] == ["k": 2])
  }
}
