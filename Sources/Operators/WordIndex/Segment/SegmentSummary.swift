import Core

/// What a segment holds.
public struct SegmentSummary: Sendable, Hashable {
  /// That of the newest batch in it.
  public var sequence: Int64
  public var documentCount: Int
  /// Words in the dictionary, those without postings included.
  public var wordCount: Int
  /// Pairs of a word and a document.
  public var postingCount: Int64
  /// Words in the documents, repetitions included.
  public var tokenCount: Int64
  /// Of the file.
  public var byteCount: Int64
  /// CRC-32C of the footer.
  public var checksum: UInt32
  /// `TokenizerSettings.canonicalText`.
  public var tokenizer: String
}

/// A document of a segment.
public struct StoredDocument: Sendable, Hashable {
  public var id: UInt32
  /// The file's.
  public var key: String
  public var size: Int64
  public var version: String
  /// Its words, repetitions included.
  public var tokens: Int64

  public init(id: UInt32, key: String, size: Int64, version: String, tokens: Int64) {
    self.id = id
    self.key = key
    self.size = size
    self.version = version
    self.tokens = tokens
  }
}

/// The frame of a segment file: see docs/formats/index-segment.md.
enum SegmentFrame {
  static let format: Int64 = 3
  /// Begins and ends the file.
  static let magic = Array("SLUICEIX".utf8)
  /// Checksum and length of the footer, and the magic.
  static let trailerByteCount = 16
  static let wordsInBlock = 128
  static let documentsInBlock = 128
}

/// A part of the file that is read when it is opened.
struct SegmentSection: Sendable, Equatable {
  var offset: Int64
  var byteCount: Int64
  var checksum: UInt32

  var json: JSON {
    ["offset": .integer(offset), "bytes": .integer(byteCount), "crc32c": .integer(Int64(checksum))]
  }

  init(offset: Int64, byteCount: Int64, checksum: UInt32) {
    self.offset = offset
    self.byteCount = byteCount
    self.checksum = checksum
  }

  init?(_ json: JSON?) {
    guard let offset = json?["offset"]?.integer, let count = json?["bytes"]?.integer,
      let checksum = json?["crc32c"]?.integer.flatMap(UInt32.init(exactly:))
    else { return nil }
    self.init(offset: offset, byteCount: count, checksum: checksum)
  }
}
