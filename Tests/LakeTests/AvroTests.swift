import Core
import Testing

@testable import Lake

@Suite("Avro container files")
struct AvroTests {
  private static let schema = """
    {"type":"record","name":"r","fields":[
      {"name":"flag","type":"boolean","field-id":1},
      {"name":"number","type":["null","long"],"default":null,"field-id":2},
      {"name":"ratio","type":"double","field-id":3},{"name":"small","type":"float","field-id":4},
      {"name":"text","type":"string","field-id":5},{"name":"raw","type":"bytes","field-id":6},
      {"name":"four","type":{"type":"fixed","name":"f4","size":4},"field-id":7},
      {"name":"again","type":"f4","field-id":8},
      {"name":"list","type":{"type":"array","items":"int","element-id":10},"field-id":9},
      {"name":"kind","type":{"type":"enum","name":"e","symbols":["A","B"]},"field-id":11},
      {"name":"map","type":{"type":"map","values":"string"},"field-id":12}]}
    """

  private func sample(_ codec: AvroWriter.Codec, count: Int = 3000) -> [UInt8] {
    var writer = AvroWriter(schema: AvroTests.schema, header: [("content", "data")], codec: codec)
    for index in 0..<count {
      writer.append { out in
        out.boolean(index % 2 == 0)
        out.optional(index % 3 == 0 ? nil : Int64(index) * -1_000_000_007) { $0.long($1) }
        out.double(Double(index) / 8)
        out.float(Float(index) / 4)
        out.string("Zeile \(index) ü")
        out.byteString([UInt8](repeating: UInt8(index % 256), count: index % 9))
        out.fixed([1, 2, 3, UInt8(index % 256)])
        out.fixed([4, 3, 2, 1])
        out.array(Array(0..<index % 5)) { $0.int($1) }
        out.int(index % 2)
        out.array([("k", "v\(index)")]) { out, pair in
          out.string(pair.0)
          out.string(pair.1)
        }
      }
    }
    return writer.finish()
  }

  @Test("values come back, compressed or not", arguments: [AvroWriter.Codec.null, .deflate])
  func roundTrip(_ codec: AvroWriter.Codec) throws {
    let reader = try AvroReader(sample(codec), file: "m.avro")
    #expect(reader.headerText("avro.codec") == codec.rawValue)
    #expect(reader.headerText("content") == "data")
    let values = try reader.values()
    #expect(values.count == 3000)
    for (index, value) in values.enumerated() {
      #expect(value[1].boolean == (index % 2 == 0))
      #expect(value[2].long == (index % 3 == 0 ? nil : Int64(index) * -1_000_000_007))
      #expect(value[5].string == "Zeile \(index) ü")
      #expect(value[6].bytes?.count == index % 9)
      #expect(value[7].bytes == [1, 2, 3, UInt8(index % 256)])
      #expect(value[8].bytes == [4, 3, 2, 1])
      #expect(value[9].array?.compactMap(\.long) == (0..<index % 5).map(Int64.init))
      #expect(value[11].long == Int64(index % 2))
      // A field that the writer did not know.
      #expect(value[99].isNull)
    }
  }

  @Test(
    "numbers at the edges of zig-zag", arguments: [0, -1, 1, 63, 64, -65, .max, .min] as [Int64])
  func numbers(_ number: Int64) throws {
    var encoder = AvroEncoder()
    encoder.long(number)
    var decoder = AvroDecoder(encoder.bytes, file: "x")
    #expect(try decoder.long() == number)
    #expect(decoder.isAtEnd)
  }

  @Test("the known encodings of the Avro specification")
  func knownBytes() {
    var encoder = AvroEncoder()
    for number in [0, -1, 1, -2, 2, -64, 64] { encoder.int(number) }
    encoder.string("foo")
    #expect(encoder.bytes == [0, 1, 2, 3, 4, 0x7F, 0x80, 0x01, 0x06, 0x66, 0x6F, 0x6F])
  }

  @Test("a file cut anywhere is damaged, by name", arguments: [AvroWriter.Codec.null, .deflate])
  func truncated(_ codec: AvroWriter.Codec) throws {
    let whole = sample(codec, count: 20)
    let headerEnd = try #require(
      (0...whole.count).first { (try? AvroReader(Array(whole[..<$0]), file: "m")) != nil })
    for count in 0..<whole.count where count != headerEnd {
      let failure = expectFailure(.damaged) {
        try AvroReader(Array(whole[..<count]), file: "/lake/m.avro").values()
      }
      #expect(failure?.place.file == "/lake/m.avro")
      #expect(failure?.message.contains("byte") == true)
    }
    // Cut between header and blocks it is an empty file, which is none.
    #expect(try AvroReader(Array(whole[..<headerEnd]), file: "m").values().isEmpty)
  }

  @Test(
    "flipped bits are read or refused, never worse", arguments: [AvroWriter.Codec.null, .deflate])
  func flipped(_ codec: AvroWriter.Codec) {
    let whole = sample(codec, count: 20)
    var refused = 0
    for offset in whole.indices {
      for bit in [0, 3, 7] {
        var copy = whole
        copy[offset] ^= 1 << UInt8(bit)
        do {
          _ = try AvroReader(copy, file: "m").values()
        } catch let error as LakeError {
          #expect(error.code == .damaged || error.code == .unsupported)
          refused += 1
        } catch {
          Issue.record("\(error)")
        }
      }
    }
    #expect(refused > whole.count)
  }

  @Test("rests of zlib's checksum behind a block are passed over, more is damage")
  func trailingChecksum() throws {
    let packed = Packing.deflateRaw([1, 2, 3])
    #expect(try Packing.inflateRaw(packed + [9, 9, 9]) == [1, 2, 3])
    #expect(throws: (any Error).self) { try Packing.inflateRaw(packed + [9, 9, 9, 9, 9]) }
  }

  @Test("an unknown codec is named")
  func snappy() {
    var writer = AvroWriter(schema: "\"long\"", header: [], codec: .null)
    writer.append { $0.long(1) }
    let bytes = writer.finish()
    let text = String(decoding: bytes.prefix(60), as: UTF8.self)
    #expect(text.contains("null"))
    var copy = bytes
    let start = copy.indices.first { copy[$0...].starts(with: Array("null".utf8)) }!
    copy.replaceSubrange(start - 1..<start + 4, with: [12] + Array("snappy".utf8))
    let failure = expectFailure(.unsupported) { try AvroReader(copy, file: "m.avro") }
    #expect(failure?.message.contains("snappy") == true)
  }
}
