import Core
import Kernels
import Transport

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// What a put sends, whole or part by part.
struct S3Body: Sendable {
  private enum Source: Sendable {
    case bytes([UInt8])
    case file(path: String, Version)
  }
  private let source: Source
  let byteCount: Int64

  init(_ body: Body) throws {
    switch body {
    case .bytes(let bytes):
      source = .bytes(bytes)
      byteCount = Int64(bytes.count)
    case .file(let path):
      let status = try S3Body.reading(path) { () throws(Errno) in
        guard let status = try fileStatus(path) else { throw Errno(ENOENT) }
        guard status.isFile else { throw Errno(EISDIR) }
        return status
      }
      source = .file(path: path, status.version)
      byteCount = Int64(status.st_size)
    }
  }

  /// All of it.
  func bytes() throws -> [UInt8] { try bytes(in: 0..<byteCount) }

  /// A part, as a request sends it.
  func body(_ range: Range<Int64>) -> HTTPRequest.Body {
    switch source {
    case .bytes(let bytes): .bytes(Array(bytes[Int(range.lowerBound)..<Int(range.upperBound)]))
    case .file(let path, _): .filePart(path: path, range)
    }
  }

  func digest(_ algorithm: Digest.Algorithm, _ range: Range<Int64>) throws -> [UInt8] {
    let digest = Digest(algorithm)
    try pieces(range) { digest.update($0) }
    return digest.finish()
  }

  /// - Throws: `.changed` where the file is not what it was at first.
  func checkUnchanged() throws {
    guard case .file(let path, let version) = source else { return }
    let status = try S3Body.reading(path) { () throws(Errno) in try fileStatus(path) }
    guard status?.version == version else {
      throw StoreError(
        .changed, "the file changed while it was being stored", at: Place(file: path),
        advice: "store it again once its writer is done")
    }
  }

  private func bytes(in range: Range<Int64>) throws -> [UInt8] {
    if case .bytes(let bytes) = source, range.count == bytes.count { return bytes }
    var all: [UInt8] = []
    all.reserveCapacity(range.count)
    try pieces(range) { all += $0 }
    try checkUnchanged()
    return all
  }

  private func pieces(
    _ range: Range<Int64>, _ body: (UnsafeRawBufferPointer) -> Void
  ) throws {
    switch source {
    case .bytes(let bytes):
      bytes.withUnsafeBytes {
        body(UnsafeRawBufferPointer(rebasing: $0[Int(range.lowerBound)..<Int(range.upperBound)]))
      }
    case .file(let path, _):
      let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 512 << 10, alignment: 4096)
      defer { buffer.deallocate() }
      try S3Body.reading(path) { () throws(Errno) in
        let file = try OpenFile(path, O_RDONLY)
        var offset = range.lowerBound
        while offset < range.upperBound {
          let count = Int(min(Int64(buffer.count), range.upperBound - offset))
          let read = try file.read(
            into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]), at: offset)
          // Shorter than it was; the caller looks at the version.
          guard read > 0 else { return }
          body(UnsafeRawBufferPointer(rebasing: buffer[..<read]))
          offset += Int64(read)
        }
      }
    }
  }

  private static func reading<T>(_ path: String, _ body: () throws(Errno) -> T) throws -> T {
    do throws(Errno) {
      return try body()
    } catch {
      throw StoreError.system(error.number, doing: "read this file to store it", path: path)
    }
  }
}
