import Foundation

extension Date {
  /// So long ago, in whole seconds: near a full second Foundation makes a million microseconds of some
  /// fractions, and the system refuses to give a file such a time.
  public static func past(_ seconds: TimeInterval) -> Date {
    Date(timeIntervalSince1970: (Date().timeIntervalSince1970 - seconds).rounded(.down))
  }
}
