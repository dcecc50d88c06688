/// One comparison of a field of delimited text with a constant.
public struct FieldCondition: Sendable, Hashable {
  public enum Constant: Sendable, Hashable {
    /// The field is an integer; an empty one satisfies nothing.
    case integer(Int64)
    /// Compared by bytes.
    case text([UInt8])
  }

  public var field: Int
  public var constant: Constant
  /// Whether what is less than the constant satisfies it, what is equal, what is greater.
  public var allowsLess: Bool
  public var allowsEqual: Bool
  public var allowsGreater: Bool

  public init(
    field: Int, _ constant: Constant, allowsLess: Bool, allowsEqual: Bool, allowsGreater: Bool
  ) {
    self.field = field
    self.constant = constant
    self.allowsLess = allowsLess
    self.allowsEqual = allowsEqual
    self.allowsGreater = allowsGreater
  }

  /// - Parameter text: The field, known to be an integer or empty where the constant is one.
  @inline(__always)
  func holds(_ text: UnsafePointer<UInt8>, _ count: Int) -> Bool {
    switch constant {
    case .integer(let bound):
      guard count > 0, let value = parseInteger(text, count: count) else { return false }
      return value < bound ? allowsLess : value == bound ? allowsEqual : allowsGreater
    case .text(let bound):
      let order = bound.withUnsafeBufferPointer { bound in
        bound.isEmpty ? count : compareBytes(text, count, bound.baseAddress!, bound.count)
      }
      return order < 0 ? allowsLess : order == 0 ? allowsEqual : allowsGreater
    }
  }
}
