import Core

extension RunReport {
  /// The record kept under `runs/`, and what `history` shows. docs/formats/runs.md describes it.
  public var json: JSON {
    [
      "format": 1, "run": .string(run), "status": .string(status.rawValue),
      "started": .string(started.description), "finished": .string(finished.description),
      "transfers": [
        "requests": .integer(Int64(transfers.requests)),
        "retries": .integer(Int64(transfers.retries)),
        "bytes_received": .integer(transfers.bytesReceived),
        "bytes_sent": .integer(transfers.bytesSent),
      ],
      "landed": [
        "files": .integer(Int64(landed.fileCount)), "bytes": .integer(landed.byteCount),
      ],
      "units": .array(units.map(\.json)), "notes": .array(notes.map { .string($0) }),
    ]
  }
}

extension UnitResult {
  public var json: JSON {
    [
      "type": "unit", "pipeline": .string(pipeline), "model": .string(model),
      "interval": interval?.json ?? .null, "status": .string(status.rawValue),
      "reason": .string(reason), "rows": .integer(rowCount), "rows_read": .integer(rowsRead),
      "quarantined": .integer(quarantined), "dropped": .integer(dropped),
      "bytes_read": .integer(bytesRead), "bytes_written": .integer(bytesWritten),
      "attempts": .integer(Int64(attempts)), "checks": .array(checks.map(\.json)),
      "exports": .array(exports.map(\.json)),
      "seconds": .object(
        seconds.map { .init($0.step, .number(($0.seconds * 1e6).rounded() / 1e6)) }),
      "error": failure?.json ?? .null,
    ]
  }
}

extension CheckOutcome {
  public var json: JSON {
    [
      "name": .string(name), "severity": .string(severity), "passed": .boolean(isPassed),
      "failing_rows": .integer(failingRows), "message": .string(message),
    ]
  }
}

extension ExportResult {
  public var json: JSON {
    [
      "name": .string(name), "file": .string(file), "rows": .integer(rowCount),
      "bytes": .integer(byteCount),
    ]
  }
}

extension AnyFailure {
  /// Code, message, place and advice; the failures it consists of where there are several.
  public var json: JSON {
    var members: [JSON.Member] = [
      .init("code", .string(qualifiedCode)), .init("message", .string(message)),
    ]
    if place != .nowhere { members.append(.init("place", .string(place.description))) }
    if let advice { members.append(.init("advice", .string(advice))) }
    if !parts.isEmpty { members.append(.init("parts", .array(parts.map(\.json)))) }
    return .object(members)
  }
}
