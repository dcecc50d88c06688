import Core
import Formats
import Foundation
import Kernels
import TestSupport

@testable import Operators

/// Texts for an index, and what a naive reading makes of them.
struct TextCollection {
  /// By document ID.
  var texts: [UInt32: String] = [:]

  /// Texts in which words come up as in Zipf's law.
  static func random(_ count: Int, words: Int = 800, seed: UInt64) -> TextCollection {
    var random = Seeded(seed)
    var collection = TextCollection()
    var id: UInt32 = 0
    for _ in 0..<count {
      id += Bool.random(using: &random) ? 1 : UInt32.random(in: 1...5, using: &random)
      let length = Int.random(in: 0...60, using: &random)
      collection.texts[id] = (0..<length).map { _ in
        let draw = Double.random(in: 0..<1, using: &random)
        return word(Int(pow(Double(words), draw)) - 1)
      }.joined(separator: " ")
    }
    return collection
  }

  static func word(_ rank: Int) -> String {
    rank % 17 == 3 ? "é\(String(rank, radix: 26))" : "w\(String(rank, radix: 26))"
  }

  static func key(_ id: UInt32) -> String { "f\(id).txt" }

  /// The documents with their files in a folder.
  func documents(in scratch: Scratch) throws -> [IndexDocument] {
    try texts.sorted { $0.key > $1.key }.map { id, text in
      let file = try scratch.file(TextCollection.key(id), Array(text.utf8))
      return IndexDocument(
        id: id, key: file.name, size: file.byteCount, version: "v\(id % 3)", path: file.path)
    }
  }

  /// Of each word, how often each document has it.
  var postings: [String: [UInt32: UInt32]] {
    var postings: [String: [UInt32: UInt32]] = [:]
    for (id, text) in texts {
      for word in text.split(separator: " ") {
        postings[word.lowercased(), default: [:]][id, default: 0] += 1
      }
    }
    return postings
  }
}

/// An index builder for tests.
func indexBuilder(
  _ scratch: Scratch, threads: Int = 2, memory: Int = 64 << 20,
  tokenizer: TokenizerSettings = TokenizerSettings(), format: TextFormat = TextFormat()
) -> IndexBuilder {
  let folder = scratch.path
  return IndexBuilder(
    tokenizer: tokenizer, format: format, threads: threads, memoryByteCount: memory,
    spillFolder: { folder })
}

extension TextCollection {
  /// A segment of all documents.
  func segment(
    _ scratch: Scratch, _ name: String, sequence: Int64 = 1, threads: Int = 2,
    memory: Int = 64 << 20
  ) throws -> SegmentReader {
    let path = "\(scratch.path)/\(name)"
    let built = try indexBuilder(scratch, threads: threads, memory: memory)
      .build(documents(in: scratch), sequence: sequence, to: path)
    guard built.segment != nil else { throw Cancelled() }
    return try SegmentReader(MappedSegment(path: path))
  }
}

extension SegmentReader {
  /// All postings, by document ID; words without postings have an empty entry.
  func allPostings() throws -> [String: [UInt32: UInt32]] {
    var found: [String: [UInt32: UInt32]] = [:]
    var scan = DictionaryScan(self)
    var last: [UInt8]?
    while try scan.next() {
      if let last, !last.lexicographicallyPrecedes(scan.word) { throw Cancelled() }
      last = scan.word
      var postings: [UInt32: UInt32] = [:]
      let cursor = try PostingCursor(scan.list())
      while cursor.document != PostingCursor.end {
        postings[try id(ofOrdinal: Int(cursor.document))] = cursor.occurrences
        try cursor.next()
      }
      found[String(decoding: scan.word, as: UTF8.self)] = postings
    }
    return found
  }
}

/// Everything a stream has, row by row.
func rows(_ source: any BatchSource) throws -> [[Value]] {
  var rows: [[Value]] = []
  while let batch = try source.next() {
    for row in 0..<batch.rowCount {
      rows.append(
        batch.columns.map { column in
          switch column.values {
          case .int64(let values): return .integer(values[row])
          case .bytes(let slices):
            let slice = slices[row]
            return .string(
              String(
                decoding: batch.bytes[Int(slice.offset)..<Int(slice.offset + slice.count)],
                as: UTF8.self))
          case .int64Lists(let offsets, let elements):
            return .list(
              elements[Int(offsets[row])..<Int(offsets[row + 1])].map { .integer($0) })
          default: return .null
          }
        })
    }
  }
  return rows
}
