import Project

/// How files are named in source logs: those below the project's folder relative to it, all others
/// by their full address. So a project that is copied to another place or machine finds the files
/// that its tables have consumed, instead of taking them for new ones.
///
/// User and password of a web address are in no log, plan or message: the project's files or the
/// environment have them, and from there they come when a file is opened.
struct Addresses: Sendable {
  /// The project's folder, absolute, without a final slash.
  let folder: String
  /// `reader:secret` by how addresses begin that it is for, without it; the longest first.
  private let logins: [(beginning: String, login: Substring)]

  /// - Parameter sources: Those whose addresses may hold a login.
  init(folder: String, sources: [Source] = []) {
    self.folder = folder
    logins = sources.compactMap { source in
      Addresses.split(source.location).login.map { login in
        let shown = Addresses.shown(source.location)
        return (String(shown.prefix { $0 != "{" && $0 != "*" }), login)
      }
    }.sorted { $0.beginning.utf8.count > $1.beginning.utf8.count }
  }

  /// An address as it may be shown and kept: without user and password.
  static func shown(_ address: String) -> String {
    let parts = split(address)
    return parts.login == nil ? address : parts.scheme + parts.host.lowercased() + parts.rest
  }

  /// `https://`, `reader:secret`, `host`, `/path`.
  private static func split(
    _ address: String
  ) -> (scheme: Substring, login: Substring?, host: Substring, rest: Substring) {
    guard address.utf8.first.map({ $0 | 0x20 }) == UInt8(ascii: "h"),
      let colon = address.firstIndex(of: ":"), address[colon...].hasPrefix("://"),
      ["http", "https"].contains(address[..<colon].lowercased())
    else { return ("", nil, "", address[...]) }
    let start = address.index(colon, offsetBy: 3)
    let end = address[start...].firstIndex { "/?#".contains($0) } ?? address.endIndex
    guard let at = address[start..<end].lastIndex(of: "@") else {
      return (address[..<start], nil, address[start..<end], address[end...])
    }
    return (
      address[..<start], address[start..<at], address[address.index(after: at)..<end],
      address[end...]
    )
  }

  /// - Parameter address: An absolute path or a URI.
  func key(of address: String) -> String {
    let address = Addresses.shown(address)
    guard address.hasPrefix(folder + "/") else { return address }
    let relative = address.dropFirst(folder.count + 1)
    // `a:b/c` could be taken for a URI.
    guard !relative.prefix(while: { $0 != "/" }).contains(":") else { return address }
    return String(relative)
  }

  /// - Parameter key: As `key(of:)` gave it.
  func address(of key: String) -> String {
    isRelative(key) ? "\(folder)/\(key)" : key
  }

  /// Whether the address of a key is the key below the project's folder.
  func isRelative(_ key: String) -> Bool {
    // Of bytes: taking characters apart costs more than all else that is done for a file.
    guard let stop = key.utf8.first(where: { $0 == 0x2F || $0 == 0x3A }) else { return true }
    return stop == 0x2F && key.utf8.first != 0x2F
  }

  /// The same with the login that opens it, where a source has one.
  func addressToOpen(_ key: String) -> String {
    let address = address(of: key)
    guard let login = logins.first(where: { address.hasPrefix($0.beginning) })?.login else {
      return address
    }
    let parts = Addresses.split(address)
    return "\(parts.scheme)\(login)@\(parts.host)\(parts.rest)"
  }
}

extension Source {
  /// Where it looks, as written, with the login if there is one.
  fileprivate var location: String {
    switch origin {
    case .files(let settings): settings.glob
    case .intervals(let settings): settings.uri.text
    }
  }

  /// Where it looks, as it may be shown.
  var address: String { Addresses.shown(location) }
}
