/// How a partition or sort value is derived from a column's value.
public enum Transform: Sendable, Hashable, CustomStringConvertible {
  case identity
  case bucket(Int)
  case truncate(Int)
  case year
  case month
  case day
  case hour
  case void
  /// One that this version does not know; readers ignore such a field, writers refuse it.
  case unknown(String)

  public init(_ text: String) {
    func parameter(_ name: String) -> Int? {
      guard text.hasPrefix(name + "["), text.hasSuffix("]") else { return nil }
      return Int(text.dropFirst(name.count + 1).dropLast()).flatMap { $0 > 0 ? $0 : nil }
    }
    switch text {
    case "identity": self = .identity
    case "year": self = .year
    case "month": self = .month
    case "day": self = .day
    case "hour": self = .hour
    case "void": self = .void
    default:
      if let count = parameter("bucket") {
        self = .bucket(count)
      } else if let width = parameter("truncate") {
        self = .truncate(width)
      } else {
        self = .unknown(text)
      }
    }
  }

  public var description: String {
    switch self {
    case .identity: "identity"
    case .bucket(let count): "bucket[\(count)]"
    case .truncate(let width): "truncate[\(width)]"
    case .year: "year"
    case .month: "month"
    case .day: "day"
    case .hour: "hour"
    case .void: "void"
    case .unknown(let text): text
    }
  }

  /// The type of the values that the transform gives for a column of type `source`.
  public func resultType(of source: FieldType) -> FieldType {
    switch self {
    case .identity, .truncate, .void, .unknown: source
    case .bucket, .year, .month, .hour: .int
    case .day: .date
    }
  }

  /// Whether a column of type `source` can be transformed so.
  public func applies(to source: FieldType) -> Bool {
    if source.isNested { return false }
    switch self {
    case .identity, .void: return true
    case .unknown: return false
    case .year, .month, .day: return [.date, .timestamp, .timestamptz].contains(source)
    case .hour: return [.timestamp, .timestamptz].contains(source)
    case .bucket: return ![.boolean, .float, .double].contains(source)
    case .truncate:
      if case .decimal = source { return true }
      return [.int, .bigint, .string, .binary].contains(source)
    }
  }
}

/// A column a table is partitioned by, and how.
public struct PartitionColumn: Sendable, Hashable, CustomStringConvertible {
  public var column: String
  public var transform: Transform

  public init(_ column: String, _ transform: Transform = .identity) {
    self.column = column
    self.transform = transform
  }

  public static func identity(_ columns: [String]) -> [PartitionColumn] {
    columns.map { PartitionColumn($0) }
  }

  /// The partition field's name, as Iceberg's own writers choose it.
  public var fieldName: String {
    switch transform {
    case .identity, .unknown: column
    case .bucket: column + "_bucket"
    case .truncate: column + "_trunc"
    case .void: column + "_null"
    case .year, .month, .day, .hour: "\(column)_\(transform)"
    }
  }

  /// As project files write it: `region`, `day(created)`, `bucket(16, id)`.
  public var description: String {
    switch transform {
    case .identity: column
    case .bucket(let count): "bucket(\(count), \(column))"
    case .truncate(let width): "truncate(\(width), \(column))"
    default: "\(transform)(\(column))"
    }
  }
}
