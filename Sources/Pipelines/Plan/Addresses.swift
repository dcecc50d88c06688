/// How files are named in source logs: those below the project's folder relative to it, all others
/// by their full address. So a project that is copied to another place or machine finds the files
/// that its tables have consumed, instead of taking them for new ones.
struct Addresses: Sendable {
  /// The project's folder, absolute, without a final slash.
  let folder: String

  /// - Parameter address: An absolute path or a URI.
  func key(of address: String) -> String {
    guard address.hasPrefix(folder + "/") else { return address }
    let relative = address.dropFirst(folder.count + 1)
    // `a:b/c` could be taken for a URI.
    guard !relative.prefix(while: { $0 != "/" }).contains(":") else { return address }
    return String(relative)
  }

  /// - Parameter key: As `key(of:)` gave it.
  func address(of key: String) -> String {
    let isRelative = !key.hasPrefix("/") && !key.prefix(while: { $0 != "/" }).contains(":")
    return isRelative ? "\(folder)/\(key)" : key
  }
}
