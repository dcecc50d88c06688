import Core
import Testing

@testable import Lake

@Suite("Iceberg's single values")
struct SingleValueTests {
  static let samples: [(FieldType, Value, [UInt8])] = [
    (.boolean, .boolean(true), [1]), (.boolean, .boolean(false), [0]),
    (.int, .integer(34), [34, 0, 0, 0]), (.int, .integer(-1), [255, 255, 255, 255]),
    (.bigint, .integer(34), [34, 0, 0, 0, 0, 0, 0, 0]),
    (.float, .float(1), [0, 0, 0x80, 0x3F]),
    (.double, .double(-1), [0, 0, 0, 0, 0, 0, 0xF0, 0xBF]),
    (.date, .date(17501), [0x5D, 0x44, 0, 0]),
    (.time, .time(1), [1, 0, 0, 0, 0, 0, 0, 0]),
    (.timestamp, .timestamp(Instant(microseconds: -2)), [254] + Array(repeating: 255, count: 7)),
    (.timestamptz, .timestamptz(Instant(microseconds: 256)), [0, 1, 0, 0, 0, 0, 0, 0]),
    (.string, .string("iceberg"), Array("iceberg".utf8)), (.string, .string(""), []),
    (.binary, .binary([0, 255]), [0, 255]),
    (
      .uuid, .uuid(0xf79c_3e09_677c_4bbd_a479_3f34_9cb7_85e7),
      [
        0xF7, 0x9C, 0x3E, 0x09, 0x67, 0x7C, 0x4B, 0xBD, 0xA4, 0x79, 0x3F, 0x34, 0x9C, 0xB7, 0x85,
        0xE7,
      ]
    ),
    (.decimal(precision: 9, scale: 2), .decimal(unscaled: 1420, scale: 2), [0x05, 0x8C]),
    (.decimal(precision: 9, scale: 2), .decimal(unscaled: 0, scale: 2), [0]),
    (.decimal(precision: 9, scale: 2), .decimal(unscaled: -1, scale: 2), [0xFF]),
    (.decimal(precision: 9, scale: 2), .decimal(unscaled: 128, scale: 2), [0x00, 0x80]),
    (.decimal(precision: 9, scale: 2), .decimal(unscaled: -129, scale: 2), [0xFF, 0x7F]),
    (
      .decimal(precision: 38, scale: 0), .decimal(unscaled: .min, scale: 0),
      [0x80] + Array(repeating: 0, count: 15)
    ),
  ]

  @Test("the bytes are those of the specification, both ways", arguments: samples.indices)
  func bothWays(_ index: Int) {
    let (type, value, bytes) = SingleValueTests.samples[index]
    #expect(SingleValue.encode(value, as: type) == bytes)
    #expect(SingleValue.decode(bytes, as: type) == value)
  }

  @Test("bounds written before a column was widened")
  func promoted() {
    #expect(SingleValue.decode([34, 0, 0, 0], as: .bigint) == .integer(34))
    #expect(SingleValue.decode([0, 0, 0x80, 0x3F], as: .double) == .double(1))
  }

  @Test("values that are not of the type have no bytes")
  func misfits() {
    #expect(SingleValue.encode(.null, as: .int) == nil)
    #expect(SingleValue.encode(.integer(1 << 40), as: .int) == nil)
    #expect(SingleValue.encode(.string("1"), as: .int) == nil)
    #expect(
      SingleValue.encode(.decimal(unscaled: 1, scale: 3), as: .decimal(precision: 9, scale: 2))
        == nil)
    #expect(SingleValue.decode([1, 2, 3], as: .bigint) == nil)
    #expect(SingleValue.decode([0xFF], as: .string) == nil)
    #expect(SingleValue.decode([], as: .decimal(precision: 9, scale: 2)) == nil)
  }

  @Test("shortened bounds still enclose the values")
  func shortened() {
    let long = String(repeating: "ä", count: 300)
    guard case .string(let lower) = BoundLength.lower(.string(long)),
      case .string(let upper)? = BoundLength.upper(.string(long))
    else {
      Issue.record("no bounds")
      return
    }
    #expect(lower.unicodeScalars.count == BoundLength.limit)
    #expect(ValueOrder.isLess(.string(lower), .string(long)) == true)
    #expect(ValueOrder.isLess(.string(long), .string(upper)) == true)
    #expect(BoundLength.upper(.binary(Array(repeating: 0xFF, count: 300))) == nil)
    let top = String(repeating: "\u{10FFFF}", count: 300)
    #expect(BoundLength.upper(.string(top)) == nil)
    let gap = String(repeating: "\u{D7FF}", count: 300)
    guard case .string(let above)? = BoundLength.upper(.string(gap)) else {
      Issue.record("no bound above D7FF")
      return
    }
    #expect(ValueOrder.isLess(.string(gap), .string(above)) == true)
    #expect(BoundLength.upper(.string("short")) == .string("short"))
  }

  @Test("values order as Iceberg orders them")
  func order() {
    let ascending: [[Value]] = [
      [
        .double(-.infinity), .double(-1), .double(-0.0), .double(0.0), .double(.infinity),
        .double(.nan),
      ],
      [.string(""), .string("Z"), .string("a"), .string("a\u{0}"), .string("é"), .string("🙂")],
      [.boolean(false), .boolean(true)], [.uuid(1), .uuid(UInt128.max)],
      [.decimal(unscaled: -5, scale: 1), .decimal(unscaled: 3, scale: 1)],
    ]
    for values in ascending {
      for (i, a) in values.enumerated() {
        for (j, b) in values.enumerated() {
          #expect(ValueOrder.isLess(a, b) == (i < j), "\(a) < \(b)")
        }
      }
    }
    #expect(ValueOrder.isLess(.integer(1), .string("1")) == nil)
  }

  @Test(
    "the bytes that a decimal of some digits needs",
    arguments: [
      (1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (9, 4), (18, 8), (19, 9), (38, 16),
    ])
  func decimalWidths(_ precision: Int, _ bytes: Int) {
    #expect(ManifestSchema.decimalByteCount(precision: precision) == bytes)
  }

  @Test(
    "names that Avro does not allow",
    arguments: [
      ("plain_1", "plain_1"), ("1st", "_1st"), ("a b", "a_x20b"), ("é", "_xE9"),
    ])
  func names(_ name: String, _ avro: String) { #expect(ManifestSchema.avroName(name) == avro) }
}
