import Core
import Engines
import Foundation
import Testing

@testable import Lake

@Suite("Partition transforms")
struct TransformTests {
  private struct Column {
    var type: FieldType
    /// As the script calls the type.
    var name: String
    var values: [Value]
    var transforms: [Transform]
  }

  /// The edges of each type and random values.
  private var columns: [Column] {
    var random = SystemRandomNumberGenerator()
    func integers(_ range: ClosedRange<Int64>, _ edges: [Int64]) -> [Int64] {
      edges + (0..<60).map { _ in Int64.random(in: range, using: &random) }
    }
    func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: .min ... .max) } }
    let letters = Array("aé🙂z0 ß\u{301}中".unicodeScalars)
    let texts =
      ["", "iceberg", "Straße", "🙂🙂🙂"]
      + (0..<60).map { _ in
        String(
          String.UnicodeScalarView(
            (0..<Int.random(in: 0...20)).map { _ in letters.randomElement()! }))
      }
    // What both calendars know, in microseconds: the years 1 to 9999.
    let moments = integers(
      -62_135_596_800_000_000...253_402_300_799_999_999,
      [0, -1, 1, -3_600_000_000, 3_599_999_999, -86_400_000_000, -31_536_000_000_001])
    let time: [Transform] = [.identity, .year, .month, .day, .hour, .bucket(16)]
    let unscaled = integers(Int64.min...Int64.max, [0, 1, -1, 127, 128, -128, -129, 255, 256])
      .map { Int128($0) * 1_000_003 }
    return [
      Column(
        type: .int, name: "int",
        values: integers(-2_147_483_600...2_147_483_600, [0, -1, 34]).map(Value.integer),
        transforms: [.identity, .bucket(7), .truncate(10)]),
      Column(
        type: .bigint, name: "long",
        values: integers(-(1 << 62)...(1 << 62), [0, -1, 34]).map(Value.integer),
        transforms: [.identity, .bucket(1), .bucket(100), .truncate(1), .truncate(1000)]),
      Column(
        type: .date, name: "date",
        values: integers(-719_162...2_932_896, [0, -1, 17486]).map { .date(Int32($0)) },
        transforms: [.identity, .year, .month, .day, .bucket(16)]),
      Column(
        type: .time, name: "time",
        values: integers(0...86_399_999_999, [0]).map(Value.time),
        transforms: [.identity, .bucket(16)]),
      Column(
        type: .timestamp, name: "timestamp",
        values: moments.map { .timestamp(Instant(microseconds: $0)) }, transforms: time),
      Column(
        type: .timestamptz, name: "timestamptz",
        values: moments.map { .timestamptz(Instant(microseconds: $0)) }, transforms: time),
      Column(
        type: .string, name: "string", values: texts.map(Value.string),
        transforms: [.identity, .bucket(16), .truncate(1), .truncate(3)]),
      Column(
        type: .binary, name: "binary",
        values: (0..<40).map { .binary(bytes($0 % 21)) },
        transforms: [.identity, .bucket(16), .truncate(2)]),
      Column(
        type: .uuid, name: "uuid",
        values: (0..<40).map { _ in .uuid(UInt128.random(in: .min ... .max)) },
        transforms: [.identity, .bucket(16)]),
      Column(
        type: .decimal(precision: 38, scale: 4), name: "decimal",
        values: unscaled.map { .decimal(unscaled: $0, scale: 4) },
        transforms: [.identity, .bucket(16), .truncate(50)]),
    ]
  }

  /// A value as the script reads and prints it.
  private func text(_ value: Value) -> String {
    switch value {
    case .date(let days): "\(days)"
    case .time(let number): "\(number)"
    case .timestamp(let instant), .timestamptz(let instant): "\(instant.microseconds)"
    case .decimal(let unscaled, _): "\(unscaled)"
    case .binary(let bytes): bytes.map { String(format: "%02x", $0) }.joined()
    case .uuid: value.description
    default: value.description
    }
  }

  @Test("pyiceberg gives the same", .enabled(if: Python.path != nil, "no Python with pyiceberg"))
  func likePyiceberg() throws {
    var requests: [JSON] = []
    var mine: [(String, [String])] = []
    for column in columns {
      for transform in column.transforms {
        requests.append([
          "transform": .string(transform.description), "type": .string(column.name),
          "values": .array(column.values.map { .string(text($0)) }),
        ])
        mine.append(
          (
            "\(transform) of \(column.name)",
            column.values.map { text(transform.apply($0, of: column.type)) }
          ))
      }
    }
    let theirs = try Python.run("transforms.py", input: .array(requests)).array ?? []
    #expect(theirs.count == mine.count)
    for (answer, (name, values)) in zip(theirs, mine) {
      #expect((answer.array ?? []).compactMap(\.string) == values, "\(name)")
    }
  }

  @Test("hashes are those of the specification's appendix B")
  func hashes() {
    #expect(Transform.hash(.integer(34)) == 2_017_239_379)
    #expect(
      Transform.hash(.decimal(unscaled: 1420, scale: 2)).map { Int32(bitPattern: $0) }
        == -500_754_589)
    #expect(Transform.hash(.date(17486)).map { Int32(bitPattern: $0) } == -653_330_422)
    #expect(Transform.hash(.time(81_068_000_000)).map { Int32(bitPattern: $0) } == -662_762_989)
    #expect(Transform.hash(.string("iceberg")) == 1_210_000_089)
    #expect(
      Transform.hash(.uuid(0xf79c_3e09_677c_4bbd_a479_3f34_9cb7_85e7)) == 1_488_055_340)
    #expect(Transform.hash(.binary([0, 1, 2, 3])).map { Int32(bitPattern: $0) } == -188_683_207)
  }

  @Test("the engine splits rows by every transform as Sluice computes it")
  func inTheEngine() throws {
    let scratch = ScratchLake()
    for column in columns {
      for transform in column.transforms {
        let declared = Schema([
          Field(name: "n", type: .bigint), Field(name: "c", type: column.type),
        ]).withFreshIDs()
        // Long texts are no partitions; what is cut by bytes is another matter.
        let values = (transform == .identity ? Array(column.values.prefix(24)) : column.values)
          .filter { if case .string(let text) = $0 { text.utf8.count <= 72 } else { true } }
        let rows = RowSet(
          schema: declared,
          rows: values.enumerated().map { [.integer(Int64($0.offset)), $0.element] }
            + [[.integer(-1), .null]])
        let location = scratch.path + "/\(Nonce.hex())"
        let files = try engine.compute(
          Query(sql: "SELECT * FROM r", inputs: ["r": .rows(rows)], label: "test"),
          into: Output(
            schema: declared, location: location, sort: [.init("n", isDescending: true)],
            partition: [PartitionColumn("c", transform)]),
          cancellation: .never, progress: { _ in })
        #expect(files.reduce(0) { $0 + $1.rowCount } == Int64(rows.rows.count))
        #expect(Set(files.map(\.partition)).count == files.count)
        // All files at once, each under a name of its own.
        let parts = files.indices.map { "SELECT \($0) AS f, c, n FROM t\($0)" }
        let inputs = files.enumerated().map {
          ("t\($0.offset)", Query.Input.files([$0.element], schema: declared))
        }
        let held = try engine.rows(
          Query(
            sql: parts.joined(separator: " UNION ALL "),
            inputs: Dictionary(uniqueKeysWithValues: inputs), label: "test"),
          cancellation: .never
        ).rows
        #expect(held.count == rows.rows.count)
        for row in held {
          guard case .integer(let index) = row[0] else { continue }
          #expect(
            PartitionTuple.key([transform.apply(row[1], of: column.type)])
              == PartitionTuple.key(files[Int(index)].partition),
            "\(transform) of \(column.name): \(row[1])")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: location).count == files.count)
      }
    }
  }

  @Test("a partition value too long for a file's name is an error that says what to do")
  func longValues() throws {
    let declared = Schema([Field(name: "c", type: .string)]).withFreshIDs()
    let scratch = ScratchLake()
    #expect {
      try engine.compute(
        Query(sql: "SELECT repeat('x', 100) AS c", label: "test"),
        into: Output(
          schema: declared, location: scratch.path + "/out", partition: [PartitionColumn("c")]),
        cancellation: .never, progress: { _ in })
    } throws: { "\($0)".contains("truncate(n, …)") }
  }
}
