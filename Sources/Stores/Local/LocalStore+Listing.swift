import Core

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension LocalStore {
  public func list(prefix: String, page: ([Object]) throws -> Void) throws {
    try list(prefix: prefix, maximumDepth: .max, page: page)
  }

  /// As `list(prefix:page:)`, but without looking into folders more than `maximumDepth` - 1 levels
  /// below the root: a key then has at most `maximumDepth` segments.
  ///
  /// Once it turns out to be large, folders are looked into several at a time.
  ///
  /// - Complexity: One folder's names are in memory at a time, for each level and thread.
  func list(prefix: String, maximumDepth: Int, page: ([Object]) throws -> Void) throws {
    let bytes = Array(prefix.utf8)
    let folder = bytes.lastIndex(of: UInt8(ascii: "/")).map { Array(bytes[...$0]) } ?? []
    if let status = (try? fileStatus(root)) ?? nil, !status.isFolder {
      throw StoreError(
        .notAnObject, "a file where a folder should be", at: Place(file: root),
        advice: "name the folder that holds the files, or choose another place")
    }
    if !folder.isEmpty { _ = try path(of: String(decoding: folder.dropLast(), as: UTF8.self)) }
    let depth = folder.reduce(1) { $0 + ($1 == UInt8(ascii: "/") ? 1 : 0) }
    var walk = Walk(
      root: root, prefix: bytes, maximumDepth: maximumDepth, threads: LocalStore.listingThreads)
    try walk.visit(folder, depth: depth, ancestors: [], page)
    try walk.flush(page)
  }

  private static let listingThreads = 4

  /// One recursive listing.
  private struct Walk {
    let root: String
    let prefix: [UInt8]
    let maximumDepth: Int
    /// 1 for what is a part of a larger walk.
    let threads: Int
    private var pending: [Object] = []
    /// Pages passed on so far.
    private var pageCount = 0

    static let pageSize = 1000
    /// Before it counts as large.
    static let pagesInRow = 4

    init(root: String, prefix: [UInt8], maximumDepth: Int, threads: Int) {
      self.root = root
      self.prefix = prefix
      self.maximumDepth = maximumDepth
      self.threads = threads
    }

    /// Visits the folder whose keys start with `folder`, which is empty or ends in a slash.
    ///
    /// - Parameter ancestors: Device and inode of the folders on the way, against circular links.
    mutating func visit(
      _ folder: [UInt8], depth: Int, ancestors: [FolderID], _ page: ([Object]) throws -> Void
    ) throws {
      let path = "\(root)/\(String(decoding: folder, as: UTF8.self))"
      guard let names = try FolderNames(path: path, key: folder, prefix: prefix) else { return }
      guard !ancestors.contains(names.id) else { return }
      let ancestors = ancestors + [names.id]
      let sorted = names.sorted()
      for (position, index) in sorted.enumerated() {
        if threads > 1, pageCount >= Walk.pagesInRow, sorted.count - position > 1 {
          let rest = Array(sorted[position...])
          return try visit(rest, of: names, in: folder, depth: depth, ancestors: ancestors, page)
        }
        try visit(names[index], in: folder, depth: depth, ancestors: ancestors, page)
      }
    }

    /// Visits one name of a folder.
    private mutating func visit(
      _ name: ArraySlice<UInt8>, in folder: [UInt8], depth: Int, ancestors: [FolderID],
      _ page: ([Object]) throws -> Void
    ) throws {
      if name.last == UInt8(ascii: "/") {
        guard depth < maximumDepth else { return }
        return try visit(folder + name, depth: depth + 1, ancestors: ancestors, page)
      }
      let key = String(decoding: folder + name, as: UTF8.self)
      do {
        // Removed since the folder was read: not there.
        guard let status = try fileStatus("\(root)/\(key)"), status.isFile else { return }
        pending.append(status.object(key))
      } catch {
        throw StoreError.system(error.number, doing: "look at this file", path: "\(root)/\(key)")
      }
      if pending.count >= Walk.pageSize { try flush(page) }
    }

    /// Visits the names that are left of a folder, several parts at a time: a subfolder each, or as
    /// many files as make a page.
    private mutating func visit(
      _ indices: [Int], of names: FolderNames, in folder: [UInt8], depth: Int,
      ancestors: [FolderID], _ page: ([Object]) throws -> Void
    ) throws {
      var parts: [Range<Int>] = []
      for (position, index) in indices.enumerated() {
        let isFile = names[index].last != UInt8(ascii: "/")
        if isFile, let last = parts.last, last.count < Walk.pageSize,
          names[indices[last.lowerBound]].last != UInt8(ascii: "/")
        {
          parts[parts.count - 1] = last.lowerBound..<position + 1
        } else {
          parts.append(position..<position + 1)
        }
      }
      let (root, prefix, maximumDepth, threads) = (root, prefix, maximumDepth, threads)
      let all = parts
      try inOrder(count: all.count, threads: threads, buffer: Walk.pagesInRow) { part, give in
        // Few parts share the threads, as where all is below one of two folders.
        var walk = Walk(
          root: root, prefix: prefix, maximumDepth: maximumDepth,
          threads: max(1, threads / all.count))
        for position in all[part] {
          try walk.visit(
            names[indices[position]], in: folder, depth: depth, ancestors: ancestors, give)
        }
        try walk.flush(give)
      } consume: { (objects: [Object]) in
        pending += objects
        if pending.count >= Walk.pageSize { try flush(page) }
      }
    }

    mutating func flush(_ page: ([Object]) throws -> Void) throws {
      guard !pending.isEmpty else { return }
      try page(pending)
      pageCount += 1
      pending.removeAll(keepingCapacity: true)
    }
  }
}

