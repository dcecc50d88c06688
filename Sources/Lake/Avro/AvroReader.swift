import Core

/// An Avro object container file in memory: header, blocks, values.
struct AvroReader {
  /// The header's metadata, as stored.
  let header: [String: [UInt8]]
  let schema: AvroType
  /// For messages.
  let file: String
  private let bytes: [UInt8]
  private let blocksStart: Int
  private let sync: [UInt8]
  private let isDeflated: Bool

  /// Reads the header.
  ///
  /// - Throws: `LakeError` `.damaged` naming the file and the byte offset, `.unsupported` for a
  ///   codec other than null and deflate.
  init(_ bytes: [UInt8], file: String) throws(LakeError) {
    var decoder = AvroDecoder(bytes, file: file)
    guard try decoder.take(4) == [0x4F, 0x62, 0x6A, 0x01] else {
      throw decoder.damaged("this is not an Avro file", at: 0)
    }
    var header: [String: [UInt8]] = [:]
    while true {
      let count = try decoder.blockCount()
      if count == 0 { break }
      for _ in 0..<count {
        let key = try decoder.string()
        header[key] = try decoder.byteString()
      }
    }
    sync = try decoder.take(16)
    blocksStart = decoder.offset

    guard let schemaText = header["avro.schema"] else {
      throw decoder.damaged("the header has no schema", at: 4)
    }
    do {
      schema = try AvroSchemaParser.parse(schemaText)
    } catch {
      throw decoder.damaged("the header's schema does not parse: \(error)", at: 4)
    }
    let codec = header["avro.codec"].map { String(decoding: $0, as: UTF8.self) } ?? "null"
    switch codec {
    case "null": isDeflated = false
    case "deflate": isDeflated = true
    default:
      throw LakeError(
        .unsupported, "the file is compressed with '\(codec)'", at: Place(file: file),
        advice: "rewrite the table with write.avro.compression-codec=gzip (deflate)")
    }
    self.header = header
    self.file = file
    self.bytes = bytes
  }

  func headerText(_ key: String) -> String? {
    header[key].map { String(decoding: $0, as: UTF8.self) }
  }

  /// Visits every value in order.
  func forEach(_ visit: (AvroValue) throws -> Void) throws {
    var decoder = AvroDecoder(bytes, file: file)
    decoder.offset = blocksStart
    while !decoder.isAtEnd {
      let blockOffset = decoder.offset
      let count = try decoder.long()
      let size = try decoder.long()
      guard count >= 0, size >= 0, size <= Int64(decoder.remaining) else {
        throw decoder.damaged("a block's counts cannot be right", at: blockOffset)
      }
      let start = decoder.offset
      let stored = try decoder.take(Int(size))
      guard try decoder.take(16) == sync else {
        throw decoder.damaged("a block does not end in the sync marker", at: start + Int(size))
      }
      var block: AvroDecoder
      if isDeflated {
        let inflated: [UInt8]
        do {
          inflated = try Packing.inflateRaw(stored)
        } catch {
          throw decoder.damaged("a block does not inflate: \(error)", at: start)
        }
        block = AvroDecoder(inflated, file: file, base: start, isInflated: true)
      } else {
        block = AvroDecoder(stored, file: file, base: start)
      }
      // Every value that Iceberg stores takes at least a byte.
      guard count <= Int64(block.remaining) else {
        throw decoder.damaged("a block's counts cannot be right", at: blockOffset)
      }
      for _ in 0..<count { try visit(block.value(schema)) }
      guard block.isAtEnd else {
        throw block.damaged("a block holds more than its values", at: block.offset)
      }
    }
  }

  func values() throws -> [AvroValue] {
    var all: [AvroValue] = []
    try forEach { all.append($0) }
    return all
  }
}
