import Core

/// The name of a table in a lake: pipeline and model.
public struct TableID: Sendable, Hashable, Comparable, CustomStringConvertible {
  public var pipeline: String
  public var model: String

  public init(pipeline: String, model: String) {
    self.pipeline = pipeline
    self.model = model
  }

  public init(_ pipeline: String, _ model: String) {
    self.init(pipeline: pipeline, model: model)
  }

  /// `pipeline.model`, as queries name it.
  public var description: String { "\(pipeline).\(model)" }

  public static func < (a: TableID, b: TableID) -> Bool {
    (a.pipeline, a.model) < (b.pipeline, b.model)
  }
}

/// Where everything of a lake is: the keys below its root. No key is spelled anywhere else.
public enum LakeLayout {
  /// Says that the store was probed, and which layout this is.
  public static let marker = "lake.json"
  /// What the store is tried with, once.
  static let probePrefix = "lake-probe-"
  public static let tablesPrefix = "tables/"
  public static let runsPrefix = "runs/"
  public static let activeRunsPrefix = "runs/active/"

  public static func table(_ id: TableID) -> String { "tables/\(id.pipeline)/\(id.model)" }

  public static func metadataPrefix(_ id: TableID) -> String { table(id) + "/metadata/" }

  /// `version` ≥ 1; not padded, as the Hadoop catalog names them.
  public static func metadata(_ id: TableID, version: Int) -> String {
    metadataPrefix(id) + "v\(version).metadata.json"
  }

  /// The version whose metadata has this key; nil for any other key.
  static func metadataVersion(of key: String, _ id: TableID) -> Int? {
    let start = metadataPrefix(id) + "v"
    let end = ".metadata.json"
    guard key.hasPrefix(start), key.hasSuffix(end) else { return nil }
    return Int(key.dropFirst(start.count).dropLast(end.count))
  }

  public static func versionHint(_ id: TableID) -> String {
    metadataPrefix(id) + "version-hint.text"
  }

  public static func dataPrefix(_ id: TableID) -> String { table(id) + "/data/" }

  /// The folder of one run's staged files; parts keep a run's computations apart. No final slash.
  public static func staging(_ id: TableID, run: RunID, part: String? = nil) -> String {
    let folder = dataPrefix(id) + run.rawValue
    guard let part else { return folder }
    return folder + "/" + safe(part)
  }

  public static func statePrefix(_ id: TableID) -> String {
    "state/\(id.pipeline)/\(id.model)/"
  }

  public static func consumption(_ id: TableID, hash: String) -> String {
    statePrefix(id) + hash + ".json.zst"
  }

  public static func changes(_ id: TableID, hash: String) -> String {
    statePrefix(id) + hash + ".changes.json.zst"
  }

  /// The folder, below the state's, of one computation's rows that say that keys are gone.
  static func deletions(run: RunID, part: String) -> String {
    "deletions/\(run.rawValue)/\(safe(part))"
  }

  public static func sourcePrefix(pipeline: String, source: String) -> String {
    "sources/\(pipeline)/\(source)/"
  }

  public static func landingPrefix(pipeline: String, source: String) -> String {
    "landing/\(pipeline)/\(source)/"
  }

  public static func run(_ run: RunID) -> String {
    "runs/date=\(run.dateText)/\(run.rawValue).json"
  }

  public static func activeRun(_ run: RunID) -> String { activeRunsPrefix + run.rawValue }

  public static func exportsPrefix(_ pipeline: String) -> String { "exports/\(pipeline)/" }

  /// Everything of a search index.
  public static func indexPrefix(_ id: TableID) -> String { "indexes/\(id.pipeline)/\(id.model)/" }

  public static func indexManifestPrefix(_ id: TableID) -> String { indexPrefix(id) + "manifest/" }

  /// `version` ≥ 1.
  public static func indexManifest(_ id: TableID, version: Int) -> String {
    indexManifestPrefix(id) + "v\(version).json"
  }

  /// The version of the manifest that has this key; nil for any other key.
  public static func indexManifestVersion(of key: String, _ id: TableID) -> Int? {
    let prefix = indexManifestPrefix(id) + "v"
    guard key.hasPrefix(prefix), key.hasSuffix(".json") else { return nil }
    return Int(key.dropFirst(prefix.count).dropLast(".json".count))
  }

  public static func indexSegmentsPrefix(_ id: TableID) -> String { indexPrefix(id) + "segments/" }

  /// A file of a segment; names are those in manifests.
  public static func indexFile(_ id: TableID, _ name: String) -> String {
    indexSegmentsPrefix(id) + name
  }

  static let leasesPrefix = "leases/"

  public static func lease(_ name: String) -> String { leasesPrefix + safe(name) }

  /// The text as one path segment: anything but letters, digits, `-`, `_`, `=` and `.` is `_`.
  static func safe(_ text: String) -> String {
    let kept = text.utf8.map { byte -> UInt8 in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"),
        UInt8(ascii: "="), UInt8(ascii: "."):
        byte
      default: UInt8(ascii: "_")
      }
    }
    let segment = String(decoding: kept, as: UTF8.self)
    return segment.allSatisfy { $0 == "." } ? segment.map { _ in "_" }.joined() + "_" : segment
  }
}
