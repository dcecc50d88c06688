import Core

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
}

/// A column a table is partitioned by, and how.
public struct PartitionColumn: Sendable, Hashable {
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
  var fieldName: String {
    switch transform {
    case .identity, .unknown: column
    case .bucket: column + "_bucket"
    case .truncate: column + "_trunc"
    case .void: column + "_null"
    case .year, .month, .day, .hour: "\(column)_\(transform)"
    }
  }
}

/// A column a table's files are sorted by; nulls first.
public struct SortColumn: Sendable, Hashable {
  public var column: String
  public var isDescending: Bool

  public init(_ column: String, isDescending: Bool = false) {
    self.column = column
    self.isDescending = isDescending
  }
}

/// How a table is partitioned; one of the specs that a table had in its life.
public struct PartitionSpec: Sendable, Hashable {
  public struct Field: Sendable, Hashable {
    /// The column's field ID.
    public var sourceID: Int
    /// The partition field's own ID, 1000 or more.
    public var id: Int
    public var name: String
    public var transform: Transform

    public init(sourceID: Int, id: Int, name: String, transform: Transform) {
      self.sourceID = sourceID
      self.id = id
      self.name = name
      self.transform = transform
    }
  }

  public var id: Int
  public var fields: [Field]

  public init(id: Int, fields: [Field]) {
    self.id = id
    self.fields = fields
  }
}

/// How a table's files are sorted. Order 0 is unsorted.
public struct SortOrder: Sendable, Hashable {
  public struct Field: Sendable, Hashable {
    public var sourceID: Int
    public var transform: Transform
    public var isDescending: Bool
    public var isNullsFirst: Bool

    public init(sourceID: Int, transform: Transform, isDescending: Bool, isNullsFirst: Bool) {
      self.sourceID = sourceID
      self.transform = transform
      self.isDescending = isDescending
      self.isNullsFirst = isNullsFirst
    }
  }

  public var id: Int
  public var fields: [Field]

  public init(id: Int, fields: [Field]) {
    self.id = id
    self.fields = fields
  }

  public static let unsorted = SortOrder(id: 0, fields: [])
}
