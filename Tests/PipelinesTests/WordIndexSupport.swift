import Core
import Foundation
import Lake
import Project
import Stores
import Synchronization
import Testing

@testable import Pipelines

/// The shipped `wordindex` pipeline over texts of a test's own.
enum WordIndex {
  static let id = TableID("wordindex", "index")

  static func project() throws -> TestProject {
    let project = try TestProject()
    let pipeline = try project.made("pipelines").appending(path: "wordindex")
    try FileManager.default.copyItem(
      at: repository.appending(path: "pipelines/wordindex"), to: pipeline)
    _ = try project.made("texts")
    project.environment["WORDINDEX_FILES"] = project.folder.appending(path: "texts/*").path()
    return project
  }

  /// Words as rule 36 has them, of texts in ASCII.
  static func words(in text: String) -> [String] {
    text.lowercased().split { !($0.isLetter || $0.isNumber || $0 == "_") }.map(String.init)
  }
}

extension TestProject {
  func put(text: String, _ file: String) throws { try write("texts/\(file)", text) }
  func drop(text file: String) throws { try remove("texts/\(file)") }

  /// For each word the files that hold it, as the view says.
  func wordFiles() throws -> [String: [String]] {
    var found: [String: [String]] = [:]
    try workspace().query("SELECT word, files FROM wordindex.word_files") { set in
      for row in set.rows {
        guard case .string(let word) = row[0], case .list(let files) = row[1] else { continue }
        found[word] = files.map { String($0.description.split(separator: "/").last ?? "") }.sorted()
      }
    }
    return found
  }

  /// The dictionary.
  func wordIDs() throws -> [String: Int64] {
    var found: [String: Int64] = [:]
    try workspace().query("SELECT word, word_id FROM wordindex.words") { set in
      for row in set.rows {
        guard case .string(let word) = row[0], case .integer(let id) = row[1] else { continue }
        #expect(found.updateValue(id, forKey: word) == nil)
      }
    }
    return found
  }

  /// Names of the files that match, without folders.
  func search(_ query: String, limit: Int = 1000, offset: Int64 = 0) throws -> [String] {
    try workspace().search(
      SearchRequest(index: "wordindex", query: query, offset: offset, limit: limit)
    ).hits.map { String($0.file.split(separator: "/").last ?? "") }
  }

  func manifest() throws -> IndexManifest? {
    try Lake(store: stores.open(folder.appending(path: "lake").path())).index(WordIndex.id).newest()
  }
}

/// What an index must say of a collection, computed naively.
struct WordOracle {
  var texts: [String: String] = [:]

  var wordFiles: [String: [String]] {
    var found: [String: Set<String>] = [:]
    for (file, text) in texts {
      for word in WordIndex.words(in: text) { found[word, default: []].insert(file) }
    }
    return found.mapValues { $0.sorted() }
  }
}

/// A store whose process is killed at one of its mutating calls: from then on all calls fail.
struct DyingStore: Store {
  final class Fate: Sendable {
    let left: Mutex<Int>
    /// Whether the last call still happens.
    let happens: Bool
    init(after count: Int, happens: Bool) {
      left = Mutex(count)
      self.happens = happens
    }
    /// The number of mutating calls that would have been made.
    var isDead: Bool { left.withLock { $0 <= 0 } }
  }

  struct Dead: Error {}

  let base: any Store
  let fate: Fate

  var root: String { base.root }
  func localPath(_ key: String) -> String? { base.localPath(key) }
  func now() -> Instant { base.now() }
  private func live() throws { if fate.isDead { throw Dead() } }

  func head(_ key: String) throws -> Object? {
    try live()
    return try base.head(key)
  }
  func list(prefix: String, page: ([Object]) throws -> Void) throws {
    try live()
    try base.list(prefix: prefix, page: page)
  }
  func read(
    _ key: String, range: Range<Int64>?, ifMatch: Version?, cancellation: Cancellation,
    to sink: (UnsafeRawBufferPointer) throws -> Void
  ) throws -> Object {
    try live()
    return try base.read(
      key, range: range, ifMatch: ifMatch, cancellation: cancellation, to: sink)
  }
  private func mutate<T>(_ body: () throws -> T) throws -> T {
    let left = fate.left.withLock { left in
      left -= 1
      return left
    }
    if left < 0 { throw Dead() }
    if left == 0 {
      if fate.happens { _ = try body() }
      throw Dead()
    }
    return try body()
  }
  func put(_ key: String, _ body: Body, _ condition: PutCondition) throws -> Object {
    try mutate { try base.put(key, body, condition) }
  }
  func delete(_ keys: [String]) throws { try mutate { try base.delete(keys) } }
}
