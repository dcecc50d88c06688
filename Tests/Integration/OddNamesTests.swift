import Core
import Foundation
import Stores
import TestSupport
import Testing

/// Objects whose names are hard to spell, empty ones, and buckets that others are at work in: from a
/// source to a landing, a table and an export.
@Suite(
  "Odd names in buckets", .serialized,
  .enabled(if: Repository.canRun, Comment(rawValue: Repository.whyNot)),
  .enabled(if: Python.hasVenv, Comment(rawValue: Python.whyNoVenv)))
struct OddNamesTests {
  private static let run = ["run", "city", "--json"]
  private static let header = "name,amount\n"

  /// A project with one source, its rows in a table that says which file each is from, and an export.
  private func project(land: Bool) throws -> PageviewsProject {
    let project = try PageviewsProject()
    try project.root.write(
      """
      sources:
        calls:
          files: "${CITY_FILES:-nowhere}/**"
          land: \(land)
          format: csv
          columns: {name: string, amount: bigint}
      exports:
        rows: {model: calls_all, to: "${CITY_OUT:-nowhere}", format: csv, sort: [amount]}
      """, to: "pipelines/city/pipeline.yaml")
    try project.root.write(
      "kind: append\nincremental: {on: calls}\ncolumns: {name: string, amount: bigint}",
      to: "pipelines/city/models/calls_all.yaml")
    try project.root.write(
      "SELECT name, amount FROM calls", to: "pipelines/city/models/calls_all.sql")
    return project
  }

  /// The bytes of an address: two texts that Swift takes for one may be two names.
  private typealias Address = [UInt8]

  /// What each file of the bucket adds to the table, by its address.
  private func rows(
    _ project: PageviewsProject, _ variables: [String: String]
  ) throws -> [Address: [Int64]] {
    let outcome = try project.run(
      [
        "query", "SELECT _source_file AS file, amount FROM city.calls_all ORDER BY amount",
        "--format", "json",
      ], variables: variables)
    #expect(outcome.exitCode == 0, "\(outcome)")
    var rows: [Address: [Int64]] = [:]
    for row in try outcome.json() {
      rows[Array((row["file"]?.string ?? "").utf8), default: []].append(
        row["amount"]?.integer ?? -1)
    }
    return rows
  }

  /// The amounts in the export, as its marker names the file.
  private func exported(_ store: any Store) throws -> [String] {
    let marker = try JSON(parsing: #require(try store.get("_SUCCESS")).bytes)
    let name = try #require(marker["files"]?.array?.first?["name"]?.string)
    #expect(try store.objects(below: "").map(\.key).sorted() == ["_SUCCESS", name].sorted())
    let bytes = try #require(try store.get(name)).bytes
    let text = String(
      decoding: name.hasSuffix(".gz") ? try Gzip.decompress(bytes) : bytes, as: UTF8.self)
    return text.split(separator: "\n").dropFirst().map {
      String($0.split(separator: ",").last ?? "")
    }
  }

  private static let place = "in put+é%41//x"
  private static let names: [String] = {
    let odd = [
      "a b.csv", "a+b.csv", "50%.csv", "%2F.csv", "a%20b.csv", "é.csv", "e\u{301}.csv",
      "日本/語.csv", "a//b.csv", "/lead.csv", "🦊.csv", "a&b=c;d,e.csv", "\"q\"'.csv", "#?*[x].csv",
      "back\\slash", "~!@$^()_{}|<>:", "trailing space ",
    ]
    let room = 1024 - place.utf8.count - 1
    return odd + [String(repeating: "d/", count: (room - 10) / 2) + "n.csv"]
      + [String(repeating: "é", count: room / 2) + (room % 2 == 0 ? "" : "x")]
  }()

  @Test(
    "every name comes through: source, landing, table, export",
    arguments: ObjectServer.Kind.allCases, [false, true])
  func names(_ kind: ObjectServer.Kind, _ land: Bool) throws {
    let server = try ObjectServer(kind)
    let source = try server.store(Self.place)
    let address = server.address(Self.place)
    var expected: [Address: [Int64]] = [:]
    var contents: [Address: [UInt8]] = [:]
    func uri(_ name: String) -> Address { Array("\(address)/\(name)".utf8) }
    func put(_ name: String, _ amount: Int64?) throws {
      let text = amount.map { "\(Self.header)n,\($0)\n" } ?? ""
      _ = try source.put(name, .bytes(Array(text.utf8)), .always)
      expected[uri(name)] = amount.map { [$0] }
      contents[uri(name)] = Array(text.utf8)
    }
    for (index, name) in Self.names.enumerated() { try put(name, Int64(index + 1)) }
    for name in ["empty", "empty +%é.csv"] { try put(name, nil) }

    let project = try project(land: land)
    let variables = server.variables.merging([
      "SLUICE_LAKE": server.address("la ke+é%41"), "CITY_FILES": address,
      "CITY_OUT": server.address("out put+é%41//y"),
    ]) { $1 }
    let out = try server.store("out put+é%41//y")
    func expectAll(_ step: String) throws {
      #expect(try rows(project, variables) == expected, "\(kind) \(step)")
      #expect(
        try exported(out) == expected.values.flatMap { $0 }.sorted().map { "\($0)" },
        "\(kind) \(step)")
    }
    let first = try project.run(Self.run, variables: variables)
    #expect(first.exitCode == 0, "\(kind): \(first)")
    try expectAll("first")
    if land {
      let landing = try server.store("la ke+é%41/landing/city/calls")
      let copies = try landing.objects(below: "").map {
        try #require(try landing.get($0.key)).bytes
      }
      func sorted(_ all: some Sequence<[UInt8]>) -> [[UInt8]] {
        all.sorted { $0.lexicographicallyPrecedes($1) }
      }
      #expect(sorted(copies) == sorted(contents.values))
    }
    let again = try project.run(Self.run, variables: variables)
    #expect(try again.json().last?["status"] == "unchanged", "\(kind): \(again)")

    // Added, changed and removed, each with a name that another could be taken for.
    try put("a  b.csv", 1000)
    try put("a+b.csv", 2000)
    try put("e\u{301}.csv", nil)
    try put("empty", 3000)
    try source.delete(["a%20b.csv"])
    if !land { expected[uri("a%20b.csv")] = nil }
    let second = try project.run(Self.run, variables: variables)
    #expect(second.exitCode == 0, "\(kind): \(second)")
    try expectAll("second")
  }

