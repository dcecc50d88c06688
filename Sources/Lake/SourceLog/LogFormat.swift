import Core

/// The text of log entries and checkpoints. See docs/formats/source-log.md.
enum LogFormat {
  static let version: Int64 = 1

  struct Header: Sendable {
    var number = 0
    var nonce = ""
    var definition = ""
    var fileCount = 0
    var format: Int64 = 0
    var kind = ""
  }

  static func entryHeader(
    source: String, number: Int, nonce: String, definition: String, written: Instant,
    batch: SourceBatch
  ) -> JSON {
    [
      "format": .integer(version), "kind": "entry", "source": .string(source),
      "number": .integer(Int64(number)), "nonce": .string(nonce),
      "definition": .string(definition), "written": .string(written.description),
      "files": .integer(Int64(batch.changes.count)), "bytes": .integer(batch.byteCount),
    ]
  }

  static func checkpointHeader(source: String, state: LogState) -> JSON {
    [
      "format": .integer(version), "kind": "checkpoint", "source": .string(source),
      "number": .integer(Int64(state.number)), "definition": .string(state.definition),
      "files": .integer(Int64(state.packed.count)),
    ]
  }

  static func line(_ change: FileChange) -> JSON {
    .object(
      [.init("op", .string(change.kind.rawValue))] + members(of: change.file))
  }

  static func line(_ file: LoggedFile) -> JSON {
    .object(members(of: file.file) + [.init("batch", .integer(Int64(file.batch)))])
  }

  private static func members(of file: ListedFile) -> [JSON.Member] {
    var members: [JSON.Member] = [
      .init("key", .string(file.key)), .init("size", .integer(file.byteCount)),
      .init("version", .string(file.version)),
    ]
    if let interval = file.interval {
      members.append(.init("start", .integer(interval.start.microseconds)))
      members.append(.init("end", .integer(interval.end.microseconds)))
    }
    return members
  }

  /// Reads the header line.
  static func header(_ lines: inout FlatJSONLines) throws -> Header {
    var header = Header()
    let found = try lines.next { name, value in
      switch (String(decoding: name, as: UTF8.self), value) {
      case ("format", .integer(let number)): header.format = number
      case ("kind", .text(let text)): header.kind = String(decoding: text, as: UTF8.self)
      case ("number", .integer(let number)): header.number = Int(number)
      case ("nonce", .text(let text)): header.nonce = String(decoding: text, as: UTF8.self)
      case ("definition", .text(let text)):
        header.definition = String(decoding: text, as: UTF8.self)
      case ("files", .integer(let number)): header.fileCount = Int(number)
      default: break
      }
    }
    guard found else { throw lines.damaged("the file is empty") }
    guard header.format <= version else {
      throw LakeError(
        .unsupported, "the log has format \(header.format); this Sluice reads up to \(version)",
        at: lines.damaged("").place, advice: "use the newer Sluice that wrote it")
    }
    return header
  }

  /// Reads the lines after the header into `files`.
  ///
  /// - Parameter batch: The entry's number; nil in a checkpoint, whose lines hold their own.
  static func files(
    _ lines: inout FlatJSONLines, batch: Int?, into files: inout PackedFiles
  ) throws {
    while true {
      var parts = (key: false, version: false, size: false)
      var (start, end) = (PackedFiles.noInterval, PackedFiles.noInterval)
      var number = batch.map(Int64.init)
      var kind: UInt8?
      let found = try lines.next { name, value in
        switch value {
        case .text(let text):
          if name.elementsEqual("key".utf8) {
            if !parts.key { files.keys.append(text) }
            parts.key = true
          } else if name.elementsEqual("version".utf8) {
            if !parts.version { files.versions.append(text) }
            parts.version = true
          } else if name.elementsEqual("op".utf8) {
            kind = FileChange.Kind(rawValue: String(decoding: text, as: UTF8.self))?.order
          }
        case .integer(let integer):
          if name.elementsEqual("size".utf8) {
            if !parts.size { files.sizes.append(integer) }
            parts.size = true
          } else if name.elementsEqual("start".utf8) {
            start = integer
          } else if name.elementsEqual("end".utf8) {
            end = integer
          } else if name.elementsEqual("batch".utf8) {
            number = integer
          }
        }
      }
      if !found { return }
      guard parts == (true, true, true), let number, let batchNumber = Int32(exactly: number),
        batch == nil || kind != nil
      else { throw lines.damaged("the line lacks key, size, version, op or batch") }
      files.batches.append(batchNumber)
      files.starts.append(start)
      files.ends.append(end)
      if let kind, batch != nil { files.kinds.append(kind) }
    }
  }
}
