import Core
import Kernels

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension Workspace {
  /// The name of a temporary file that is not there yet.
  ///
  /// - Throws: `EngineError` where the spill folder cannot be used.
  func scratchFile() throws -> String {
    let name = (0..<4).map { _ in String(UInt32.random(in: .min ... .max), radix: 36) }.joined()
    return try scratchFolder() + "/export-\(name)"
  }
}

extension Failure.Code where Domain == PipelineDomain {
  /// A temporary file cannot be read or written.
  public static var scratch: Self { .init(rawValue: "scratch") }
}

/// Compresses a local file; the same bytes always give the same file (no name, no time).
func gzipFile(from source: String, to target: String) throws {
  func fail(_ what: String, _ path: String) -> PipelineError {
    PipelineError(
      .scratch, "\(what): \(String(cString: strerror(errno)))", at: Place(file: path),
      advice: "free some space, or set `engine: {spill: …}` to another disk")
  }
  let input = open(source, O_RDONLY | O_CLOEXEC)
  guard input >= 0 else { throw fail("cannot read", source) }
  defer { close(input) }
  let output = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
  guard output >= 0 else { throw fail("cannot write", target) }
  defer { close(output) }

  func write(_ bytes: UnsafeRawBufferPointer) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      let base = UnsafeRawBufferPointer(rebasing: rest)
      #if canImport(Glibc)
        let count = Glibc.write(output, base.baseAddress, base.count)
      #else
        let count = Darwin.write(output, base.baseAddress, base.count)
      #endif
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw fail("cannot write", target) }
      rest = rest.dropFirst(count)
    }
  }

  let deflater = Deflater(.gzip)
  let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
  defer { buffer.deallocate() }
  while true {
    let count = read(input, buffer.baseAddress, buffer.count)
    if count < 0 && errno == EINTR { continue }
    guard count >= 0 else { throw fail("cannot read", source) }
    if count == 0 { break }
    try deflater.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]), to: write)
  }
  try deflater.finish(to: write)
}
