import Core

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
