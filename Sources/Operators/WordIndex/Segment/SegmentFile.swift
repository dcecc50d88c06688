import Core
import Kernels

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// A file that is written once, from its start to its end.
final class SegmentFile {
  private let path: String
  private let descriptor: Int32
  private let buffer: UnsafeMutableRawBufferPointer
  private var used = 0
  /// Bytes written so far.
  private(set) var offset: Int64 = 0
  private var isFinished = false

  /// Creates the file. Calls `open`.
  ///
  /// - Throws: `OperatorError` `.unusable`, also where the file exists.
  init(path: String) throws {
    self.path = path
    descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw SegmentFile.failure("created", path) }
    buffer = .allocate(byteCount: 1 << 20, alignment: 16)
  }

  deinit {
    close(descriptor)
    buffer.deallocate()
    // What was not finished is of no use.
    if !isFinished { unlink(path) }
  }

  func write(_ bytes: UnsafeRawBufferPointer) throws {
    offset += Int64(bytes.count)
    if bytes.count > buffer.count - used { try flush() }
    if bytes.count > buffer.count { return try put(bytes) }
    UnsafeMutableRawBufferPointer(rebasing: buffer[used...]).copyMemory(from: bytes)
    used += bytes.count
  }

  func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try write($0) } }

  func finish() throws {
    try flush()
    isFinished = true
  }

  private func flush() throws {
    try put(UnsafeRawBufferPointer(rebasing: buffer[..<used]))
    used = 0
  }

  private func put(_ bytes: UnsafeRawBufferPointer) throws {
    var done = 0
    while done < bytes.count {
      #if canImport(Glibc)
        let count = Glibc.write(descriptor, bytes.baseAddress! + done, bytes.count - done)
      #else
        let count = Darwin.write(descriptor, bytes.baseAddress! + done, bytes.count - done)
      #endif
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw SegmentFile.failure("written", path) }
      done += count
    }
  }

  static func failure(_ what: String, _ path: String) -> OperatorError {
    OperatorError(
      .unusable, "a file of the index cannot be \(what): \(String(cString: strerror(errno)))",
      at: Place(file: path), advice: "check the disk's space and permissions")
  }
}
