import Core

/// One version of a search index: which segments it is made of, and what it has consumed. Creating
/// the next version is the commit (rule 16). The file's form is in docs/formats/index-manifest.md.
public struct IndexManifest: Sendable, Hashable {
  /// How documents get their IDs.
  public enum Numbering: String, Sendable {
    /// By the number in the file's name.
    case number
    /// One after the other, as files come.
    case assigned
  }

  /// The N of `v<N>.json`; 1 for the first.
  public var version: Int
  /// Random: what tells this file from one that another writer would have made.
  var nonce = ""
  /// The nonce of the version that this one was made of; empty for the first.
  var parent = ""
  public var written: Instant
  /// What the index has consumed, in the same file as what came of it.
  public var consumption: Consumption
  public var numbering: Numbering
  /// The tokenizer's settings and version, in its own words.
  public var tokenizer: String
  /// The ID that the next new word gets; IDs are never used twice.
  public var nextWordID: Int64
  /// The ID that the next new document gets, where IDs are assigned.
  public var nextDocumentID: Int64
  /// The sequence that the next batch's segment gets.
  public var nextSequence: Int64
  /// In order of their sequences.
  public var segments: [Segment]

  public init(
    version: Int, written: Instant, consumption: Consumption, numbering: Numbering,
    tokenizer: String, nextWordID: Int64 = 1, nextDocumentID: Int64 = 1, nextSequence: Int64 = 1,
    segments: [Segment] = []
  ) {
    self.version = version
    self.written = written
    self.consumption = consumption
    self.numbering = numbering
    self.tokenizer = tokenizer
    self.nextWordID = nextWordID
    self.nextDocumentID = nextDocumentID
    self.nextSequence = nextSequence
    self.segments = segments
  }

  /// A file below the index's `segments/`, written once.
  public struct File: Sendable, Hashable {
    public var name: String
    public var byteCount: Int64
    /// CRC-32C of its bytes; nil where something else in the manifest says what they are, and in
    /// older manifests.
    public var checksum: UInt32?

    public init(name: String, byteCount: Int64, checksum: UInt32? = nil) {
      self.name = name
      self.byteCount = byteCount
      self.checksum = checksum
    }
  }

  /// An immutable part of the index with what changes beside it.
  public struct Segment: Sendable, Hashable {
    /// The segment's file without its ending; two segments never have the same.
    public var name: String
    /// That of its newest batch (rule 33).
    public var sequence: Int64
    public var documentCount: Int
    public var wordCount: Int
    /// Pairs of a word and a document.
    public var postingCount: Int64
    public var tokenCount: Int64
    public var file: File
    /// Of the segment's footer, which covers all else.
    public var checksum: UInt32
    /// The IDs of its words.
    public var wordIDs: File
    /// More than any ID of its words.
    public var wordIDLimit: Int64
    /// Those of its documents that count no more; nil while all do.
    public var dead: File?
    public var deadCount: Int

    public init(
      name: String, sequence: Int64, documentCount: Int, wordCount: Int, postingCount: Int64,
      tokenCount: Int64, file: File, checksum: UInt32, wordIDs: File, wordIDLimit: Int64,
      dead: File? = nil, deadCount: Int = 0
    ) {
      self.name = name
      self.sequence = sequence
      self.documentCount = documentCount
      self.wordCount = wordCount
      self.postingCount = postingCount
      self.tokenCount = tokenCount
      self.file = file
      self.checksum = checksum
      self.wordIDs = wordIDs
      self.wordIDLimit = wordIDLimit
      self.dead = dead
      self.deadCount = deadCount
    }

    public var liveCount: Int { documentCount - deadCount }
    public var files: [File] { [file, wordIDs] + (dead.map { [$0] } ?? []) }
  }

  public var documentCount: Int { segments.reduce(0) { $0 + $1.liveCount } }
  public var byteCount: Int64 {
    segments.reduce(0) { sum, segment in segment.files.reduce(sum) { $0 + $1.byteCount } }
  }
}

// MARK: - The file

extension IndexManifest {
  static let formatVersion: Int64 = 1

