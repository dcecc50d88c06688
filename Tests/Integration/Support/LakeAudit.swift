import Core
import Foundation
import Testing

/// What lies in a lake, file by file, as audit_lake.py accounts for it without Sluice's code. Needs
/// `Python.hasVenv`.
struct LakeAudit {
  /// By `pipeline/model`.
  let tables: [String: JSON]
  /// By folder below `exports/`: digests of the files that its marker names.
  let exports: [String: JSON]
  let referenced: Set<String>
  /// Keys that nothing refers to.
  let unreferenced: Set<String>
  /// What is broken.
  let problems: [String]

  /// One look at several lakes, which costs about as much as at one.
  ///
  /// - Parameter addresses: Where the lakes were copied from, for those that are copies.
  static func of(_ lakes: [URL], copiedFrom addresses: [String]? = nil) throws -> [LakeAudit] {
    let names = lakes.indices.map { index in
      lakes[index].path + (addresses.map { "=\($0[index])" } ?? "")
    }
    let bytes = try Python.run("audit_lake.py", names, interpreter: Python.venv)
    return try String(decoding: bytes, as: UTF8.self).split(separator: "\n").map {
      LakeAudit(try JSON(parsing: String($0)))
    }
  }

  static func of(_ lake: URL) throws -> LakeAudit {
    try #require(try LakeAudit.of([lake]).first)
  }

  private init(_ json: JSON) {
    func members(_ name: String) -> [String: JSON] {
      Dictionary(uniqueKeysWithValues: (json[name]?.members ?? []).map { ($0.name, $0.value) })
    }
    func texts(_ name: String) -> [String] { (json[name]?.array ?? []).compactMap(\.string) }
    tables = members("tables")
    exports = members("exports")
    referenced = Set(texts("referenced"))
    unreferenced = Set(texts("unreferenced"))
    problems = texts("problems")
  }

  /// What was published, in a form that two lakes with the same content share: rows without the
  /// run's name, the versions of files (which tell one copy from another) and the place of the test's
  /// folder, and the digests of the exports.
  func content(of project: PageviewsProject) -> [String: [String]] {
    content(at: project.root.deletingLastPathComponent().path)
  }

  /// - Parameter place: The folder, or the address, that the lake's files come from.
  func content(at place: String) -> [String: [String]] {
    var content: [String: [String]] = [:]
    for (name, table) in tables {
      content[name] = (table["rows"]?.array ?? []).map { row in
        JSON.object((row.members ?? []).filter { $0.name != "run" && $0.name != "version" })
          .description
          .replacingOccurrences(of: place, with: "")
      }.sorted()
    }
    for (folder, export) in exports {
      content["exports/" + folder] = (export["files"]?.members ?? []).map {
        "\($0.name) \($0.value)"
      }
    }
    return content
  }
}

extension PageviewsProject {
  /// What `sluice state` says of files that nothing refers to: explanations by key.
  func leftovers() throws -> [String: String] {
    let outcome = try sluice("state", "--json")
    guard outcome.exitCode == 0 else { throw Python.Failed(description: "\(outcome)") }
    let lines = try outcome.json()
    if let problem = lines.first(where: { $0["problem"].map { !$0.isNull } == true }) {
      throw Python.Failed(description: "state has a problem: \(problem)")
    }
    return Dictionary(
      uniqueKeysWithValues: lines.filter { $0["type"] == "leftover" }.map {
        ($0["key"]?.string ?? "", $0["explanation"]?.string ?? "")
      })
  }

  /// Everything that is wrong with a lake that an audit and `sluice state` should agree on.
  func disagreements(_ audit: LakeAudit) throws -> [String] {
    let leftovers = try leftovers()
    let explained = Set(leftovers.keys)
    return audit.problems
      + audit.unreferenced.subtracting(explained).sorted().map { "state is silent on \($0)" }
      + explained.intersection(audit.referenced).sorted().map { "state calls \($0) a leftover" }
      + leftovers.filter { $0.value.isEmpty }.keys.sorted().map { "\($0) has no explanation" }
  }
}
