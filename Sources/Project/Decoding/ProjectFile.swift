import Core

/// What `sluice.yaml` says, for the profile in force.
struct ProjectFile {
  var lake: String
  var catalog: CatalogSettings
  var engine: EngineSettings
  var cache: CacheSettings
  var maintenance: MaintenanceSettings
  var leases: Bool

  static let lakeDefault = "lake"

  /// The keys that a profile may replace.
  static func settings(_ keys: Keys) -> ProjectFile {
    ProjectFile(
      lake: keys.optional(
        "lake", .location, default: lakeDefault,
        "Where tables live: a folder, or a URI such as s3://bucket/lake or gs://bucket/lake. Relative to this file."
      ),
      catalog: keys.optional(
        "catalog", CatalogSettings.form, default: .storage,
        "How tables are found: 'storage', in the lake itself, or an Iceberg REST catalog."),
      engine: keys.optional(
        "engine", .object(isOptional: true, engine), "Which engine computes, and with how much.")
        ?? engine(.placeholder),
      cache: keys.optional(
        "cache", .object(isOptional: true, cache), "Where fetched files are kept, and how many.")
        ?? cache(.placeholder),
      maintenance: keys.optional(
        "maintenance", .object(isOptional: true, maintenance), "How tables are kept in shape.")
        ?? MaintenanceSettings(),
      leases: keys.optional(
        "leases", .boolean, default: true,
        "Whether runs claim what they compute, so that of two at once one waits for the other."))
  }

  private static func engine(_ keys: Keys) -> EngineSettings {
    EngineSettings(
      use: keys.optional("use", .word, default: .duckdb, "The engine."),
      memoryBytes: keys.optional(
        "memory", .size, "The most memory it may use, such as 4GB; left out, the engine decides."),
      threads: keys.optional(
        "threads", .integer(1...1024), "Threads at once; left out, one for each processor.")
        ?? FileSystem.processorCount,
      spill: keys.optional(
        "spill", .localPath, default: ".sluice/spill",
        "A folder for what does not fit in memory. Relative to this file."))
  }

  private static func maintenance(_ keys: Keys) -> MaintenanceSettings {
    var settings = MaintenanceSettings()
    settings.isAutomatic = keys.optional(
      "auto", .boolean, default: true,
      "Whether a run maintains the tables that it has published, once they are due.")
    settings.commitCount = keys.optional(
      "after", .integer(1...1_000_000), default: settings.commitCount,
      "The number of commits after which a table is due.")
    settings.smallByteCount = keys.optional(
      "small", .size, default: settings.smallByteCount, written: "128MB",
      "Files below this size are compacted.")
    settings.targetByteCount = keys.optional(
      "target", .size, default: settings.targetByteCount, written: "512MB",
      "About how large compacted files are.")
    settings.snapshotSeconds = keys.seconds(
      "keep", default: settings.snapshotSeconds, written: "5d",
      "How long snapshots stay once they are not the newest any more.")
    settings.snapshotCount = keys.optional(
      "snapshots", .integer(1...1_000_000), default: settings.snapshotCount,
      "How many of the newest snapshots stay, however old.")
    settings.graceSeconds = keys.seconds(
      "grace", default: settings.graceSeconds, written: "24h",
      "How long files stay that nothing refers to; a run may take half of it.")
    settings.maximumLagSeconds = keys.seconds(
      "max_lag", default: settings.maximumLagSeconds, written: "7d",
      "How long history stays that another table has still to read.")
    return settings
  }

  private static func cache(_ keys: Keys) -> CacheSettings {
    CacheSettings(
      path: keys.optional(
        "path", .localPath, default: ".sluice/cache",
        "A folder for fetched files. Relative to this file."),
      maxBytes: keys.optional(
        "max", .size, default: 20_000_000_000, written: "20GB",
        "The most it may hold; the least recently used goes first."))
  }

  /// All keys of the file.
  static var form: Form<ProjectFile> {
    .object(isOptional: true) { keys in
      let file = settings(keys)
      _ = keys.optional("profile", .text, "The profile in force where --profile names none.")
      _ = keys.optional(
        "profiles", .named("profile", .object(isOptional: true, settings)),
        "By name, what replaces the settings above; mappings are merged key by key.")
      return file
    }
  }
}

extension YAMLNode {
  /// This mapping with what `other` says laid over it, level by level.
  func merged(with other: YAMLNode) -> YAMLNode {
    if other.isNull && mapping != nil { return self }
    guard var entries = mapping, let overlay = other.mapping else { return other }
    for entry in overlay {
      if let index = entries.firstIndex(where: { $0.key == entry.key }) {
        entries[index].value = entries[index].value.merged(with: entry.value)
      } else {
        entries.append(entry)
      }
    }
    return YAMLNode(content: .mapping(entries), mark: mark)
  }

  /// This mapping without some of its keys.
  func without(_ keys: Set<String>) -> YAMLNode {
    guard let entries = mapping else { return self }
    return YAMLNode(content: .mapping(entries.filter { !keys.contains($0.key) }), mark: mark)
  }
}

extension Keys {
  /// A duration in seconds, rounded up: less than one is one.
  fileprivate func seconds(
    _ name: String, default value: Int64, written: JSON, _ documentation: String
  ) -> Int64 {
    let milliseconds = optional(
      name, .positiveDuration, default: value * 1000, written: written, documentation)
    return (milliseconds + 999) / 1000
  }
}
