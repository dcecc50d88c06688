import Core
import Foundation
import Kernels
import TestSupport
import Testing

@testable import Operators

@Suite("Words are found again in the dictionaries of other segments")
struct WordLookupTests {
  /// Texts of few letters: words begin alike, one with another, and many are in all of the texts.
  private func collection(_ count: Int, _ letters: String, length: Int, seed: UInt64)
    -> TextCollection
  {
    var random = Seeded(seed)
    var collection = TextCollection()
    for id in 1...UInt32(count) {
      collection.texts[id] = (0..<Int.random(in: 0...40, using: &random)).map { _ in
        String(
          (0..<Int.random(in: 1...length, using: &random)).map { _ in
            letters.randomElement(using: &random)!
          })
      }.joined(separator: " ")
    }
    return collection
  }

  @Test(
    "each has the ID of the segment that has it, and others none",
    arguments: [("ab", 5), ("ab", 9), ("abc", 7), ("aéz", 6)], [1, 2])
  func found(_ words: (letters: String, length: Int), threads: Int) throws {
    let scratch = try Scratch()
    var existing: [(reader: SegmentReader, ids: WordIDs)] = []
    var known: [String: Int64] = [:]
    var next: Int64 = 1
    for step in 0..<4 {
      // Lists of a few documents, and of more than are packed together.
      let segment = try collection(
        step % 2 == 0 ? 300 : 40, words.letters, length: words.length - step % 3, seed: UInt64(step)
      ).segment(scratch, "\(step).seg")
      let (ids, free) = try WordIDs.assign(
        segment, existing: existing, next: next, to: "\(scratch.path)/\(step).words",
        threads: threads, spillFolder: { scratch.path })
      var scan = DictionaryScan(segment)
      while try scan.next() {
        let word = String(decoding: scan.word, as: UTF8.self)
        #expect(ids[scan.local] == known[word, default: next], "\(word)")
        if known[word] == nil {
          known[word] = next
          next += 1
        }
      }
      #expect(next == free)
      existing.append((segment, ids))
    }
    // Words of one segment alone, each for itself: nothing is known of what they share.
    for (segment, ids) in existing {
      for word in known.keys.sorted(by: { $0.utf8.lexicographicallyPrecedes($1.utf8) }) {
        var lookup = try WordLookup(segment, ids)
        let found = try Array(word.utf8).withUnsafeBufferPointer { try lookup.id(of: $0) }
        #expect(try found == (segment.local(of: word) == nil ? nil : known[word]), "\(word)")
      }
    }
  }
}
