import Core
import Lake
import Project
import Stores

/// Finds the files of one pipeline that nothing refers to, and says why they are there: what killed
/// runs and lost commits leave behind. Changes nothing.
struct Leftovers {
  let workspace: Workspace
  let pipeline: Pipeline

  private var lake: Lake { workspace.lake }

  // MARK: - Tables

  /// - Parameter tables: Names; one that was never published has leftovers only.
  func ofTables(_ tables: [String]) throws -> [Leftover] {
    let active = Set(try lake.history.active())
    var found: [Leftover] = []
    for name in tables {
      let id = TableID(pipeline.name, name)
      let table = try lake.catalog.load(id)
      let needed = try table?.reachableKeys() ?? []
      for prefix in [LakeLayout.table(id) + "/", LakeLayout.statePrefix(id)] {
        try lake.store.list(prefix: prefix) { page in
          for object in page where !needed.contains(object.key) {
            found.append(
              Leftover(
                key: object.key, byteCount: object.byteCount,
                explanation: try explanation(of: object.key, id, active)))
          }
        }
      }
    }
    return found
  }

  private func explanation(
    of key: String, _ id: TableID, _ active: Set<RunID>
  ) throws -> String {
    let data = LakeLayout.dataPrefix(id)
    guard key.hasPrefix(data) else {
      return "written for a commit that did not come to pass"
    }
    let folder = key.dropFirst(data.count).prefix { $0 != "/" }
    return try explanation(ofFileOf: String(folder), active)
  }

  /// - Parameter name: A run's, as the file's folder or name has it.
  func explanation(ofFileOf name: String, _ active: Set<RunID>) throws -> String {
    guard let run = RunID(rawValue: name) else { return "no run's file" }
    if active.contains(run) { return "staged by run \(run), which is at work or was killed" }
    if let record = try lake.history.read(run) {
      return "staged by run \(run), which ended as '\(record["status"]?.string ?? "unknown")'"
    }
    return "staged by run \(run), which left no record"
  }

  // MARK: - Exports

  /// Files of exports that no marker names. What others keep beside them is none of ours.
  func ofExports() throws -> [Leftover] {
    try exportFiles().map { file in
      Leftover(
        key: address(of: file.object, file.root), byteCount: file.object.byteCount,
        explanation: file.isFinished
          ? "written for export '\(file.export)', and replaced"
          : "written for export '\(file.export)', which did not finish")
    }
  }

  /// A file in an export's folder that its marker does not name.
  struct ExportFile {
    var export: String
    /// The store's root, as the project says it.
    var root: String
    var store: any Store
    var object: Object
    /// Whether there is a marker.
    var isFinished: Bool
  }

  func exportFiles() throws -> [ExportFile] {
    try pipeline.exports.flatMap { export -> [ExportFile] in
      let root = export.to.folderOfAll
      let store = try workspace.opener.open(root)
      var folders: [String: [Object]] = [:]
      try store.list(prefix: "") { page in
        for object in page {
          let (folder, name) = split(object.key)
          if name == ExportFolder.markerName
            || ExportFolder.isContentName(name, stem: export.model)
          {
            folders[folder, default: []].append(object)
          }
        }
      }
      return try folders.sorted { $0.key < $1.key }.flatMap { folder, objects in
        try unnamed(objects, in: folder, of: store).map { object, isFinished in
          ExportFile(
            export: export.name, root: root, store: store, object: object, isFinished: isFinished)
        }
      }
    }
  }

  private func unnamed(
    _ objects: [Object], in folder: String, of store: any Store
  ) throws -> [(Object, isFinished: Bool)] {
    let hasMarker = objects.contains { split($0.key).name == ExportFolder.markerName }
    // One file and a marker is what a finished export looks like; years of hours are not all read.
    if hasMarker && objects.count <= 2 { return [] }
    let marker = try ExportFolder(store: store, folder: folder).marker()
    let named = Set((marker?.files ?? []).map(\.name) + [ExportFolder.markerName])
    return objects.filter { !named.contains(split($0.key).name) }.map { ($0, marker != nil) }
  }

  private func split(_ key: String) -> (folder: String, name: String) {
    guard let slash = key.lastIndex(of: "/") else { return ("", key) }
    return (String(key[..<slash]), String(key[key.index(after: slash)...]))
  }

  /// Relative to the lake, where it is in the lake.
  private func address(of object: Object, _ root: String) -> String {
    let full = (root.hasSuffix("/") ? root : root + "/") + object.key
    let lakeRoot = lake.root.hasSuffix("/") ? lake.root : lake.root + "/"
    return full.hasPrefix(lakeRoot) ? String(full.dropFirst(lakeRoot.count)) : full
  }
}

extension Export.Destination {
  /// The folder that holds the exports of all intervals.
  var folderOfAll: String {
    let all = expand(partition: "\u{0}")
    guard let cut = all.firstIndex(of: "\u{0}") else { return all }
    let before = all[..<cut]
    return String(before[..<(before.lastIndex(of: "/") ?? before.endIndex)])
  }
}
