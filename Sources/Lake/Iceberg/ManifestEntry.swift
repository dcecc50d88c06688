import Core

/// One line of a manifest: a file, when it came, and whether it is still there. Statistics stay in
/// their stored form, so that rewriting a manifest loses nothing.
struct ManifestEntry: Sendable {
  enum Status: Int64, Sendable {
    case existing = 0
    case added = 1
    case deleted = 2
  }

  var status: Status
  /// The snapshot that added the file, or deleted it; inherited when nil.
  var snapshotID: Int64?
  var sequenceNumber: Int64?
  var fileSequenceNumber: Int64?
  /// 0 data, 1 position deletes, 2 equality deletes.
  var content: Int64 = 0
  var path: String
  var format = "PARQUET"
  var partition: [Value]
  var rowCount: Int64
  var byteCount: Int64
  var columnSizes: [Count]?
  var valueCounts: [Count]?
  var nullCounts: [Count]?
  var nanCounts: [Count]?
  var lowerBounds: [Bound]?
  var upperBounds: [Bound]?
  var keyMetadata: [UInt8]?
  var splitOffsets: [Int64]?
  var equalityIDs: [Int64]?
  var sortOrderID: Int64?

  struct Count: Sendable, Hashable {
    var field: Int
    var count: Int64
  }

  struct Bound: Sendable, Hashable {
    var field: Int
    var bytes: [UInt8]
  }

  var isLive: Bool { status != .deleted }
}

extension ManifestEntry {
  /// A line for a file that a commit adds.
  init(
    adding file: DataFile, snapshotID: Int64, types: [Int: FieldType], sortOrderID: Int?
  ) {
    let ids = file.columns.keys.sorted()
    func counts(_ key: KeyPath<ColumnStatistics, Int64?>) -> [Count]? {
      let found = ids.compactMap { id in
        file.columns[id]?[keyPath: key].map { Count(field: id, count: $0) }
      }
      return found.isEmpty ? nil : found
    }
    func bounds(_ bound: (ColumnStatistics) -> Value?) -> [Bound]? {
      let found = ids.compactMap { id -> Bound? in
        guard let type = types[id], let value = file.columns[id].flatMap(bound),
          !ManifestEntry.isNaN(value), let bytes = SingleValue.encode(value, as: type)
        else { return nil }
        return Bound(field: id, bytes: bytes)
      }
      return found.isEmpty ? nil : found
    }
    self.init(
      status: .added, snapshotID: snapshotID, path: file.path, partition: file.partition,
      rowCount: file.rowCount, byteCount: file.byteCount, columnSizes: counts(\.byteCount),
      valueCounts: counts(\.valueCount), nullCounts: counts(\.nullCount),
      nanCounts: counts(\.nanCount),
      lowerBounds: bounds { $0.lower.map(BoundLength.lower).map(ManifestEntry.signedZero(-1)) },
      upperBounds: bounds { $0.upper.flatMap(BoundLength.upper).map(ManifestEntry.signedZero(1)) },
      sortOrderID: sortOrderID.map(Int64.init))
  }

  private static func isNaN(_ value: Value) -> Bool {
    switch value {
    case .float(let number): number.isNaN
    case .double(let number): number.isNaN
    default: false
    }
  }

  /// A zero bound could stand for either zero: below it is -0.0, above it is +0.0.
  private static func signedZero(_ sign: Double) -> (Value) -> Value {
    { value in
      switch value {
      case .float(let number) where number == 0: .float(Float(sign) < 0 ? -0.0 : 0.0)
      case .double(let number) where number == 0: .double(sign < 0 ? -0.0 : 0.0)
      default: value
      }
    }
  }

  /// The file as the rest of Sluice sees it.
  func dataFile(types: [Int: FieldType]) -> DataFile {
    var columns: [Int: ColumnStatistics] = [:]
    for item in columnSizes ?? [] { columns[item.field, default: .init()].byteCount = item.count }
    for item in valueCounts ?? [] { columns[item.field, default: .init()].valueCount = item.count }
    for item in nullCounts ?? [] { columns[item.field, default: .init()].nullCount = item.count }
    for item in nanCounts ?? [] { columns[item.field, default: .init()].nanCount = item.count }
    for item in lowerBounds ?? [] {
      guard let type = types[item.field] else { continue }
      columns[item.field, default: .init()].lower = SingleValue.decode(item.bytes, as: type)
    }
    for item in upperBounds ?? [] {
      guard let type = types[item.field] else { continue }
      columns[item.field, default: .init()].upper = SingleValue.decode(item.bytes, as: type)
    }
    return DataFile(
      path: path, rowCount: rowCount, byteCount: byteCount, partition: partition,
      columns: columns)
  }
}
