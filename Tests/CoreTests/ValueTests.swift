import Testing

@testable import Core

@Suite("values, schemas, small tools")
struct ValueTests {
  @Test(
    "values as people read them",
    arguments: [
      (Value.null, "NULL"), (.decimal(unscaled: -5, scale: 2), "-0.05"),
      (.decimal(unscaled: 12345, scale: 2), "123.45"), (.decimal(unscaled: 7, scale: 0), "7"),
      (.date(-1), "1969-12-31"), (.time(3_600_000_001), "01:00:00.000001"),
      (.timestamptz(Instant(seconds: 0)), "1970-01-01 00:00:00+00"),
      (.binary([0, 255]), "\\x00\\xff"), (.uuid(1), "00000000-0000-0000-0000-000000000001"),
      (.list([.integer(1), .null]), "[1, NULL]"),
      (.structure(["a"], [.string("x")]), "{a: x}"), (.map([.integer(1)], [.null]), "{1=NULL}"),
    ])
  func text(value: Value, expected: String) {
    #expect(value.description == expected)
  }

  @Test("fresh IDs number a level before its children, as Iceberg does for new tables")
  func identifiers() {
    let schema = Schema([
      Field(name: "a", type: .list(element: Field(name: "element", type: .int))),
      Field(
        name: "b",
        type: .structure([
          Field(name: "x", type: .string),
          Field(
            name: "m",
            type: .map(
              key: Field(name: "key", type: .string), value: Field(name: "value", type: .bigint))),
        ])),
      Field(name: "c", type: .date),
    ]).withFreshIDs()
    #expect(schema.fields.map(\.id) == [1, 2, 3])
    guard case .list(let element) = schema.fields[0].type,
      case .structure(let inner) = schema.fields[1].type,
      case .map(let key, let value) = inner[1].type
    else {
      Issue.record("the types changed")
      return
    }
    #expect(element.id == 4 && inner.map(\.id) == [5, 6] && [key.id, value.id] == [7, 8])
    #expect(schema.highestID == 8)
  }

  @Test(
    "a mistyped word finds the one that was meant, and a foreign one finds none",
    arguments: [
      ("tpo", ["top", "ties"], "top"), ("interval", ["intervals"], "intervals"),
      ("delimeter", ["delimiter", "header"], "delimiter"), ("xyz", ["top", "ties"], nil),
      ("", ["top"], nil), ("pageveiws", ["pageviews"], "pageviews"),
    ] as [(String, [String], String?)])
  func suggestion(word: String, candidates: [String], expected: String?) {
    #expect(nearest(to: word, among: candidates) == expected)
  }

  @Test("registered secrets are hidden, the longer ones first; short words are left alone")
  func redaction() {
    let redaction = Redaction()
    for secret in ["hunter2", "hunter2-and-more", "abc"] { redaction.register(secret) }
    #expect(redaction.redact("hunter2-and-more, hunter2, abc") == "***, ***, abc")
    #expect(redaction.redact("nothing") == "nothing")
  }

  @Test("a failure says where, what and what to do")
  func failure() {
    enum Domain: FailureDomain { static let name = "test" }
    let failure = Failure<Domain>(
      .init(rawValue: "odd"), "it is odd",
      at: Place(file: "a.yaml", line: 3, column: 7, model: "m"), advice: "make it even")
    #expect(failure.description == "a.yaml:3:7, model m: it is odd; make it even")
    #expect(failure.qualifiedCode == "test.odd" && failure.exitCode == 1)
  }

  @Test("work is shared out to threads, results keep their places, failures stay alone")
  func threads() {
    struct Odd: Error {}
    let results = concurrently(Array(0..<100), limit: 8) { number in
      if number == 13 { throw Odd() }
      return number * 2
    }
    #expect(results.count == 100)
    for (index, result) in results.enumerated() {
      #expect((try? result.get()) == (index == 13 ? nil : index * 2))
    }
  }

  @Test("cancelling calls the handlers once, and stops what comes later")
  func cancellation() throws {
    let cancellation = Cancellation()
    try cancellation.check()
    try cancellation.withHandler({ Issue.record("called after it was over") }) {}
    cancellation.cancel()
    cancellation.cancel()
    #expect(throws: Cancelled.self) { try cancellation.check() }
    #expect(throws: Cancelled.self) { try cancellation.withHandler({}) {} }
  }
}
