import Core

/// An address that may stand for many objects: `/data/20??-*/{a,b}/**/*.csv`.
///
/// | pattern | matches |
/// |---|---|
/// | `*` | any characters of one segment, none included |
/// | `?` | one character |
/// | `[a-z]`, `[!a-z]` | one character of, or not of, a set |
/// | `{a,b}` | one of several patterns, which may nest and hold slashes |
/// | `**` as a whole segment | any number of segments, none included |
///
/// As in a shell, names that start with a dot are matched by a pattern that starts with one, and by
/// nothing else. `[*]` is a star that is none, and so is `%2A` after `file:`, where paths are
/// percent-decoded. In a bucket's address (`s3://bucket/data/*.csv`) the name may hold them, and is
/// otherwise taken literally. A web address has no patterns: it is always one object.
public struct Glob: Sendable {
  /// Where to list: the folder, or the web server, that holds everything that can match.
  public let uri: StoreURI
  /// The store's root for `uri`.
  public let root: String
  /// What every matching key starts with; the key itself where there is no wildcard.
  public let prefix: String
  /// False where the address is that of one object.
  public var hasWildcard: Bool { !patterns.isEmpty }

  let patterns: [GlobPattern]

  /// - Parameter folder: The absolute path of the folder that relative paths start at.
  /// - Throws: `.badAddress`.
  public init(_ address: String, relativeTo folder: String? = nil) throws {
    guard let path = try GlobText(address, relativeTo: folder) else {
      if let name = try GlobText(nameIn: address) {
        uri = try StoreURI(address)
        (root, _) = try uri.split()
        prefix = name.literalPrefix
        patterns =
          name.hasWildcard
          ? try name.alternatives(of: address).map { try GlobPattern($0, of: address) } : []
        return
      }
      // A web address.
      uri = try StoreURI(address)
      (root, prefix) = try uri.split()
      patterns = []
      return
    }
    let segments = path.segments
    guard let first = segments.firstIndex(where: \.hasWildcard) else {
      uri = StoreURI(localPath: "/" + segments.map(\.text).joined(separator: "/"))
      (root, prefix) = try uri.split()
      patterns = []
      return
    }
    uri = StoreURI(localPath: "/" + segments[..<first].map(\.text).joined(separator: "/"))
    root = uri.root
    let rest = GlobText(joining: segments[first...])
    prefix = rest.literalPrefix
    patterns = try rest.alternatives(of: address).map { try GlobPattern($0, of: address) }
  }

  /// Whether an address has wildcards, without a look at whether they are well formed.
  public static func hasWildcard(_ address: String) -> Bool {
    switch StoreURI.scheme(of: address) {
    case nil, "file", "s3", "gs": address.utf8.contains { GlobText.wildcards.contains($0) }
    default: false
    }
  }

  /// Whether a key of the store at `root` is meant.
  public func matches(_ key: String) -> Bool {
    guard hasWildcard else { return sameBytes(key, prefix) }
    var key = key
    return key.withUTF8 { bytes in patterns.contains { $0.matches(bytes) } }
  }

  /// The key, in the store at `root`, of the object at a full address; nil where it is not meant.
  public func key(of address: StoreURI) -> String? {
    let start = root + "/"
    let text = address.description
    guard address.kind == uri.kind, text.utf8.starts(with: start.utf8),
      text.utf8.count > start.utf8.count
    else { return nil }
    let key = String(decoding: text.utf8.dropFirst(start.utf8.count), as: UTF8.self)
    return matches(key) ? key : nil
  }

  /// Visits the objects that are meant, in byte order of keys, page by page; none where there are
  /// none.
  ///
  /// - Throws: `.notAnObject` where an address without wildcards is that of a folder.
  public func list(in store: any Store, page: ([Object]) throws -> Void) throws {
    guard hasWildcard else {
      if let object = try store.head(prefix) { try page([object]) }
      return
    }
    func matching(_ objects: [Object]) throws {
      let matching = objects.filter { matches($0.key) }
      if !matching.isEmpty { try page(matching) }
    }
    if let store = store as? LocalStore {
      let depth = patterns.map(\.maximumDepth).max()!
      try store.list(prefix: prefix, maximumDepth: depth, page: matching)
    } else {
      try store.list(prefix: prefix, page: matching)
    }
  }
}

extension StoreOpener {
  /// The store that holds everything an address with or without wildcards stands for.
  public func store(of glob: Glob) throws -> any Store { try open(glob.uri, root: glob.root) }

  /// Visits the objects that an address with or without wildcards stands for, each with its full
  /// address, in byte order, page by page.
  ///
  /// - Throws: As `Glob`'s initializer and `list` do.
  public func list(
    glob address: String, relativeTo folder: String? = nil,
    page: ([(address: String, object: Object)]) throws -> Void
  ) throws {
    let glob = try Glob(address, relativeTo: folder)
    let store = try store(of: glob)
    try glob.list(in: store) { objects in
      try page(objects.map { (store.uri($0.key), $0) })
    }
  }
}
