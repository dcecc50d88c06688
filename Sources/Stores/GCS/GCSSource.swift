import Core
import Kernels

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// The bytes of a put, to be read in parts and more than once.
struct GCSSource {
  private enum Kind {
    case bytes([UInt8])
    case file(OpenFile, stat)
  }

  let byteCount: Int64
  private let kind: Kind
  private let path: String

  /// - Throws: `StoreError` that names the file.
  init(_ body: Body) throws {
    switch body {
    case .bytes(let bytes):
      kind = .bytes(bytes)
      byteCount = Int64(bytes.count)
      path = ""
    case .file(let path):
      do {
        // Without O_NONBLOCK, opening a pipe would wait for a writer.
        let file = try OpenFile(path, O_RDONLY | O_NONBLOCK)
        let status = try file.status()
        guard status.isFile else { throw StoreError.notAFile(path, isFolder: status.isFolder) }
        kind = .file(file, status)
        byteCount = Int64(status.st_size)
        self.path = path
      } catch let error as Errno {
        throw StoreError.system(error.number, doing: "read this file", path: path)
      }
    }
  }

  /// - Throws: `.changed` where the file is no longer what it was at first.
  func part(_ range: Range<Int64>) throws -> [UInt8] {
    switch kind {
    case .bytes(let bytes): return Array(bytes[Int(range.lowerBound)..<Int(range.upperBound)])
    case .file(let file, let before):
      var part = [UInt8](repeating: 0, count: range.count)
      var done = 0
      do {
        while done < part.count {
          let count = try part.withUnsafeMutableBytes {
            try file.read(
              into: UnsafeMutableRawBufferPointer(rebasing: $0[done...]),
              at: range.lowerBound + Int64(done))
          }
          guard count > 0 else { throw changed() }
          done += count
        }
        guard try file.status().version == before.version else { throw changed() }
      } catch let error as Errno {
        throw StoreError.system(error.number, doing: "read this file", path: path)
      }
      return part
    }
  }

  /// The checksum of all bytes. Reads a file once more than the upload itself: the server refuses
  /// bytes of another checksum only where it knows it from the start.
  func checksum() throws -> CRC32C {
    var checksum = CRC32C()
    if case .bytes(let bytes) = kind {
      bytes.withUnsafeBytes { checksum.update($0) }
      return checksum
    }
    var offset: Int64 = 0
    while offset < byteCount {
      let end = min(byteCount, offset + 1 << 20)
      try part(offset..<end).withUnsafeBytes { checksum.update($0) }
      offset = end
    }
    return checksum
  }

  private func changed() -> StoreError {
    StoreError(
      .changed, "the file changed while it was being read", at: Place(file: path),
      advice: "run again when nobody writes to it")
  }
}