  var json: JSON {
    [
      "format": .integer(IndexManifest.formatVersion), "nonce": .string(nonce),
      "parent": .string(parent), "version": .integer(Int64(version)),
      "written": .integer(written.microseconds),
      "numbering": .string(numbering.rawValue), "tokenizer": .string(tokenizer),
      "next_word_id": .integer(nextWordID), "next_document_id": .integer(nextDocumentID),
      "next_sequence": .integer(nextSequence), "segments": .array(segments.map(\.json)),
      "consumption": consumption.json(nonce: nonce),
    ]
  }

  /// - Throws: `LakeError` `.damaged` or `.unsupported`, without a place.
  init(json: JSON) throws(LakeError) {
    let format = json["format"]?.integer ?? 0
    guard format <= IndexManifest.formatVersion else {
      throw LakeError(
        .unsupported, "the index manifest has format \(format), which this Sluice does not read",
        advice: "use the newer Sluice that wrote it")
    }
    guard format > 0, let version = json["version"]?.integer,
      let written = json["written"]?.integer, let nonce = json["nonce"]?.string,
      let numbering = json["numbering"]?.string.flatMap(Numbering.init),
      let tokenizer = json["tokenizer"]?.string, let word = json["next_word_id"]?.integer,
      let document = json["next_document_id"]?.integer,
      let sequence = json["next_sequence"]?.integer, let segments = json["segments"]?.array,
      let consumption = json["consumption"]
    else { throw LakeError(.damaged, "the file is not an index manifest") }
    self.init(
      version: Int(version), written: Instant(microseconds: written),
      consumption: try Consumption(json: consumption), numbering: numbering, tokenizer: tokenizer,
      nextWordID: word, nextDocumentID: document, nextSequence: sequence)
    self.nonce = nonce
    parent = json["parent"]?.string ?? ""
    for segment in segments {
      guard let parsed = Segment(json: segment) else {
        throw LakeError(.damaged, "a segment of the index manifest does not parse")
      }
      self.segments.append(parsed)
    }
  }
}

extension IndexManifest.Segment {
  fileprivate var json: JSON {
    [
      "name": .string(name), "sequence": .integer(sequence),
      "documents": .integer(Int64(documentCount)), "words": .integer(Int64(wordCount)),
      "postings": .integer(postingCount), "tokens": .integer(tokenCount),
      "file": file.json, "checksum": .integer(Int64(checksum)), "word_ids": wordIDs.json,
      "word_id_limit": .integer(wordIDLimit), "dead": dead?.json ?? .null,
      "dead_documents": .integer(Int64(deadCount)),
    ]
  }

  fileprivate init?(json: JSON) {
    func count(_ name: String) -> Int64? { json[name]?.integer.flatMap { $0 < 0 ? nil : $0 } }
    guard let name = json["name"]?.string, let sequence = count("sequence"),
      let documents = count("documents"), let words = count("words"),
      let postings = count("postings"), let tokens = count("tokens"),
      let file = json["file"].flatMap(IndexManifest.File.init),
      let checksum = count("checksum").flatMap({ UInt32(exactly: $0) }),
      let wordIDs = json["word_ids"].flatMap(IndexManifest.File.init),
      let limit = count("word_id_limit"), let dead = count("dead_documents")
    else { return nil }
    self.init(
      name: name, sequence: sequence, documentCount: Int(documents), wordCount: Int(words),
      postingCount: postings, tokenCount: tokens, file: file, checksum: checksum, wordIDs: wordIDs,
      wordIDLimit: limit, dead: json["dead"].flatMap(IndexManifest.File.init), deadCount: Int(dead))
  }
}

extension IndexManifest.File {
  fileprivate var json: JSON {
    guard let checksum else { return ["name": .string(name), "bytes": .integer(byteCount)] }
    return [
      "name": .string(name), "bytes": .integer(byteCount), "crc32c": .integer(Int64(checksum)),
    ]
  }

  fileprivate init?(json: JSON) {
    guard let name = json["name"]?.string, let bytes = json["bytes"]?.integer else { return nil }
    let checksum = json["crc32c"]?.integer.flatMap { UInt32(exactly: $0) }
    self.init(name: name, byteCount: bytes, checksum: checksum)
  }
}
