import Core

/// Everything the project files say, checked, with every default filled in.
public struct Project: Sendable {
  /// Absolute path of the folder that holds `sluice.yaml`.
  public var directory: String
  /// Where tables live: an absolute path, or a URI such as `s3://bucket/lake`.
  public var lake: String
  public var catalog: CatalogSettings
  public var engine: EngineSettings
  public var cache: CacheSettings
  public var maintenance: MaintenanceSettings
  /// Whether runs claim what they compute, so that two at once rarely do the same work.
  public var leases: Bool
  /// The profile in force; nil where the project has none.
  public var profile: String?
  /// By name.
  public var pipelines: [Pipeline]

  public init(
    directory: String, lake: String, catalog: CatalogSettings, engine: EngineSettings,
    cache: CacheSettings, maintenance: MaintenanceSettings = MaintenanceSettings(),
    leases: Bool = true, profile: String?, pipelines: [Pipeline]
  ) {
    self.directory = directory
    self.lake = lake
    self.catalog = catalog
    self.engine = engine
    self.cache = cache
    self.maintenance = maintenance
    self.leases = leases
    self.profile = profile
    self.pipelines = pipelines
  }

  public subscript(pipeline name: String) -> Pipeline? { pipelines.first { $0.name == name } }
}

/// How tables are found and committed.
public enum CatalogSettings: Sendable, Hashable {
  public enum Kind: String, Sendable, CaseIterable { case storage, rest }

  /// Metadata files in the lake itself.
  case storage
  /// A server that speaks Iceberg's REST protocol.
  case rest(RestCatalogSettings)
}

/// Where an Iceberg REST catalog is, and who asks.
public struct RestCatalogSettings: Sendable, Hashable {
  public var uri: String
  public var warehouse: String?
  public var prefix: String?
  /// A bearer token.
  public var token: String?
  /// `id:secret`, for OAuth 2 client credentials.
  public var credential: String?
  /// The token endpoint; nil is the catalog's own.
  public var oauthURI: String?
  public var scope: String
  /// The service that requests are signed for with AWS credentials: `glue`, `s3tables`.
  public var sigV4Service: String?
  public var region: String?

  public init(
    uri: String, warehouse: String? = nil, prefix: String? = nil, token: String? = nil,
    credential: String? = nil, oauthURI: String? = nil, scope: String = "catalog",
    sigV4Service: String? = nil, region: String? = nil
  ) {
    self.uri = uri
    self.warehouse = warehouse
    self.prefix = prefix
    self.token = token
    self.credential = credential
    self.oauthURI = oauthURI
    self.scope = scope
    self.sigV4Service = sigV4Service
    self.region = region
  }
}

/// Which engine computes, and with how much of the machine.
public struct EngineSettings: Sendable, Hashable {
  public enum Kind: String, Sendable, CaseIterable { case duckdb }
  public var use: Kind
  /// Nil leaves it to the engine.
  public var memoryBytes: Int64?
  public var threads: Int
  /// Absolute path of the directory for what does not fit in memory.
  public var spill: String

  public init(use: Kind, memoryBytes: Int64?, threads: Int, spill: String) {
    self.use = use
    self.memoryBytes = memoryBytes
    self.threads = threads
    self.spill = spill
  }
}

/// The content-addressed cache of fetched objects.
public struct CacheSettings: Sendable, Hashable {
  /// Absolute path.
  public var path: String
  public var maxBytes: Int64

  public init(path: String, maxBytes: Int64) {
    self.path = path
    self.maxBytes = maxBytes
  }
}

/// How tables are kept in shape.
public struct MaintenanceSettings: Sendable, Hashable {
  /// Whether a run maintains the tables that it has published, once they are due.
  public var isAutomatic = true
  /// A table is due after so many commits.
  public var commitCount = 50
  /// Files below this are compacted.
  public var smallByteCount: Int64 = 128_000_000
  /// Compacted files are about this large.
  public var targetByteCount: Int64 = 512_000_000
  /// How long snapshots stay once they are not the newest any more.
  public var snapshotSeconds: Int64 = 5 * 86_400
  /// So many snapshots stay, however old.
  public var snapshotCount = 10
  /// What nothing refers to stays for so long; a run may take half of it.
  public var graceSeconds: Int64 = 86_400
  /// History that another table has still to read stays for so long.
  public var maximumLagSeconds: Int64 = 7 * 86_400

  public init() {}
}

/// What the command line and the process contribute to a project.
public struct LoadOptions: Sendable {
  /// The folder of `sluice.yaml`; nil looks in the working directory and its parents.
  public var directory: String?
  /// Absolute. Relative `directory` and `lake` start here, and messages name files relative to it.
  public var workingDirectory: String
  /// Nil takes the one that `sluice.yaml` names.
  public var profile: String?
  /// Replaces the project's lake.
  public var lake: String?
  /// `--set name=value`, in order; a later one wins.
  public var settings: [(String, String)]
  public var environment: [String: String]
  /// What `now` means in `interval.default`.
  public var now: Instant

  public init(
    directory: String? = nil, workingDirectory: String, profile: String? = nil,
    lake: String? = nil, settings: [(String, String)] = [], environment: [String: String] = [:],
    now: Instant
  ) {
    self.directory = directory
    self.workingDirectory = workingDirectory
    self.profile = profile
    self.lake = lake
    self.settings = settings
    self.environment = environment
    self.now = now
  }
}
