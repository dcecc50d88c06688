import CZlib
import Core
import Foundation

/// Gzip through zlib, which Sluice itself does not use to read or write it.
enum Gzip {
  struct Damaged: Error {}

  /// One member with an mtime of 0.
  static func compress(_ bytes: [UInt8], level: Int32 = 6) -> [UInt8] {
    var stream = z_stream()
    // 15 + 16: the largest window, gzip framing.
    deflateInit2_(
      &stream, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
      Int32(MemoryLayout<z_stream>.size))
    defer { deflateEnd(&stream) }
    var input = bytes
    var output = [UInt8](repeating: 0, count: Int(deflateBound(&stream, UInt(bytes.count))) + 64)
    let written = input.withUnsafeMutableBufferPointer { input in
      output.withUnsafeMutableBufferPointer { output -> Int in
        stream.next_in = input.baseAddress
        stream.avail_in = UInt32(input.count)
        stream.next_out = output.baseAddress
        stream.avail_out = UInt32(output.count)
        let status = deflate(&stream, Z_FINISH)
        precondition(status == Z_STREAM_END, "zlib did not finish: \(status)")
        return output.count - Int(stream.avail_out)
      }
    }
    return Array(output[..<written])
  }

  static func compress(_ text: String) -> [UInt8] { compress(Array(text.utf8)) }

  /// All members of a gzip file.
  static func decompress(_ bytes: [UInt8]) throws -> [UInt8] {
    var rest = bytes
    var result: [UInt8] = []
    repeat {
      var stream = z_stream()
      inflateInit2_(&stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
      defer { inflateEnd(&stream) }
      var block = [UInt8](repeating: 0, count: 1 << 16)
      var isOver = false
      try rest.withUnsafeMutableBufferPointer { input in
        stream.next_in = input.baseAddress
        stream.avail_in = UInt32(input.count)
        while !isOver {
          let status = block.withUnsafeMutableBufferPointer { block -> Int32 in
            stream.next_out = block.baseAddress
            stream.avail_out = UInt32(block.count)
            return inflate(&stream, Z_NO_FLUSH)
          }
          guard status == Z_OK || status == Z_STREAM_END else { throw Damaged() }
          let count = block.count - Int(stream.avail_out)
          if status == Z_OK && count == 0 && stream.avail_in == 0 { throw Damaged() }
          result += block[..<count]
          isOver = status == Z_STREAM_END
        }
      }
      rest = Array(rest.suffix(Int(stream.avail_in)))
    } while !rest.isEmpty
    return result
  }

  /// The file broken off in its middle.
  static func truncated(_ bytes: [UInt8]) -> [UInt8] { Array(compress(bytes).dropLast(12)) }

  /// A whole file whose checksum is another's.
  static func wrongChecksum(_ bytes: [UInt8]) -> [UInt8] {
    var file = compress(bytes)
    // The last eight bytes are the CRC-32 and the length.
    file[file.count - 8] ^= 0xFF
    return file
  }
}
