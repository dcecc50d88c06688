#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The few file operations that reading a project takes.
enum FileSystem {
  struct Entry {
    var name: String
    var isDirectory: Bool
  }

  /// What the system said, e.g. `Permission denied`.
  struct Refusal: Error {
    let message: String
    let isMissing: Bool

    init(_ code: Int32) {
      message = String(cString: strerror(code))
      isMissing = code == ENOENT || code == ENOTDIR
    }
  }

  /// Whether something is there, and whether it is a directory. Calls `stat`, so links are followed.
  static func kind(of path: String) -> (exists: Bool, isDirectory: Bool) {
    var status = stat()
    guard stat(path, &status) == 0 else { return (false, false) }
    return (true, status.st_mode & S_IFMT == S_IFDIR)
  }

  /// The entries of a directory in byte order of their names; hidden ones are left out.
  static func entries(of directory: String) throws(Refusal) -> [Entry] {
    guard let stream = opendir(directory) else { throw Refusal(errno) }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
        tuple.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: tuple.pointee))
        { String(cString: $0) }
      }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.map { name in
      Entry(name: name, isDirectory: kind(of: "\(directory)/\(name)").isDirectory)
    }
  }

  /// Reads a whole file, but stops after `limit` bytes and one.
  static func read(_ path: String, limit: Int) throws(Refusal) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Refusal(errno) }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while bytes.count <= limit {
      #if canImport(Glibc)
        let count = Glibc.read(descriptor, &buffer, buffer.count)
      #else
        let count = Darwin.read(descriptor, &buffer, buffer.count)
      #endif
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw Refusal(errno) }
      if count == 0 { break }
      bytes += buffer[..<count]
    }
    return bytes
  }

  static var processorCount: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }
}
