import CZlib

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A new file that takes bytes as they come, gzip-compressed or as they are. It appears under its
/// name only once it is complete.
struct GzipFile: ~Copyable {
  private let path: String
  private let descriptor: Int32
  /// On the heap, because zlib remembers the address it was set up at.
  private let stream: UnsafeMutablePointer<z_stream>?
  private let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
  private var isFinished = false

  init(path: String, compressed: Bool) throws(SampleError) {
    self.path = path
    descriptor = open(path + ".part", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      stream = nil
      throw .system("create \(path)")
    }
    guard compressed else {
      stream = nil
      return
    }
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    stream.initialize(to: z_stream())
    // 31: the largest window, and gzip's frame with time 0, so that equal text is equal bytes.
    let status = deflateInit2_(
      stream, 1, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
      Int32(MemoryLayout<z_stream>.size))
    precondition(status == Z_OK, "zlib has no memory")
    self.stream = stream
  }

  deinit {
    if let stream {
      deflateEnd(stream)
      stream.deallocate()
    }
    block.deallocate()
    if descriptor >= 0 { close(descriptor) }
    if !isFinished { unlink(path + ".part") }
  }

  mutating func write(_ bytes: UnsafeRawBufferPointer) throws(SampleError) {
    if stream == nil { try put(bytes) } else { try deflate(bytes, Z_NO_FLUSH) }
  }

  /// Writes what is left and gives the file its name.
  mutating func finish() throws(SampleError) {
    if stream != nil { try deflate(UnsafeRawBufferPointer(start: nil, count: 0), Z_FINISH) }
    guard rename(path + ".part", path) == 0 else { throw .system("name \(path)") }
    isFinished = true
  }

  private func deflate(
    _ bytes: UnsafeRawBufferPointer, _ flush: Int32
  ) throws(SampleError) {
    guard let stream else { return }
    stream.pointee.next_in = UnsafeMutablePointer(
      mutating: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
    stream.pointee.avail_in = UInt32(bytes.count)
    repeat {
      stream.pointee.next_out = block.baseAddress?.assumingMemoryBound(to: UInt8.self)
      stream.pointee.avail_out = UInt32(block.count)
      CZlib.deflate(stream, flush)
      let made = block.count - Int(stream.pointee.avail_out)
      try put(UnsafeRawBufferPointer(rebasing: block[..<made]))
    } while stream.pointee.avail_out == 0
  }

  private func put(_ bytes: UnsafeRawBufferPointer) throws(SampleError) {
    var rest = bytes
    while !rest.isEmpty {
      let written = Glibc.write(descriptor, rest.baseAddress, rest.count)
      if written < 0 && errno == EINTR { continue }
      guard written > 0 else { throw .system("write \(path)") }
      rest = UnsafeRawBufferPointer(rebasing: rest[written...])
    }
  }
}

/// Creates a folder and the folders above it.
func makeFolders(_ path: String) throws(SampleError) {
  var prefix = path.hasPrefix("/") ? "/" : ""
  for part in path.split(separator: "/") {
    prefix += part + "/"
    guard mkdir(prefix, 0o755) == 0 || errno == EEXIST else { throw .system("create \(prefix)") }
  }
}
