import CDuckDB
import Core
import Stores
import Synchronization

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// How much of the machine DuckDB may use, and where.
public struct DuckDBSettings: Sendable {
  /// What its buffers may hold together, for all queries at once; nil is DuckDB's own default,
  /// four fifths of the memory.
  public var memoryBytes: Int64?
  /// Nil is one per core. Fewer are used where memory is short: DuckDB needs some 128 MB a thread.
  public var threads: Int?
  /// A folder for what does not fit in memory; used while the process lives.
  public var spillDirectory: String
  /// The folders whose files may be read and written; nil allows all. URIs as DuckDB sees them.
  public var allowedDirectories: [String]?
  /// How objects of S3 are read by range; nil where they are not.
  public var s3: S3Reading?
  /// About how large a file of `compute` gets before the next is begun.
  public var fileBytes: Int64

  public init(
    memoryBytes: Int64? = nil, threads: Int? = nil, spillDirectory: String = "/tmp",
    allowedDirectories: [String]? = nil, s3: S3Reading? = nil, fileBytes: Int64 = 512 << 20
  ) {
    self.memoryBytes = memoryBytes
    self.threads = threads
    self.spillDirectory = spillDirectory
    self.allowedDirectories = allowedDirectories
    self.s3 = s3
    self.fileBytes = fileBytes
  }

  /// How many threads the memory suffices for, of those wanted.
  var usableThreads: Int {
    let wanted = max(1, threads ?? sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    guard let memoryBytes else { return wanted }
    return max(1, min(wanted, Int(memoryBytes >> 27)))
  }

  /// How many bytes of rows a thread may gather before it writes a row group.
  var rowGroupBytes: Int64 {
    guard let memoryBytes else { return 64 << 20 }
    return max(4 << 20, min(64 << 20, memoryBytes / Int64(8 * usableThreads)))
  }
}

/// The one database of an engine, in memory. Queries run on connections of their own and share its
/// memory and its threads.
final class DuckDBInstance: @unchecked Sendable {
  // Written by init and deinit only.
  private var database: duckdb_database?
  private let spill: SpillFolder
  private let lastScope = Atomic<Int>(0)
  /// Whether the extension that reads S3 is there.
  private(set) var readsS3 = false
  /// What is known to DuckDB, by scope.
  let secrets = Mutex<[String: S3Access]>([:])

  init(_ settings: DuckDBSettings) throws {
    try DuckDBLibrary.load()
    spill = try SpillFolder(in: settings.spillDirectory)
    var options: [(String, String)] = [
      ("temp_directory", spill.path),
      ("autoinstall_known_extensions", "false"),
      ("autoload_known_extensions", "false"),
      ("allow_community_extensions", "false"),
      ("default_null_order", "nulls_first"),
      ("preserve_insertion_order", "false"),
      ("errors_as_json", "true"),
    ]
    options.append(("threads", "\(settings.usableThreads)"))
    if let bytes = settings.memoryBytes { options.append(("memory_limit", "\(bytes)B")) }
    database = try DuckDBInstance.open(options)
    do {
      try setUp(settings)
    } catch {
      duckdb_close(&database)
      throw error
    }
  }

  deinit {
    duckdb_close(&database)
    spill.remove()
  }

  private static func open(_ options: [(String, String)]) throws -> duckdb_database? {
    var config: duckdb_config?
    guard duckdb_create_config(&config) == 0 else {
      throw EngineError(.unavailable, "DuckDB gave no configuration")
    }
    defer { duckdb_destroy_config(&config) }
    for (name, value) in options where duckdb_set_config(config, name, value) != 0 {
      throw EngineError(.unavailable, "DuckDB does not take \(name) = \(value)", exitCode: 2)
    }
    var database: duckdb_database?
    var reason: UnsafeMutablePointer<CChar>?
    defer { duckdb_free(reason) }
    guard duckdb_open_ext(nil, &database, config, &reason) == 0 else {
      let text = reason.map { DuckDBMessage(String(cString: $0)).cleaned } ?? "no reason given"
      throw EngineError(.unavailable, "DuckDB does not start: \(text)", exitCode: 2)
    }
    return database
  }

  private func setUp(_ settings: DuckDBSettings) throws {
    let connection = try connect()
    try connection.run("SET GLOBAL TimeZone = 'UTC'")
    try BatchFunction.register(on: connection)
    try HashFunction.register(on: connection)
    if let s3 = settings.s3 { readsS3 = try s3.load(on: connection) }
    if let folders = settings.allowedDirectories {
      let all = (folders + [spill.path]).map(\.quotedLiteral).joined(separator: ", ")
      try connection.run("SET GLOBAL allowed_directories = [\(all)]")
      try connection.run("SET GLOBAL enable_external_access = false")
    }
    // The progress is asked for connection by connection.
    try connection.run(
      "SET GLOBAL allowed_configs = ['enable_progress_bar', 'enable_progress_bar_print']")
    try connection.run("SET GLOBAL lock_configuration = true")
  }

  func connect() throws -> DuckDBConnection { try DuckDBConnection(database!) }

  /// A name for a private catalog that no other query has.
  func freshCatalogName() -> String {
    "sluice_\(lastScope.add(1, ordering: .relaxed).newValue)"
  }
}
