internal import CZlib

/// Unpacks a whole buffer.
///
/// - Parameter limit: The most bytes that may come out; a guard against a hostile input.
/// - Throws: `CompressionError`, `.tooLarge` past the limit.
public func inflated(
  _ bytes: UnsafeRawBufferPointer, _ compression: Compression, limit: Int = 1 << 30
) throws -> [UInt8] {
  let inflater = Inflater(compression, inputByteCount: 64 << 10)
  var used = 0
  return try grown(from: bytes.count, compression, limit: limit) { room in
    try inflater.read(into: room) { wanted in
      let count = min(wanted.count, bytes.count - used)
      wanted.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[used..<used + count]))
      used += count
      return count
    }
  }
}

/// Unpacks a whole buffer.
public func inflated(
  _ bytes: [UInt8], _ compression: Compression, limit: Int = 1 << 30
) throws -> [UInt8] {
  try bytes.withUnsafeBytes { try inflated($0, compression, limit: limit) }
}

/// Unpacks one raw deflate stream (RFC 1951, no wrapper), as Avro's `deflate` codec has it.
///
/// - Throws: `CompressionError`, with `.gzip` for the compression's name: deflate is its body.
public func inflateRaw(_ bytes: UnsafeRawBufferPointer, limit: Int = 1 << 30) throws -> [UInt8] {
  // On the heap: zlib remembers the stream's address.
  let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
  stream.initialize(to: z_stream())
  defer { stream.deallocate() }
  guard
    inflateInit2_(stream, -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK
  else { throw CompressionError(.gzip, .damaged("out of memory"), offset: 0) }
  defer { inflateEnd(stream) }
  guard bytes.count <= Int(UInt32.max) else {
    throw CompressionError(.gzip, .tooLarge, offset: 0)
  }
  stream.pointee.next_in = UnsafeMutablePointer(
    mutating: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
  stream.pointee.avail_in = UInt32(bytes.count)
  var isDone = false
  let result = try grown(from: bytes.count, .gzip, limit: limit) { room in
    if isDone { return 0 }
    stream.pointee.next_out = room.baseAddress?.assumingMemoryBound(to: UInt8.self)
    stream.pointee.avail_out = UInt32(min(room.count, 1 << 30))
    let before = stream.pointee.avail_out
    let status = inflate(stream, Z_NO_FLUSH)
    isDone = status == Z_STREAM_END
    let written = Int(before - stream.pointee.avail_out)
    let offset = Int64(bytes.count) - Int64(stream.pointee.avail_in)
    switch status {
    case Z_STREAM_END: break
    case Z_OK where written > 0: break
    case Z_OK, Z_BUF_ERROR: throw CompressionError(.gzip, .truncated, offset: offset)
    default:
      let how = stream.pointee.msg.map { String(cString: $0) } ?? "error \(status)"
      throw CompressionError(.gzip, .damaged(how), offset: offset)
    }
    return written
  }
  guard stream.pointee.avail_in == 0 else {
    let offset = Int64(bytes.count) - Int64(stream.pointee.avail_in)
    throw CompressionError(.gzip, .trailingGarbage, offset: offset)
  }
  return result
}

/// Unpacks one raw deflate stream (RFC 1951, no wrapper).
public func inflateRaw(_ bytes: [UInt8], limit: Int = 1 << 30) throws -> [UInt8] {
  try bytes.withUnsafeBytes { try inflateRaw($0, limit: limit) }
}

/// Packs a whole buffer as one raw deflate stream, as Avro's `deflate` codec has it.
public func deflateRaw(_ bytes: [UInt8]) -> [UInt8] { deflated(bytes, .raw) }

/// Packs a whole buffer as one gzip member without time and name.
public func gzipCompressed(_ bytes: [UInt8]) -> [UInt8] { deflated(bytes, .gzip) }

private func deflated(_ bytes: [UInt8], _ wrapper: Deflater.Wrapper) -> [UInt8] {
  let deflater = Deflater(wrapper)
  var out: [UInt8] = []
  bytes.withUnsafeBytes { bytes in deflater.write(bytes) { out.append(contentsOf: $0) } }
  deflater.finish { out.append(contentsOf: $0) }
  return out
}

/// Reads into an array that doubles while it fills up.
private func grown(
  from packedCount: Int, _ compression: Compression, limit: Int,
  _ read: (UnsafeMutableRawBufferPointer) throws -> Int
) throws -> [UInt8] {
  var result: [UInt8] = []
  var step = min(max(4096, packedCount &* 4), 16 << 20)
  while true {
    let chunk = try [UInt8](unsafeUninitializedCapacity: step) { buffer, count in
      count = try read(UnsafeMutableRawBufferPointer(buffer))
    }
    if chunk.isEmpty { return result }
    if result.count + chunk.count > limit {
      throw CompressionError(compression, .tooLarge, offset: 0)
    }
    if result.isEmpty { result = chunk } else { result += chunk }
    step = min(step * 2, 16 << 20)
  }
}
