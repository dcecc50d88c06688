import Core

/// What `sluice.yaml` says, for the profile in force.
struct ProjectFile {
  var lake: String
  var catalog: CatalogKind
  var engine: EngineSettings
  var cache: CacheSettings
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
        "catalog", .word, default: .storage, "How tables are found: 'storage', in the lake itself."),
      engine: keys.optional(
        "engine", .object(isOptional: true, engine), "Which engine computes, and with how much.")
        ?? engine(.placeholder),
      cache: keys.optional(
        "cache", .object(isOptional: true, cache), "Where fetched files are kept, and how many.")
        ?? cache(.placeholder),
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
