import Core
import Foundation
import Testing

@testable import sluice_sample

@Suite("Sample page views")
struct SampleTests {
  /// A new folder, and one hour generated into it without compression.
  private func generate(_ arguments: String...) throws -> (SampleFile, [UInt8]) {
    let folder = FileManager.default.temporaryDirectory.appending(
      path: "sluice-sample-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    let options = try SampleOptions(
      parsing: ["pageviews", "--out", folder.path, "--uncompressed"] + arguments)
    let file = try PageviewsGenerator(seed: options.seed).writeHour(options.from, options)
    return (file, [UInt8](try Data(contentsOf: URL(filePath: file.path))))
  }

  private func lines(_ bytes: [UInt8]) -> [ArraySlice<UInt8>] {
    bytes.split(separator: 0x0A, omittingEmptySubsequences: false).dropLast()
  }

  /// The definition of a well-formed line, written as plainly as can be.
  private func fields(_ line: ArraySlice<UInt8>) -> (domain: String, page: String, views: Int)? {
    guard let text = String(validating: line, as: UTF8.self) else { return nil }
    let fields = text.split(separator: " ", omittingEmptySubsequences: false)
    guard fields.count == 4, let views = Int(fields[2]), Int(fields[3]) != nil else { return nil }
    return (String(fields[0]), String(fields[1]), views)
  }

  @Test(
    "the counts that are printed are the counts of the file",
    arguments: [(1, 0), (1, 1), (7, 2), (1320, 0), (5283, 3), (5284, 3), (20_000, 0), (60_000, 50)])
  func counts(lines: Int, malformed: Int) throws {
    let (file, bytes) = try generate("--lines", "\(lines)", "--malformed", "\(malformed)")
    let read = self.lines(bytes)
    let rows = read.compactMap(fields)
    #expect(bytes.last == 0x0A)
    #expect(read.count == lines && file.lines == lines)
    #expect(read.count - rows.count == malformed && file.malformed == malformed)
    #expect(Set(rows.map(\.domain)).count == file.domains)
    #expect(rows.reduce(0) { $0 + $1.views } == file.views)
    #expect(bytes.count == file.uncompressedBytes)
  }

  @Test("lines are in byte order, and hold what real dumps hold")
  func content() throws {
    let (file, bytes) = try generate("--lines", "60000", "--malformed", "0")
    let rows = lines(bytes).compactMap(fields)
    let keys = rows.map { Array("\($0.domain) \($0.page)".utf8) }
    #expect(zip(keys, keys.dropFirst()).allSatisfy { !$1.lexicographicallyPrecedes($0) })
    #expect((1250...1350).contains(file.domains))
    let distinct = Set(keys).count
    #expect(distinct < keys.count && distinct > keys.count * 99 / 100)
    #expect(rows.contains { $0.page.contains("%") && $0.page.removingPercentEncoding != nil })
    #expect(rows.contains { $0.page.removingPercentEncoding == nil })
    #expect(rows.contains { $0.page.filter { $0 == "\"" }.count == 1 })
    #expect(rows.contains { $0.page.unicodeScalars.contains { $0.value > 0x3000 } })
    // A power law: most pages have one view, the first of a large domain has very many.
    #expect(rows.filter { $0.views == 1 }.count > rows.count / 2)
    #expect(rows.filter { $0.domain == "en" }.max { $0.views < $1.views }?.page == "Main_Page")
  }

  @Test("the same arguments make the same bytes, another hour or seed others")
  func determinism() throws {
    let (_, first) = try generate("--lines", "3000")
    let (_, second) = try generate("--lines", "3000")
    let (_, later) = try generate("--lines", "3000", "--from", "2024-01-01T06")
    let (_, other) = try generate("--lines", "3000", "--seed", "2")
    #expect(first == second)
    #expect(first != later)
    #expect(first != other)
    // Pages recur from hour to hour.
    let pages = { (bytes: [UInt8]) in Set(self.lines(bytes).compactMap(self.fields).map(\.page)) }
    #expect(pages(first).intersection(pages(later)).count > 300)
  }

  @Test("files lie where the dumps' have them, and gzip holds the same lines")
  func layout() throws {
    let folder = FileManager.default.temporaryDirectory.appending(
      path: "sluice-sample-\(UUID().uuidString)")
    defer { try? FileManager.default.removeItem(at: folder) }
    let arguments = [
      "pageviews", "--out", folder.path, "--from", "2023-12-31T23", "--lines", "2000",
    ]
    #expect(SampleCommand.run(arguments + ["--hours", "2", "--json"]) == 0)
    #expect(SampleCommand.run(arguments + ["--uncompressed"]) == 0)
    let plain = folder.appending(path: "2023/2023-12/pageviews-20231231-230000")
    let next = folder.appending(path: "2024/2024-01/pageviews-20240101-000000.gz")
    #expect(FileManager.default.fileExists(atPath: next.path))
    let gzip = Process()
    let pipe = Pipe()
    gzip.executableURL = URL(filePath: "/bin/gzip")
    gzip.arguments = ["-dc", plain.path + ".gz"]
    gzip.standardOutput = pipe
    try gzip.run()
    let inflated = pipe.fileHandleForReading.readDataToEndOfFile()
    gzip.waitUntilExit()
    #expect(gzip.terminationStatus == 0)
    #expect(inflated == (try Data(contentsOf: plain)))
    let left = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
    #expect(!left.contains { $0.hasSuffix(".part") })
  }

  @Test(
    "wrong arguments are exit code 2",
    arguments: [
      ["trips"], ["pageviews"], ["pageviews", "--out"],
      ["pageviews", "--out", "x", "--hours", "0"],
      ["pageviews", "--out", "x", "--from", "2024-02-30"],
      ["pageviews", "--out", "x", "--from", "2024-01-01T24"],
      ["pageviews", "--out", "x", "--line", "9"],
      ["pageviews", "--out", "x", "--lines", "2", "--malformed", "3"],
    ])
  func wrongArguments(arguments: [String]) {
    #expect(SampleCommand.run(arguments) == 2)
  }

  @Test("a folder that cannot be made is exit code 1")
  func unwritable() {
    #expect(SampleCommand.run(["pageviews", "--out", "/dev/null/x", "--lines", "1"]) == 1)
  }

  @Test("shares of any size add up", arguments: [0, 1, 5283, 5284, 1_000_000, 50_000_000])
  func shares(count: Int) {
    let shares = Domains.shares(of: count)
    #expect(shares.reduce(0, +) == count)
    #expect(shares.allSatisfy { $0 >= 0 })
    #expect(Set(Domains.byTraffic.map(\.code)).count == shares.count)
  }

  @Test("titles of every script are numbered in byte order", arguments: Script.allCases)
  func vocabulary(script: Script) {
    let words = Vocabulary.of(script)
    for list in [words.firsts, words.lasts] {
      #expect(list.count == 4096)
      let all = (0..<list.count).map { Array(list.word(at: $0)) }
      #expect(zip(all, all.dropFirst()).allSatisfy { $0.lexicographicallyPrecedes($1) })
      #expect(all.allSatisfy { !$0.contains(0x20) && !$0.contains(0x0A) })
    }
    #expect(
      (0..<words.firsts.count).allSatisfy {
        let word = words.firsts.word(at: $0)
        return word.last == 0x5F && !word.dropLast().contains(0x5F)
      })
    #expect(words.famous.isEmpty == (script != .latin))
  }
}
