import Core

/// What a commit has taken away, for the snapshot's summary.
struct RemovedFiles {
  var fileCount = 0
  var rowCount: Int64 = 0
  var byteCount: Int64 = 0
  var paths = Set<String>()
  var partitions = Set<[[UInt8]?]>()

  mutating func add(_ entry: ManifestEntry) {
    fileCount += 1
    rowCount += entry.rowCount
    byteCount += entry.byteCount
    paths.insert(entry.path)
    partitions.insert(PartitionTuple.key(entry.partition))
  }
}

/// Partition values in a form that compares: NaN equals itself, a zone does not matter.
enum PartitionTuple {
  static func key(_ values: [Value]) -> [[UInt8]?] { values.map(key) }

  private static func key(_ value: Value) -> [UInt8]? {
    switch value {
    case .boolean: SingleValue.encode(value, as: .boolean)
    case .integer: SingleValue.encode(value, as: .bigint)
    case .float, .double: SingleValue.encode(value, as: .double)
    case .decimal(_, let scale):
      SingleValue.encode(value, as: .decimal(precision: 38, scale: scale))
    case .date: SingleValue.encode(value, as: .date)
    case .time: SingleValue.encode(value, as: .time)
    case .timestamp, .timestamptz: SingleValue.encode(value, as: .timestamptz)
    case .string: SingleValue.encode(value, as: .string)
    case .binary: SingleValue.encode(value, as: .binary)
    case .uuid: SingleValue.encode(value, as: .uuid)
    case .null, .list, .map, .structure: nil
    }
  }
}

/// Decides which live files of a table a commit removes.
struct FileRemover {
  private enum Target {
    case none
    case all
    case partitions(tuples: Set<[[UInt8]?]>, values: [[Value]])
    case files(Set<String>)
  }

  private let target: Target
  /// The partition fields that tuples to remove are of.
  private let fields: ArraySlice<PartitionSpec.Field>
  private let id: TableID

  init(
    _ removal: TableUpdate.Removal, spec: PartitionSpec, partitionTypes: [FieldType], id: TableID
  ) throws {
    self.id = id
    var width = 0
    if case .partitions(let tuples) = removal { width = tuples.first?.count ?? 0 }
    fields = spec.fields.prefix(width)
    switch removal {
    case .none: target = .none
    case .all: target = .all
    case .files(let paths): target = .files(Set(paths))
    case .partitions(let tuples):
      for tuple in tuples {
        guard tuple.count == width, width <= partitionTypes.count,
          zip(tuple, partitionTypes).allSatisfy({ value, type in
            value.isNull || SingleValue.encode(value, as: type) != nil
          })
        else {
          throw LakeError(
            .invalid, "the partition \(tuple) to remove does not fit the table's columns",
            at: Place(model: id.description))
        }
      }
      // Through the stored form, so that an int meets the bigint that it is stored as.
      let stored = tuples.map { tuple in
        zip(tuple, partitionTypes).map { value, type in
          SingleValue.encode(value, as: type).flatMap { SingleValue.decode($0, as: type) } ?? .null
        }
      }
      target = .partitions(tuples: Set(stored.map(PartitionTuple.key)), values: stored)
    }
  }

  var isAll: Bool { if case .all = target { true } else { false } }

  /// - Throws: `LakeError` `.conflict` when files to remove are not in the table any more.
  func check(_ removed: RemovedFiles) throws {
    guard case .files(let wanted) = target, removed.paths != wanted else { return }
    throw LakeError(
      .conflict, "\(wanted.subtracting(removed.paths).count) files to replace are gone",
      at: Place(model: id.description))
  }

  /// The decision for manifests of one spec.
  func matcher(for other: PartitionSpec, types: [Int: FieldType]) throws -> Matcher {
    guard case .partitions(let tuples, let values) = target else {
      return Matcher(remover: self, positions: [], types: [], tuples: [], values: [])
    }
    let positions = fields.map { field in
      other.fields.firstIndex { $0.sourceID == field.sourceID && $0.transform == field.transform }
    }
    let known = positions.compactMap { $0 }
    guard known.count == positions.count else {
      throw LakeError(
        .invalid,
        "the table has files that are partitioned otherwise, so single partitions "
          + "cannot be replaced",
        at: Place(model: id.description), advice: "rebuild the table with --full-refresh")
    }
    let otherTypes = ManifestSchema.partitionTypes(other, types)
    return Matcher(
      remover: self, positions: known, types: known.map { otherTypes[$0] ?? .string },
      tuples: tuples, values: values)
  }

  struct Matcher {
    fileprivate let remover: FileRemover
    /// Where each field of the commit's spec is in the manifest's.
    fileprivate let positions: [Int]
    fileprivate let types: [FieldType]
    fileprivate let tuples: Set<[[UInt8]?]>
    fileprivate let values: [[Value]]

    func mayMatch(_ summaries: [PartitionSummary]?) -> Bool {
      switch remover.target {
      case .none: return false
      case .all, .files: return true
      case .partitions:
        guard let summaries else { return true }
        return values.contains { tuple in
          let conditions = zip(zip(positions, types), tuple).map { place, value in
            FileMatcher.Condition(
              key: place.0, type: place.1, isFloat: place.1 == .float || place.1 == .double,
              wanted: .oneOf([value]))
          }
          return FileMatcher(partition: conditions).mayMatch(summaries)
        }
      }
    }

    func removes(_ entry: ManifestEntry) -> Bool {
      switch remover.target {
      case .none: false
      case .all: true
      case .files(let paths): paths.contains(entry.path)
      case .partitions: tuples.contains(PartitionTuple.key(positions.map { entry.partition[$0] }))
      }
    }
  }
}