  @Test(
    "others add, replace and remove while a run lists: nothing is doubled, and the next has it all",
    arguments: ObjectServer.Kind.allCases, [false, true])
  func changingPages(_ kind: ObjectServer.Kind, _ land: Bool) throws {
    let server = try ObjectServer(kind)
    let source = try server.store("in")
    func put(_ name: String, _ amount: Int) throws {
      _ = try source.put(name, .bytes(Array("\(Self.header)n,\(amount)\n".utf8)), .always)
    }
    let names = (10..<40).map { "k \($0)+é%.csv" }
    for (index, name) in names.enumerated() { try put(name, index) }
    let changes = Changes { page in
      // The listing is between two pages: behind, on the edge and ahead of where it is.
      try put("k \(10 + page)+a.csv", 100 + page)
      try put("k \(39 - page)+a.csv", 200 + page)
      try put(names[min(29, page * 3)], 300 + page)
      if page % 3 == 2 { try source.delete([names[min(29, page * 3 + 1)]]) }
    }
    let proxy = FaultProxy(to: server.url, keepsRequests: false) { request in
      guard request.method == "GET", request.target.contains("prefix=in"),
        request.target.contains("list-type=2") || request.target.contains("maxResults=")
      else { return nil }
      return .changes { request in
        changes.next()
        if kind == .s3 {
          request.target += "&max-keys=3"
        } else {
          request.target = request.target.replacingOccurrences(
            of: "maxResults=1000", with: "maxResults=3")
        }
      }
    }
    defer { proxy.stop() }
    let project = try project(land: land)
    let login = try Scratch()
    func variables(_ proxy: String?) throws -> [String: String] {
      try server.variables(through: proxy, loginIn: login.url).merging([
        "SLUICE_LAKE": server.address("lake"), "CITY_FILES": server.address("in"),
        "CITY_OUT": server.address("out"),
      ]) { $1 }
    }
    let direct = try variables(nil)
    let disturbed = try project.run(Self.run, variables: try variables(proxy.address))
    #expect(changes.count >= 10 && changes.failures.isEmpty, "\(changes.failures)")
    // What was replaced after it was listed is looked for again, or told.
    #expect([0, 1].contains(disturbed.exitCode), "\(disturbed)")
    if disturbed.exitCode == 0 {
      let seen = try rows(project, direct)
      #expect(seen.values.allSatisfy { $0.count == 1 }, "\(seen)")
      // What was there all the time, as it was.
      let steady = try names.enumerated().filter { index, name in
        try source.get(name)?.bytes == Array("\(Self.header)n,\(index)\n".utf8)
      }
      #expect(steady.count > 5)
      for (index, name) in steady {
        #expect(seen[Array((server.address("in/") + name).utf8)] == [Int64(index)], "\(name)")
      }
    }

    let calm = try project.run(Self.run, variables: direct)
    #expect(calm.exitCode == 0, "\(calm)")
    var expected: [Address: [Int64]] = [:]
    for object in try source.objects(below: "") {
      let text = String(decoding: try #require(try source.get(object.key)).bytes, as: UTF8.self)
      let amount = text.split(separator: ",").last?.dropLast().description
      expected[Array((server.address("in/") + object.key).utf8)] = [Int64(amount ?? "") ?? -1]
    }
    var found = try rows(project, direct)
    // What has landed stays, also where it is gone at its origin.
    if land { found = found.filter { expected[$0.key] != nil } }
    #expect(found == expected)
    let again = try project.run(Self.run, variables: direct)
    #expect(try again.json().last?["status"] == "unchanged", "\(again)")
  }

  /// Changes to the bucket, one with each page.
  private final class Changes: @unchecked Sendable {
    // All under the lock.
    private let lock = NSLock()
    private let change: (Int) throws -> Void
    private var pages = 0
    private var errors: [String] = []

    init(_ change: @escaping (Int) throws -> Void) { self.change = change }

    var count: Int { lock.withLock { pages } }
    var failures: [String] { lock.withLock { errors } }

    func next() {
      lock.withLock {
        pages += 1
        do { if pages <= 14 { try change(pages) } } catch { errors.append("\(error)") }
      }
    }
  }
}
