import Core

/// What a commit did to a table, as Iceberg names it.
public enum Operation: String, Sendable, Hashable {
  /// Files were added, none removed.
  case append
  /// Files were added and removed, rows too.
  case overwrite
  /// Files were removed.
  case delete
  /// Files were rewritten, rows were not: compaction.
  case replace
}

/// One state of a table.
public struct Snapshot: Sendable, Hashable {
  public var id: Int64
  public var parentID: Int64?
  public var sequenceNumber: Int64
  /// Milliseconds since 1970-01-01T00:00:00 UTC.
  public var timestampMilliseconds: Int64
  public var manifestList: String
  /// `operation`, totals, and whatever the writer said of itself; in the order stored.
  public var summary: [SummaryEntry]
  public var schemaID: Int?

  /// One key of a snapshot's summary.
  public struct SummaryEntry: Sendable, Hashable {
    public var key: String
    public var value: String
    public init(_ key: String, _ value: String) {
      self.key = key
      self.value = value
    }
  }

  public init(
    id: Int64, parentID: Int64?, sequenceNumber: Int64, timestampMilliseconds: Int64,
    manifestList: String, summary: [SummaryEntry], schemaID: Int?
  ) {
    self.id = id
    self.parentID = parentID
    self.sequenceNumber = sequenceNumber
    self.timestampMilliseconds = timestampMilliseconds
    self.manifestList = manifestList
    self.summary = summary
    self.schemaID = schemaID
  }

  public subscript(summary key: String) -> String? { summary.first { $0.key == key }?.value }

  public var operation: Operation? { self[summary: "operation"].flatMap(Operation.init) }

  public var committed: Instant { Instant(microseconds: timestampMilliseconds * 1000) }

  public var totalRecords: Int64? { self[summary: "total-records"].flatMap { Int64($0) } }
}

extension Snapshot {
  init(json: JSON) throws(LakeError) {
    if json["manifest-list"] == nil, json["manifests"] != nil {
      throw LakeError(
        .unsupported, "a snapshot names its manifests without a list, as very old writers did",
        advice: "let a newer program commit to the table once")
    }
    guard let id = json["snapshot-id"]?.integer, let list = json["manifest-list"]?.string,
      let time = json["timestamp-ms"]?.integer
    else { throw LakeError(.damaged, "a snapshot lacks its ID, time or manifest list") }
    self.init(
      id: id, parentID: json["parent-snapshot-id"]?.integer,
      sequenceNumber: json["sequence-number"]?.integer ?? 0, timestampMilliseconds: time,
      manifestList: list,
      summary: (json["summary"]?.members ?? []).compactMap { member in
        member.value.string.map { SummaryEntry(member.name, $0) }
      },
      schemaID: json["schema-id"]?.integer.map { Int($0) })
  }

  var json: JSON {
    var members: [JSON.Member] = [
      .init("sequence-number", .integer(sequenceNumber)), .init("snapshot-id", .integer(id)),
    ]
    if let parentID { members.append(.init("parent-snapshot-id", .integer(parentID))) }
    members += [
      .init("timestamp-ms", .integer(timestampMilliseconds)),
      .init("summary", .object(summary.map { .init($0.key, .string($0.value)) })),
      .init("manifest-list", .string(manifestList)),
    ]
    if let schemaID { members.append(.init("schema-id", .integer(Int64(schemaID)))) }
    return .object(members)
  }
}
