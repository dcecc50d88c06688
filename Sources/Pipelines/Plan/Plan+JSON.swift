import Core

extension Plan {
  /// One object a line of `plan --json`: batches, then units, then notes, pipeline by pipeline.
  public var jsonLines: [JSON] { pipelines.flatMap(\.jsonLines) }
}

extension PipelinePlan {
  var jsonLines: [JSON] {
    let name = JSON.string(pipeline)
    let batches = batches.map { batch -> JSON in
      [
        "type": "batch", "pipeline": name, "source": .string(batch.source),
        "number": .integer(Int64(batch.number)), "added": .integer(Int64(batch.added)),
        "changed": .integer(Int64(batch.changed)), "removed": .integer(Int64(batch.removed)),
        "bytes": .integer(batch.byteCount), "landed": .boolean(batch.isLanded),
      ]
    }
    let units = units.map { unit -> JSON in
      [
        "type": "unit", "pipeline": name, "model": .string(unit.model),
        "interval": unit.interval?.json ?? .null, "action": .string(unit.action.name),
        "reason": unit.action.detail, "files": .integer(Int64(unit.fileCount)),
        "bytes": .integer(unit.byteCount),
        "exports": .array(
          unit.exports.map {
            [
              "name": .string($0.name), "reason": .string($0.reason),
              "destination": .string($0.destination),
            ]
          }),
      ]
    }
    let notes = notes.map { note -> JSON in
      ["type": "note", "pipeline": name, "text": .string(note)]
    }
    return batches + units + notes
  }
}

extension PlannedUnit.Action {
  /// `run`, `up to date`, `waiting`, `held`, `blocked`.
  public var name: String {
    switch self {
    case .run: "run"
    case .upToDate: "up to date"
    case .waiting: "waiting"
    case .held: "held"
    case .blocked: "blocked"
    }
  }

  var detail: JSON {
    switch self {
    case .run(let reason): .string(reason.description)
    case .upToDate: .null
    case .waiting(let missing): .array(missing.map { .string($0) })
    case .held(let why), .blocked(let why): .string(why)
    }
  }
}

extension Interval {
  /// `{"start": "2024-01-01T05:00:00Z", "end": …}`.
  public var json: JSON {
    ["start": .string(start.description), "end": .string(end.description)]
  }
}
