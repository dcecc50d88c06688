/// Shows paths below the working directory as one would type them there.
struct ShortPaths: Sendable {
  private let prefix: String?

  /// Leaves every path as it is.
  static let none = ShortPaths(workingDirectory: "/")

  /// - Parameter workingDirectory: Absolute. Below the root nothing is shortened.
  init(workingDirectory: String) {
    prefix = workingDirectory.count > 1 ? workingDirectory + "/" : nil
  }

  /// The text with the working directory taken off wherever a path begins with it.
  func callAsFunction(_ text: String) -> String {
    guard let prefix, text.contains(prefix) else { return text }
    let parts = text.split(separator: prefix, omittingEmptySubsequences: false)
    var out = String(parts[0])
    for part in parts.dropFirst() {
      // In the middle of a longer path the same characters mean something else.
      if let before = out.last, !" '\"(".contains(before) { out += prefix }
      out += part
    }
    return out
  }
}
