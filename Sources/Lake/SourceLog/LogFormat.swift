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

  /// Appends the line of one change of an entry.
  static func append(_ change: FileChange, to out: inout [UInt8]) {
    out += "{\"op\":\"".utf8
    out += change.kind.rawValue.utf8
    out += "\",".utf8
    append(members: change.file, to: &out)
    out += "}\n".utf8
  }

  /// Appends the line of one file of a checkpoint.
  static func append(_ file: LoggedFile, to out: inout [UInt8]) {
    out.append(UInt8(ascii: "{"))
    append(members: file.file, to: &out)
    out += ",\"batch\":\(file.batch)}\n".utf8
  }

  private static func append(members file: ListedFile, to out: inout [UInt8]) {
    out += "\"key\":".utf8
    append(quoted: file.key, to: &out)
    out += ",\"size\":\(file.byteCount),\"version\":".utf8
    append(quoted: file.version, to: &out)
    if let interval = file.interval {
      out += ",\"start\":\(interval.start.microseconds)".utf8
      out += ",\"end\":\(interval.end.microseconds)".utf8
    }
    if let day = file.landed { out += ",\"landed\":\"\(day)\"".utf8 }
  }

  /// A JSON text. A million lines are written this way, so no tree is built for them.
  private static func append(quoted text: String, to out: inout [UInt8]) {
    out.append(UInt8(ascii: "\""))
    var text = text
    text.withUTF8 { bytes in
      // What needs no escape goes in long pieces.
      var start = 0
      for (index, byte) in bytes.enumerated() {
        guard byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else {
          continue
        }
        out += UnsafeBufferPointer(rebasing: bytes[start..<index])
        start = index + 1
        if byte < 0x20 {
          out += "\\u00".utf8
          out += String(byte, radix: 16).paddedLeft(to: 2, with: "0").utf8
        } else {
          out.append(UInt8(ascii: "\\"))
          out.append(byte)
        }
      }
      out += UnsafeBufferPointer(rebasing: bytes[start...])
    }
    out.append(UInt8(ascii: "\""))
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
      var landed = PackedFiles.notLanded
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
          } else if name.elementsEqual("landed".utf8) {
            landed = LandingDay(String(decoding: text, as: UTF8.self))?.number ?? .max
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
      guard landed != .max else { throw lines.damaged("the day of landing is none") }
      guard parts == (true, true, true), let number, let batchNumber = Int32(exactly: number),
        batch == nil || kind != nil
      else { throw lines.damaged("the line lacks key, size, version, op or batch") }
      files.batches.append(batchNumber)
      files.starts.append(start)
      files.ends.append(end)
      files.landed.append(landed)
      if let kind, batch != nil { files.kinds.append(kind) }
    }
  }
}
