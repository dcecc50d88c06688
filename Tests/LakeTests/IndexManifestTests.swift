import Core
import Foundation
import Stores
import Testing

@testable import Lake

@Suite("Index manifests") struct IndexManifestTests {
  let scratch = ScratchLake()
  let id = TableID("wordindex", "index")
  var store: LocalStore { scratch.store }
  var index: IndexStore { IndexStore(store: store, id: id) }

  static func segment(_ name: String, sequence: Int64, dead: Int = 0) -> IndexManifest.Segment {
    .init(
      name: name, sequence: sequence, documentCount: 10, wordCount: 3, postingCount: 12,
      tokenCount: 40, file: .init(name: "\(name).segment", byteCount: 100), checksum: .max,
      wordIDs: .init(name: "\(name).words", byteCount: 20), wordIDLimit: 4,
      dead: dead == 0 ? nil : .init(name: "\(name)-1.dead", byteCount: 7), deadCount: dead)
  }

  static func manifest(_ segments: IndexManifest.Segment...) -> IndexManifest {
    var consumption = Consumption(
      definition: .init(fingerprint: "f"), inputs: ["files": .log(number: 3, definition: "d")],
      run: "r")
    consumption.pending = ["a.txt"]
    return IndexManifest(
      version: 0, written: Instant(seconds: 1_704_085_200), consumption: consumption,
      numbering: .assigned, tokenizer: "{\"é\":1}", nextWordID: 4, nextDocumentID: 11,
      nextSequence: 2, segments: segments)
  }

  @Test("are read as they were written, the newest first") func roundTrip() throws {
    #expect(try index.newest() == nil)
    let first = try index.commit(Self.manifest(Self.segment("a", sequence: 1)), after: nil)
    #expect(first.version == 1)
    #expect(try index.newest() == first)
    var last = first
    for number in 2...11 {
      var next = last
      next.segments.append(Self.segment("s\(number)", sequence: Int64(number), dead: number % 2))
      last = try index.commit(next, after: last)
      #expect(last.version == number)
    }
    // v11, which comes before v2 in the order of names.
    #expect(try index.newest() == last)
    #expect(try index.read(1) == first)
    #expect(last.documentCount == 11 * 10 - 5)
    #expect(throws: LakeError.self) { try index.read(12) }
  }

  @Test("rule 16: of two writers of a version, one is told") func race() throws {
    let base = try index.commit(Self.manifest(), after: nil)
    let results = concurrently(Array(0..<8), limit: 8) { [index] number in
      try index.commit(Self.manifest(Self.segment("\(number)", sequence: 1)), after: base)
    }
    let won = results.compactMap { try? $0.get() }
    #expect(won.count == 1)
    #expect(try index.newest() == won.first)
    for case .failure(let error) in results {
      #expect((error as? LakeError)?.code == .conflict)
    }
  }

  @Test("a lost answer is no lost commit") func lostAnswer() throws {
    let faulty = IndexStore(
      store: FaultStore(wrapping: store) { call in
        call.method == .put ? .losesAnswer(.unreachable) : nil
      }, id: id)
    let published = try faulty.commit(Self.manifest(), after: nil)
    #expect(try index.newest() == published)
    // Nor is one that never arrived a commit.
    let dead = IndexStore(
      store: FaultStore(wrapping: store) { call in
        call.method == .put ? .fails(.unreachable) : nil
      }, id: id)
    #expect(throws: StoreError.self) { try dead.commit(Self.manifest(), after: published) }
    #expect(try index.newest() == published)
    // And where nobody can tell, nothing may be cleaned up.
    let blind = IndexStore(
      store: FaultStore(wrapping: store) { call in
        call.method == .put || call.method == .read ? .losesAnswer(.unreachable) : nil
      }, id: id)
    do {
      _ = try blind.commit(Self.manifest(), after: published)
      Issue.record("it was told that it was published")
    } catch {
      #expect((error as? LakeError)?.code == .ambiguous)
    }
  }

  @Test("rule 20: a version that came free again is no commit") func sleeper() throws {
    let first = try index.commit(Self.manifest(), after: nil)
    var last = first
    for _ in 2...4 { last = try index.commit(Self.manifest(), after: last) }
    // Maintenance has taken the second version away under a writer that slept.
    try store.delete([LakeLayout.indexManifest(id, version: 2)])
    do {
      _ = try index.commit(Self.manifest(Self.segment("late", sequence: 1)), after: first)
      Issue.record("it was told that it was published")
    } catch {
      #expect((error as? LakeError)?.code == .conflict)
    }
    #expect(try index.newest() == last)
  }

  @Test("what is damaged or newer is told with its place", arguments: ["", "{}", "{\"format\":2}"])
  func damaged(_ text: String) throws {
    let key = LakeLayout.indexManifest(id, version: 7)
    _ = try store.put(key, .bytes(Array(text.utf8)), .always)
    do {
      _ = try index.newest()
      Issue.record("it was read")
    } catch {
      let error = error as? LakeError
      #expect(error?.code == (text.contains("2") ? .unsupported : .damaged))
      #expect(error?.place.file?.hasSuffix("v7.json") == true)
    }
  }

  @Test("files of a segment are held to their length") func files() throws {
    let file = try index.put("a.words", .bytes([1, 2, 3]))
    #expect(try index.get(file) == [1, 2, 3])
    #expect(throws: LakeError.self) { try index.get(.init(name: "a.words", byteCount: 4)) }
    #expect(throws: LakeError.self) { try index.get(.init(name: "b.words", byteCount: 3)) }
    try index.discard([file])
    #expect(throws: LakeError.self) { try index.get(file) }
  }
}