#if canImport(Glibc)
  private typealias FolderStream = OpaquePointer
#else
  private typealias FolderStream = UnsafeMutablePointer<DIR>
#endif

/// What tells one folder from another, whatever path led there.
struct FolderID: Hashable {
  var device: UInt64
  var inode: UInt64
}

/// The names in one folder, in one block of bytes: a million of them are one allocation.
///
/// A subfolder's name carries a final slash, which puts it where its keys belong: `a.txt` sorts
/// before what is in `a/`, although `a` sorts before `a.txt`.
private struct FolderNames: Sendable {
  let id: FolderID
  private var bytes: [UInt8] = []
  private var ends: [Int] = []

  /// Reads the names that can lead to keys starting with `prefix`.
  ///
  /// - Returns: nil where there is no such folder.
  /// - Throws: `.denied` and others of the system; `.badAddress` for a name that is not UTF-8,
  ///   which no key can spell.
  init?(path: String, key: [UInt8], prefix: [UInt8]) throws {
    guard let stream = opendir(path) else {
      if [ENOENT, ENOTDIR, ELOOP].contains(errno) { return nil }
      throw StoreError.system(errno, doing: "list this folder", path: path)
    }
    defer { closedir(stream) }
    var own = stat()
    fstat(dirfd(stream), &own)
    id = FolderID(device: UInt64(truncatingIfNeeded: own.st_dev), inode: UInt64(own.st_ino))

    while true {
      errno = 0
      guard let entry = readdir(stream) else {
        if errno != 0 { throw StoreError.system(errno, doing: "list this folder", path: path) }
        return
      }
      try add(entry, in: stream, path: path, key: key, prefix: prefix)
    }
  }

  private mutating func add(
    _ entry: UnsafeMutablePointer<dirent>, in stream: FolderStream, path: String, key: [UInt8],
    prefix: [UInt8]
  ) throws {
    let kind = entry.pointee.d_type
    try withUnsafePointer(to: &entry.pointee.d_name) { tuple in
      let text = UnsafeRawPointer(tuple).assumingMemoryBound(to: CChar.self)
      let name = UnsafeBufferPointer(
        start: UnsafeRawPointer(tuple).assumingMemoryBound(to: UInt8.self), count: strlen(text))
      if name.elementsEqual(".".utf8) || name.elementsEqual("..".utf8) { return }
      if name.starts(with: LocalStore.temporaryPrefix.utf8) { return }

      var isFolder = Int32(kind) == Int32(DT_DIR)
      if Int32(kind) == Int32(DT_LNK) || Int32(kind) == Int32(DT_UNKNOWN) {
        var status = stat()
        guard fstatat(dirfd(stream), text, &status, 0) == 0 else { return }
        isFolder = status.isFolder
      }
      guard leads(name, isFolder: isFolder, key: key, to: prefix) else { return }
      guard String(validatingCString: text) != nil else {
        let shown = String(decoding: name, as: UTF8.self)
        throw StoreError(
          .badAddress, "a file name that is not UTF-8", at: Place(file: path + shown),
          advice: "rename the file or move it elsewhere")
      }
      bytes.append(contentsOf: name)
      if isFolder { bytes.append(UInt8(ascii: "/")) }
      ends.append(bytes.count)
    }
  }

  /// Whether the entry is, or may hold, a key that starts with `prefix`.
  private func leads(
    _ name: UnsafeBufferPointer<UInt8>, isFolder: Bool, key: [UInt8], to prefix: [UInt8]
  ) -> Bool {
    let rest = prefix.dropFirst(key.count)
    if name.starts(with: rest) { return true }
    guard isFolder else { return false }
    return rest.starts(with: name) && rest[rest.startIndex + name.count] == UInt8(ascii: "/")
  }

  subscript(index: Int) -> ArraySlice<UInt8> {
    bytes[(index == 0 ? 0 : ends[index - 1])..<ends[index]]
  }

  /// The indices of the names in byte order.
  func sorted() -> [Int] {
    bytes.withUnsafeBufferPointer { bytes in
      func range(_ index: Int) -> UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(rebasing: bytes[(index == 0 ? 0 : ends[index - 1])..<ends[index]])
      }
      return ends.indices.sorted { a, b in
        let (a, b) = (range(a), range(b))
        let order = memcmp(a.baseAddress!, b.baseAddress!, min(a.count, b.count))
        return order != 0 ? order < 0 : a.count < b.count
      }
    }
  }
}
