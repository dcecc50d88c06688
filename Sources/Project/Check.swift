import Core

/// A condition that staged rows must meet before they are published.
public struct Check: Sendable, Hashable {
  public enum Kind: Sendable, Hashable {
    case notNull
    /// No two rows agree in all of these columns.
    case unique(columns: [String])
    /// The column's type; nulls pass.
    case acceptedValues([Value])
    /// Of the column's type, both ends included; at least one is there; nulls pass.
    case between(min: Value?, max: Value?)
    /// Both ends included; at least one is there.
    case rowCount(min: Int64?, max: Int64?)
  }

  public enum Severity: String, Sendable, CaseIterable { case error, warn, quarantine }

  /// Unique within its table: as given, else `views_between`, `domain_page_unique`, `row_count`.
  public var name: String
  public var kind: Kind
  /// The column it stands under; nil for checks of the whole table.
  public var column: String?
  public var severity: Severity
  public var place: Place

  public init(
    name: String, kind: Kind, column: String? = nil, severity: Severity = .error,
    place: Place = .nowhere
  ) {
    self.name = name
    self.kind = kind
    self.column = column
    self.severity = severity
    self.place = place
  }

  /// Whether it judges each row alone, so that rows can be set aside.
  public var isRowLevel: Bool {
    switch kind {
    case .notNull, .acceptedValues, .between: true
    case .unique, .rowCount: false
    }
  }
}
