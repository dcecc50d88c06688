import Core
import Lake
import Project
import Stores

extension Workspace {
  /// What every source's log and every table's consumption say, read from the lake alone, and what
  /// lies there that nothing refers to. Changes nothing.
  ///
  /// - Throws: `PipelineError` `.unknownName`; a lake that cannot be read.
  public func state(pipelines names: [String]) throws -> StateReport {
    let pipelines = try planner.selected(names)
    var report = StateReport(sources: [], models: [], leftovers: [])
    for pipeline in pipelines {
      for source in pipeline.sources {
        let state = try lake.sourceLog(pipeline: pipeline.name, source: source.name).read()
        report.sources.append(
          SourceState(
            pipeline: pipeline.name, source: source.name, batch: state.number,
            fileCount: state.files.count, byteCount: state.byteCount))
      }
      var tables = pipeline.models.flatMap { model in
        model.tables.map { ($0, model.kind.rawValue) }
      }
      let quarantine = TableID(pipeline.name, QuarantineNames.table)
      let files = Leftovers(workspace: self, pipeline: pipeline)
      report.leftovers += try files.ofTables(tables.map(\.0) + [quarantine.model])
      report.leftovers += try files.ofExports()
      if try lake.catalog.load(quarantine) != nil {
        tables.append((QuarantineNames.table, "quarantine"))
      }
      for model in pipeline.models where model.ownsIndex {
        let index = IndexMaintainer(workspace: self, model: model)
        report.models.append(index.state)
        report.leftovers += try index.leftovers(files)
      }
      for (name, kind) in tables {
        report.models.append(try state(of: TableID(pipeline.name, name), kind: kind))
      }
    }
    if let local = lake.store as? LocalStore {
      report.leftovers += try local.temporaryFiles().map {
        Leftover(
          key: $0.object.key, byteCount: $0.object.byteCount,
          explanation: $0.isAbandoned
            ? "half-written by a process that was killed; goes with a later write to its folder"
            : "being written")
      }
    }
    report.leftovers += try Lease.all(in: lake.store).map { object, holder in
      Leftover(
        key: object.key, byteCount: object.byteCount,
        explanation: holder.map {
          "claimed by run \($0.run), which is at work or was killed; holds until \($0.until)"
        } ?? "claims nothing: it is no record of a lease")
    }
    report.leftovers += try lake.store.objects(below: LakeLayout.activeRunsPrefix).map {
      Leftover(
        key: $0.key, byteCount: $0.byteCount,
        explanation: "says that the run is at work; of a killed run, maintenance removes it "
          + "after the grace period")
    }
    report.leftovers += try lake.probesLeft().map {
      Leftover(
        key: $0.key, byteCount: $0.byteCount,
        explanation: "left by a run that was killed while it tried what the store can do")
    }
    return report
  }

  private func state(of id: TableID, kind: String) throws -> ModelState {
    var state = ModelState(
      pipeline: id.pipeline, model: id.model, kind: kind, version: nil, snapshot: nil,
      rowCount: 0, fileCount: 0, byteCount: 0, intervals: [], inputs: [], problem: nil)
    guard let table = try lake.catalog.load(id) else { return state }
    state.version = table.version
    state.snapshot = table.currentSnapshot?.id
    do {
      for file in try table.dataFiles() {
        state.rowCount += file.rowCount
        state.fileCount += 1
        state.byteCount += file.byteCount
      }
      guard let consumption = try table.consumption() else { return state }
      state.held = consumption.held.text
      state.inputs = consumption.inputs.sorted { $0.key < $1.key }.map {
        ($0.key, $0.value.summary)
      }
      state.intervals = consumption.intervals.sorted { $0.key < $1.key }.map { interval, entry in
        IntervalState(
          interval: interval, rowCount: entry.rowCount, run: entry.run,
          published: RunID(rawValue: entry.run)?.start ?? interval.end,
          objects: entry.objects.map { ($0.uri, $0.version) })
      }
    } catch let error as LakeError {
      state.problem = error.description
    }
    return state
  }
}

extension InputPosition {
  /// `batch 3`, `snapshot 81…`, `run …`, `nothing yet`.
  var summary: String {
    switch self {
    case .log(let number, _): "batch \(number)"
    case .snapshot(let id, _): "snapshot \(id)"
    case .interval(let run, _): "run \(run)"
    case .nothing: "nothing yet"
    }
  }
}

extension StateReport {
  /// One object a line of `state --json`: sources, tables, leftovers.
  public var jsonLines: [JSON] {
    sources.map { source in
      [
        "type": "source", "pipeline": .string(source.pipeline), "source": .string(source.source),
        "batch": .integer(Int64(source.batch)), "files": .integer(Int64(source.fileCount)),
        "bytes": .integer(source.byteCount),
      ]
    } + models.map(\.json)
      + leftovers.map { leftover in
        [
          "type": "leftover", "key": .string(leftover.key), "bytes": .integer(leftover.byteCount),
          "explanation": .string(leftover.explanation),
        ]
      }
  }
}

extension ModelState {
  var json: JSON {
    [
      "type": "table", "pipeline": .string(pipeline), "model": .string(model),
      "kind": .string(kind), "version": version.map { .integer(Int64($0)) } ?? .null,
      "snapshot": snapshot.map { .integer($0) } ?? .null, "rows": .integer(rowCount),
      "files": .integer(Int64(fileCount)), "bytes": .integer(byteCount),
      "inputs": .object(inputs.map { .init($0.name, .string($0.position)) }),
      "intervals": .array(
        intervals.map { state in
          [
            "interval": state.interval.json, "rows": .integer(state.rowCount),
            "run": .string(state.run), "published": .string(state.published.description),
            "objects": .array(
              state.objects.map {
                ["address": .string($0.address), "version": .string($0.version)]
              }),
          ]
        }),
      "held": held.map { .string($0) } ?? .null,
      "problem": problem.map { .string($0) } ?? .null,
    ]
  }
}
