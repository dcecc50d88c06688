import Core
import Engines
import Lake
import Project
import Stores
import Synchronization
import Transport

/// A loaded project with everything that working on it needs. Making one reads nothing, and the
/// engine is loaded only when something is to be computed or parsed.
public final class Workspace: Sendable {
  public let project: Project
  public let context: Context
  let lake: Lake
  let opener: StoreOpener
  let engine: any Engine
  let cache: ObjectCache
  let addresses: Addresses
  let landed = LandingTally()
  private let scratch = Mutex<SpillFolder?>(nil)

  /// The surroundings of a run, injected.
  public struct Context: Sendable {
    public var clock: Clock
    public var log: Log
    public var progress: any ProgressSink
    public var cancellation: Cancellation
    /// What one commit of an incremental model holds at most (rule 4).
    public var limits = BatchLimits.standard

    public init(
      clock: Clock = .system, log: Log = .silent, progress: any ProgressSink = SilentProgress(),
      cancellation: Cancellation = Cancellation()
    ) {
      self.clock = clock
      self.log = log
      self.progress = progress
      self.cancellation = cancellation
    }
  }

  /// - Throws: `StoreError` `.badAddress` for a lake that no store can hold.
  public convenience init(project: Project, context: Context) throws {
    // Rule 25: SQL reaches the lake's files and nothing else of this machine but the folders of
    // Parquet sources. Other sources come in as validated batches, and exports leave through the
    // spill folder.
    let settings = DuckDBSettings(
      memoryBytes: project.engine.memoryBytes, threads: project.engine.threads,
      spillDirectory: project.engine.spill,
      allowedDirectories: [project.lake, project.engine.spill, project.cache.path]
        + project.parquetFolders,
      s3: project.lake.hasPrefix("s3://")
        ? S3Reading(certificateFile: StoreOpener.shared.s3CertificateFile) : nil)
    let cache = ObjectCache(
      directory: project.cache.path, maximumByteCount: project.cache.maxBytes)
    let engine = RemoteEngine(
      DuckDBEngine(settings: settings), opener: .shared, cache: cache,
      scratch: project.engine.spill)
    try self.init(
      project: project, context: context, opener: .shared, engine: engine, cache: cache)
  }

  package init(
    project: Project, context: Context, opener: StoreOpener, engine: any Engine,
    cache: ObjectCache, lakeStore: (any Store)? = nil
  ) throws {
    self.project = project
    self.context = context
    self.opener = opener
    self.engine = engine
    var store = try lakeStore ?? opener.open(project.lake)
    if case .rest = project.catalog { store = LendingStore(store, opener: opener) }
    lake = Lake(
      store: store, clock: context.clock,
      catalog: project.catalog.catalog(in: store, opener: opener, clock: context.clock))
    self.cache = cache
    addresses = Addresses(
      folder: project.directory, sources: project.pipelines.flatMap(\.sources))
  }

  deinit { scratch.withLock { $0?.remove() } }

  var planner: Planner { Planner(self) }

  /// This process's folder for temporary files, below the engine's spill folder. Gone in the end; a
  /// killed process's goes when the next one makes its own.
  ///
  /// - Throws: `EngineError` where the spill folder cannot be used.
  func scratchFolder() throws -> String {
    try scratch.withLock { folder in
      let own = try folder ?? SpillFolder(in: project.engine.spill)
      folder = own
      return own.path
    }
  }

  /// Where the bytes of a file of a source are: its landed copy, else its origin.
  ///
  /// - Throws: `LakeError` `.missing` where the copy is gone.
  func locate(
    _ file: LoggedFile, of source: String, in pipeline: String
  ) throws -> (store: any Store, object: Object) {
    if let copy = try lake.landing(pipeline: pipeline, source: source).copy(of: file.file) {
      return (copy.store, copy.object)
    }
    let (store, key) = try opener.locate(addresses.addressToOpen(file.key))
    return (
      store, Object(key: key, byteCount: file.byteCount, version: Version(file.version))
    )
  }

  /// What a run would do and why. Changes nothing.
  ///
  /// - Throws: Configuration errors (exit code 2); a lake that cannot be read. What concerns single
  ///   models is in the plan, as `.blocked`.
  public func plan(_ selection: Selection) throws -> Plan { try planner.plan(selection) }

  /// Puts what is new at the sources into their logs, and nothing else; for measurements.
  package func appendNews() throws {
    try lake.probe()
    for view in try planner.survey(Selection()).sources.values {
      _ = try planner.sourcePlanner.append(view)
    }
  }

  /// Plans and carries out what is pending.
  ///
  /// - Returns: What became of each unit; failures of units are in there.
  /// - Throws: When nothing could be planned, as `plan` does.
  public func run(_ selection: Selection) throws -> RunReport {
    try Runner(self, selection).run()
  }

  /// Parses every query and finds every input.
  ///
  /// - Throws: All mistakes at once, exit code 2.
  public func validate(pipelines: [String]) throws {
    let selected = try planner.selected(pipelines)
    let library = QueryLibrary(remembered: [:], parse: planner.parse)
    let graph = try planner.graph(of: Set(selected.map(\.name)), library: library)
    let names = Set(selected.map(\.name))
    for node in graph.nodes where names.contains(node.model.pipeline) {
      try planner.checkRowwise(node)
    }
  }
}

extension CatalogSettings {
  /// The catalog that the project names; nil for the lake's own.
  fileprivate func catalog(
    in store: any Store, opener: StoreOpener, clock: Clock
  ) -> (any Catalog)? {
    guard case .rest(let settings) = self else { return nil }
    var identity = RestSettings.Identity.nobody
    var aws: (any AWSCredentialSource)?
    if let token = settings.token {
      identity = .bearer(token)
    } else if let credential = settings.credential, let colon = credential.firstIndex(of: ":") {
      identity = .client(
        id: String(credential[..<colon]),
        secret: String(credential[credential.index(after: colon)...]),
        endpoint: settings.oauthURI, scope: settings.scope)
    } else if let service = settings.sigV4Service, let region = settings.region {
      identity = .aws(service: service, region: region)
      aws = AWSCredentialChain(environment: AWSEnvironment(variable: processEnvironment))
    }
    return RestCatalog(
      RestSettings(
        uri: settings.uri, warehouse: settings.warehouse, prefix: settings.prefix,
        identity: identity),
      store: store, opener: opener, clock: clock, policy: RetryPolicy(clock: clock), aws: aws)
  }
}

extension Project {
  /// Where Parquet files of sources are read in place.
  fileprivate var parquetFolders: [String] {
    pipelines.flatMap(\.sources).filter { $0.format == .parquet }.compactMap { source in
      let location =
        switch source.origin {
        case .files(let settings): settings.glob
        case .intervals(let settings): settings.uri.text
        }
      let path = location.hasPrefix("file://") ? String(location.dropFirst(7)) : location
      guard path.hasPrefix("/") else { return nil }
      let fixed = path.prefix { !"*?{".contains($0) }
      return fixed.lastIndex(of: "/").map { String(fixed[...$0]) }
    }
  }
}
