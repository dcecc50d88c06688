import Foundation
import Testing

private let root = URL(filePath: #filePath).deletingLastPathComponent()
  .deletingLastPathComponent().deletingLastPathComponent()
private let sample = root.deletingLastPathComponent().appending(path: "shared/data/pageviews")

/// The oracle must be right before anything is compared with it: these numbers were counted by
/// others on the real files.
@Suite(
  "The page-view oracle on real lines",
  .enabled(
    if: FileManager.default.fileExists(
      atPath: sample.appending(path: "pageviews-sample.txt").path),
    "../shared/data is absent"))
struct PageviewsOracleTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var options: [String]
    var blocked: String?
    var numbers: [String: Int]
    var testDescription: String {
      (options + [blocked ?? "no block list"]).joined(separator: " ")
    }
  }

  static let short = "blacklist-domain-and-pages.txt"
  static let long = "blacklist_domains_and_pages"

  @Test(arguments: [
    Case(options: ["--ties", "row_number"], numbers: ["rows": 651, "views": 2214, "lines": 3665]),
    Case(options: ["--ties", "rank"], numbers: ["rows": 1297, "malformed": 0]),
    Case(options: ["--ties", "dense_rank"], numbers: ["rows": 3665]),
    Case(
      options: ["--exact"], blocked: short, numbers: ["kept_pages": 3661, "kept_views": 5539]),
    Case(options: [], blocked: short, numbers: ["kept_pages": 3659, "kept_views": 5528]),
    Case(options: [], blocked: long, numbers: ["kept_pages": 3660, "kept_views": 5547]),
    Case(options: ["--exact"], blocked: long, numbers: ["kept_pages": 3662]),
  ])
  func numbers(of example: Case) throws {
    let python = Process()
    let output = Pipe()
    python.executableURL = URL(filePath: "/usr/bin/env")
    python.arguments =
      ["python3", root.appending(path: "Tests/Support/oracle_pageviews.py").path, "--summary"]
      + example.options
      + (example.blocked.map { ["--blocked", sample.appending(path: $0).path] } ?? [])
      + [sample.appending(path: "pageviews-sample.txt").path]
    python.standardOutput = output
    try python.run()
    let text = output.fileHandleForReading.readDataToEndOfFile()
    python.waitUntilExit()
    #expect(python.terminationStatus == 0)
    let summary = try #require(try JSONSerialization.jsonObject(with: text) as? [String: Int])
    for (name, number) in example.numbers {
      #expect(summary[name] == number, "\(name)")
    }
  }
}
