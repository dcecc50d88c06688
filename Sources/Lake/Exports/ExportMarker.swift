import Core
import Stores

/// What `_SUCCESS` says of a finished export.
public struct ExportMarker: Sendable, Hashable {
  public struct File: Sendable, Hashable {
    /// Beside the marker.
    public var name: String
    public var byteCount: Int64
    public var sha256: String
  }

  public var files: [File]
  public var interval: Interval?
  /// The state of the table that was exported: its consumption's hash, or what the caller uses.
  public var state: String
  /// The fingerprint of the export's definition.
  public var definition: String
  public var run: String
  public var rowCount: Int64

  public init(
    files: [File] = [], interval: Interval?, state: String, definition: String, run: String,
    rowCount: Int64
  ) {
    self.files = files
    self.interval = interval
    self.state = state
    self.definition = definition
    self.run = run
    self.rowCount = rowCount
  }

  static let formatVersion: Int64 = 1

  var json: JSON {
    var members: [JSON.Member] = [.init("format", .integer(ExportMarker.formatVersion))]
    members.append(
      .init(
        "files",
        .array(
          files.map {
            [
              "name": .string($0.name), "bytes": .integer($0.byteCount),
              "sha256": .string($0.sha256),
            ]
          })))
    if let interval {
      members.append(
        .init(
          "interval",
          [
            "start": .string(interval.start.description),
            "end": .string(interval.end.description),
            "start_us": .integer(interval.start.microseconds),
            "end_us": .integer(interval.end.microseconds),
          ]))
    }
    members += [
      .init("rows", .integer(rowCount)), .init("state", .string(state)),
      .init("definition", .string(definition)), .init("run", .string(run)),
    ]
    return .object(members)
  }

  /// Nil for a marker that is not Sluice's: an empty `_SUCCESS` of another program.
  init?(parsing bytes: [UInt8]) {
    guard let json = try? JSON(parsing: bytes), json["format"]?.integer != nil,
      let items = json["files"]?.array
    else { return nil }
    var interval: Interval?
    if let start = json["interval"]?["start_us"]?.integer,
      let end = json["interval"]?["end_us"]?.integer, start < end
    {
      interval = Interval(
        start: Instant(microseconds: start), end: Instant(microseconds: end))
    }
    self.init(
      files: items.compactMap { item in
        guard let name = item["name"]?.string else { return nil }
        return File(
          name: name, byteCount: item["bytes"]?.integer ?? 0,
          sha256: item["sha256"]?.string ?? "")
      },
      interval: interval, state: json["state"]?.string ?? "",
      definition: json["definition"]?.string ?? "", run: json["run"]?.string ?? "",
      rowCount: json["rows"]?.integer ?? 0)
  }
}

/// One export's folder: content-named files, and a marker that names the ones that count (rule 17).
public struct ExportFolder: Sendable {
  private let store: any Store
  /// The folder's key, without a final slash; empty for the store's root.
  private let folder: String

  public init(store: any Store, folder: String) {
    self.store = store
    self.folder = folder
  }

  public static let markerName = "_SUCCESS"

  /// Whether `publish` gives files such names: stem, 16 digits of a digest, suffix.
  public static func isContentName(_ name: String, stem: String) -> Bool {
    guard name.hasPrefix(stem + "-") else { return false }
    let rest = name.dropFirst(stem.count + 1)
    return rest.prefix(16).count { $0.isHexDigit } == 16 && rest.dropFirst(16).first == "."
  }

  private func key(_ name: String) -> String { folder.isEmpty ? name : "\(folder)/\(name)" }

  /// - Returns: What the marker says; nil where there is no marker of Sluice's.
  public func marker() throws -> ExportMarker? {
    try store.get(key(ExportFolder.markerName)).flatMap { ExportMarker(parsing: $0.bytes) }
  }

  /// Whether the files that a marker names are there, in the right sizes.
  public func isComplete(_ marker: ExportMarker) throws -> Bool {
    try marker.files.allSatisfy { file in
      try store.head(key(file.name))?.byteCount == file.byteCount
    }
  }

  /// Puts files in place of those that the marker names now: the files first, then the marker by
  /// compare-and-swap, then the old files go.
  ///
  /// - Parameters:
  ///   - local: Paths of finished local files.
  ///   - stem: The files' names begin with it: `top_pages` gives `top_pages-1f9c….csv.gz`.
  ///   - suffix: `.csv.gz`.
  ///   - marker: Without files.
  ///   - decide: Asked with the marker in place, again after every lost swap; false stops, and
  ///     what others published stays.
  /// - Returns: The marker that is in place now.
  public func publish(
    _ local: [String], stem: String, suffix: String, marker: ExportMarker,
    decide: (ExportMarker?) throws -> Bool
  ) throws -> ExportMarker {
    var wanted = marker
    wanted.files = try local.map { path in
      let (hash, byteCount) = try LocalFile.sha256(path)
      return .init(
        name: "\(stem)-\(hash.prefix(16))\(suffix)", byteCount: byteCount, sha256: hash)
    }
    let text = Array((wanted.json.text(indented: true) + "\n").utf8)
    while true {
      let present = try store.get(key(ExportFolder.markerName))
      let current = present.flatMap { ExportMarker(parsing: $0.bytes) }
      guard try decide(current) else {
        try dropUnnamed(wanted.files, by: current)
        return current ?? wanted
      }
      // Within the loop: another run may have replaced this content and taken the file away.
      for (path, file) in zip(local, wanted.files) { try put(path, file) }
      do {
        _ = try store.put(
          key(ExportFolder.markerName), .bytes(text),
          present.map { .matches($0.object.version) } ?? .absent)
      } catch let error as StoreError where error.code == .conditionFailed {
        if try store.get(key(ExportFolder.markerName))?.bytes == text { return wanted }
        continue
      }
      let named = try self.marker()
      try dropUnnamed(current?.files ?? [], by: named)
      // A run that had replaced this very content before may have cleared it away just now.
      if named?.files == wanted.files {
        for (path, file) in zip(local, wanted.files) { try put(path, file) }
      }
      return wanted
    }
  }

  private func put(_ path: String, _ file: ExportMarker.File) throws {
    if try store.head(key(file.name))?.byteCount == file.byteCount { return }
    _ = try store.put(key(file.name), .file(path: path), .always)
  }

  private func dropUnnamed(_ files: [ExportMarker.File], by marker: ExportMarker?) throws {
    let kept = Set((marker?.files ?? []).map(\.name))
    let gone = files.map(\.name).filter { !kept.contains($0) }
    if !gone.isEmpty { try store.delete(gone.map(key)) }
  }
}
