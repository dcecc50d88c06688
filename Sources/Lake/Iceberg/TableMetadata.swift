import Core

/// The metadata of an Iceberg v2 table: one `v<N>.metadata.json`. Keys and entries that this
/// version does not know are kept as they are.
public struct TableMetadata: Sendable, Hashable {
  public struct SchemaEntry: Sendable, Hashable {
    public var id: Int
    public var schema: Schema
    public var identifierFieldIDs: [Int] = []
  }

  public struct LogEntry: Sendable, Hashable {
    public var timestampMilliseconds: Int64
    /// A snapshot's ID in the snapshot log, a metadata file's address in the metadata log.
    public var subject: JSON
  }

  public var uuid: String
  /// Absolute: a path or URI without a trailing slash.
  public var location: String
  public var lastSequenceNumber: Int64 = 0
  public var lastUpdatedMilliseconds: Int64
  public var lastColumnID: Int
  public var schemas: [SchemaEntry]
  public var currentSchemaID: Int
  public var partitionSpecs: [PartitionSpec]
  public var defaultSpecID: Int
  /// The highest partition field ID in use; 999 when there is none.
  public var lastPartitionID: Int
  public var sortOrders: [SortOrder]
  public var defaultSortOrderID: Int
  /// In the order stored.
  public var properties: [Snapshot.SummaryEntry] = []
  public var currentSnapshotID: Int64?
  public var snapshots: [Snapshot] = []
  public var snapshotLog: [LogEntry] = []
  public var metadataLog: [LogEntry] = []
  /// Branches and tags besides `main`.
  public var otherReferences: [JSON.Member] = []
  public var unknown: [JSON.Member] = []

  public subscript(property key: String) -> String? {
    get { properties.first { $0.key == key }?.value }
    set {
      properties.removeAll { $0.key == key }
      if let newValue { properties.append(.init(key, newValue)) }
    }
  }

  public var schema: Schema {
    schemas.first { $0.id == currentSchemaID }?.schema ?? Schema([])
  }

  public var partitionSpec: PartitionSpec {
    partitionSpecs.first { $0.id == defaultSpecID } ?? PartitionSpec(id: 0, fields: [])
  }

  public var sortOrder: SortOrder {
    sortOrders.first { $0.id == defaultSortOrderID } ?? .unsorted
  }

  public func snapshot(_ id: Int64) -> Snapshot? { snapshots.last { $0.id == id } }

  public var currentSnapshot: Snapshot? { currentSnapshotID.flatMap(snapshot) }

  /// The current snapshot, its parent, and so on, as far as they are kept.
  public func ancestry() -> [Snapshot] {
    let byID = Dictionary(snapshots.map { ($0.id, $0) }, uniquingKeysWith: { $1 })
    var line: [Snapshot] = []
    var cursor = currentSnapshotID.flatMap { byID[$0] }
    while let snapshot = cursor, line.count <= snapshots.count {
      line.append(snapshot)
      cursor = snapshot.parentID.flatMap { byID[$0] }
    }
    return line
  }

  /// The type of every field that any schema of the table has had; the newest schema's wins.
  func fieldTypes() -> [Int: FieldType] {
    var types: [Int: FieldType] = [:]
    for entry in schemas.sorted(by: { a, b in
      (a.id == currentSchemaID ? Int.max : a.id) < (b.id == currentSchemaID ? Int.max : b.id)
    }) {
      TableMetadata.collect(entry.schema.fields, into: &types)
    }
    return types
  }

  private static func collect(_ fields: [Field], into types: inout [Int: FieldType]) {
    for field in fields {
      types[field.id] = field.type
      switch field.type {
      case .structure(let children): collect(children, into: &types)
      case .list(let element): collect([element], into: &types)
      case .map(let key, let value): collect([key, value], into: &types)
      default: break
      }
    }
  }
}
