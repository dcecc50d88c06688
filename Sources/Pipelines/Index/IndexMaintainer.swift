import Core
import Lake
import Operators
import Project
import Stores

/// Keeps an index in shape: merges segments, and removes what no version of it needs.
struct IndexMaintainer {
  let workspace: Workspace
  let model: Model

  private var lake: Lake { workspace.lake }
  private var id: TableID { TableID(model.pipeline, model.name) }
  private var index: IndexStore { lake.index(id) }

  /// Never throws but when interrupted; what goes wrong is in the result.
  func maintain(_ run: ActiveRun, _ sweep: Sweep) throws -> TableMaintenance {
    try TableMaintenance.of(id, in: lake.store) { result in
      try merge(run, &result)
      return try removable(sweep)
    }
  }

  /// Merges what is worth it, as runs do; and brings the tables along.
  private func merge(_ run: ActiveRun, _ result: inout TableMaintenance) throws {
    let cancellation = workspace.context.cancellation
    let open = OpenIndex(index, cache: workspace.cache)
    for attempt in 1... {
      guard let base = try index.newest() else { return }
      var change = IndexChange(base)
      try change.merge(open, run: run.id, policy: MergePolicy(), workspace)
      let tables = IndexTables(workspace: workspace, model: model, run: run)
      guard change.merged > 0 else { return }
      change.manifest.version = base.version + 1
      try run.renewIfDue()
      let publication = tables.publication(
        of: change, version: change.manifest.version, open, cancellation: cancellation)
      var isCommitted = false
      do {
        try change.upload(to: index)
        _ = try publication.staged()
        _ = try publication.finish {
          try run.renewIfDue()
          change.manifest.written = workspace.context.clock.now()
          try run.checkMayPublish()
          _ = try index.commit(change.manifest, after: base)
          isCommitted = true
          result.compactedFiles = change.merged
          result.writtenFiles =
            change.manifest.segments.count - base.segments.count + change.merged
          result.compactedBytes =
            base.byteCount
            - Set(base.segments)
            .intersection(change.manifest.segments).reduce(0) { $0 + $1.file.byteCount }
        }
        return
      } catch {
        publication.stop()
        let code = (error as? LakeError)?.code
        // Where another run is at the tables, it or the next one finishes them.
        if isCommitted && code == .conflict { return }
        if !isCommitted && code != .ambiguous { try? change.discard(from: index) }
        guard code == .conflict && attempt < 20 else { throw error }
      }
    }
  }

  // MARK: - What nobody needs

  private struct Listing {
    var manifests: [(version: Int, object: Object)] = []
    var files: [Object] = []
  }

  private func listing() throws -> Listing {
    var listing = Listing()
    // Segments first: what a manifest names after that is younger than what is listed.
    listing.files = try lake.store.objects(below: LakeLayout.indexSegmentsPrefix(id))
    for object in try lake.store.objects(below: LakeLayout.indexManifestPrefix(id)) {
      guard let version = LakeLayout.indexManifestVersion(of: object.key, id) else { continue }
      listing.manifests.append((version, object))
    }
    listing.manifests.sort { $0.version < $1.version }
    return listing
  }

  /// Files that no version names which was the newest within the grace period, and versions that
  /// nobody can fall back to.
  private func removable(_ sweep: Sweep) throws -> [Object] {
    let listing = try listing()
    guard let newest = listing.manifests.last else { return listing.files.filter(sweep.isOld) }
    var recent = [try index.read(newest.version)]
    var old: [Object] = []
    for (manifest, next) in zip(listing.manifests, listing.manifests.dropFirst()) {
      if sweep.isOld(next.object) {
        if sweep.isOldMetadata(manifest.object) { old.append(manifest.object) }
        continue
      }
      recent.append(try index.read(manifest.version))
    }
    let needed = index.reachableKeys(recent)
    return listing.files.filter { !needed.contains($0.key) && sweep.isOld($0) } + old
  }

  // MARK: - What there is

  var state: ModelState {
    var state = ModelState(
      pipeline: id.pipeline, model: id.model, kind: "index", version: nil, snapshot: nil,
      rowCount: 0, fileCount: 0, byteCount: 0, intervals: [], inputs: [], problem: nil)
    do {
      guard let manifest = try index.newest() else { return state }
      state.version = manifest.version
      state.rowCount = Int64(manifest.documentCount)
      state.fileCount = manifest.segments.reduce(0) { $0 + $1.files.count }
      state.byteCount = manifest.byteCount
      state.inputs = manifest.consumption.inputs.sorted { $0.key < $1.key }.map {
        ($0.key, $0.value.summary)
      }
    } catch {
      state.problem = "\(error)"
    }
    return state
  }

  /// Files that no version of the index names.
  func leftovers(_ others: Leftovers) throws -> [Leftover] {
    let listing = try listing()
    let active = Set(try lake.history.active())
    let needed = index.reachableKeys(try listing.manifests.map { try index.read($0.version) })
    return try listing.files.filter { !needed.contains($0.key) }.map { object in
      let name = object.key.dropFirst(LakeLayout.indexSegmentsPrefix(id).count)
      return Leftover(
        key: object.key, byteCount: object.byteCount,
        explanation: try others.explanation(ofFileOf: String(name.prefix(31)), active))
    }
  }
}
