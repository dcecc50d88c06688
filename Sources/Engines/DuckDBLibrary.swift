import CDuckDB
import Core
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// DuckDB's C library, found and loaded once per process, when a query first needs it.
enum DuckDBLibrary {
  /// The one version whose behaviour the engine relies on.
  static let version = "1.5.5"

  /// The folder of the library that was loaded; nil where the system's search path led to it.
  private static let folder = Mutex<String?>(nil)

  /// The file of an extension that lies beside the library.
  static func extensionFile(_ name: String) -> String? {
    guard let folder = folder.withLock({ $0 }) else { return nil }
    let path = "\(folder)/\(name).duckdb_extension"
    return access(path, R_OK) == 0 ? path : nil
  }

  private static let loaded = Mutex<Swift.Result<Void, EngineError>?>(nil)

  /// Loads the library. A second call returns, or fails, as the first did.
  ///
  /// The order of search: the path in `SLUICE_DUCKDB`; `.deps/lib` in the folders above the
  /// executable; `../lib` beside it; the system's search path.
  ///
  /// - Throws: `.unavailable` when it is not there, lacks a function or has another version.
  static func load() throws(EngineError) {
    let result = loaded.withLock { known -> Swift.Result<Void, EngineError> in
      if let known { return known }
      let result = Swift.Result { () throws(EngineError) in try search() }
      known = result
      return result
    }
    try result.get()
  }

  private static func search() throws(EngineError) {
    let environment = getenv("SLUICE_DUCKDB").map { String(cString: $0) }
    var reason: String?
    for path in candidates(environment: environment, executable: executablePath()) {
      if path.contains("/") && access(path, R_OK) != 0 && path != environment { continue }
      let failure = open(path)
      guard let failure else {
        if path.contains("/") { folder.withLock { $0 = parent(of: path) } }
        return try checkVersion()
      }
      reason = "\(path): \(failure)"
      if path.contains("/") { break }
    }
    throw EngineError(
      .unavailable, "DuckDB's library cannot be loaded (\(reason ?? "no candidate"))",
      advice: "run scripts/fetch-duckdb, or name libduckdb \(version) in SLUICE_DUCKDB",
      exitCode: 2)
  }

  /// The paths to try, best first. A bare name goes through the system's search path.
  static func candidates(environment: String?, executable: String) -> [String] {
    #if canImport(Glibc)
      let name = "libduckdb.so"
    #else
      let name = "libduckdb.dylib"
    #endif
    if let environment, !environment.isEmpty { return [environment] }
    var paths: [String] = []
    var folder = parent(of: executable)
    let beside = parent(of: folder)
    while true {
      paths.append(folder == "/" ? "/.deps/lib/\(name)" : "\(folder)/.deps/lib/\(name)")
      if folder == "/" || folder.isEmpty { break }
      folder = parent(of: folder)
    }
    paths.append("\(beside == "/" ? "" : beside)/lib/\(name)")
    paths.append(name)
    return paths
  }

  private static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "" }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// The executable with symbolic links resolved.
  private static func executablePath() -> String {
    #if canImport(Glibc)
      let path = "/proc/self/exe"
    #else
      var size = UInt32(0)
      _NSGetExecutablePath(nil, &size)
      var buffer = [CChar](repeating: 0, count: Int(size) + 1)
      _NSGetExecutablePath(&buffer, &size)
      let path = buffer.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    #endif
    guard let resolved = realpath(path, nil) else { return path }
    defer { free(resolved) }
    return String(cString: resolved)
  }

  /// - Returns: Why the library at `path` is of no use; nil once it is loaded.
  private static func open(_ path: String) -> String? {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: 2048) { reason in
      sluice_duckdb_load(path, reason.baseAddress, reason.count).map { String(cString: $0) }
    }
  }

  private static func checkVersion() throws(EngineError) {
    let found = duckdb_library_version().map { String(cString: $0) } ?? ""
    guard found == "v\(version)" else {
      let file = sluice_duckdb_file().map { String(cString: $0) } ?? "the library found"
      throw EngineError(
        .unavailable, "\(file) is DuckDB \(found), and Sluice needs \(version)",
        advice: "run scripts/fetch-duckdb, or name another library in SLUICE_DUCKDB", exitCode: 2)
    }
  }
}
