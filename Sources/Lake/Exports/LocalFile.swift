import Core

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Reading of finished local files before they are put into a store.
enum LocalFile {
  /// - Returns: 64 hexadecimal digits and the number of bytes.
  /// - Throws: `LakeError` `.missing` when the file cannot be read.
  static func sha256(_ path: String) throws -> (hash: String, byteCount: Int64) {
    let file = open(path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw failed(path) }
    defer { close(file) }
    let hash = Packing.Hash()
    var byteCount: Int64 = 0
    var buffer = [UInt8](repeating: 0, count: 1 << 18)
    while true {
      let count = buffer.withUnsafeMutableBytes { read(file, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      guard count >= 0 else { throw failed(path) }
      if count == 0 { return (hash.finish(), byteCount) }
      buffer.withUnsafeBytes { hash.update(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
      byteCount += Int64(count)
    }
  }

  private static func failed(_ path: String) -> LakeError {
    LakeError(
      .missing, "the file cannot be read: \(String(cString: strerror(errno)))",
      at: Place(file: path))
  }
}
