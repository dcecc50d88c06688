/// How a file's bytes are packed.
public enum Compression: String, Sendable, Hashable, CaseIterable {
  /// Decided by the first bytes; anything unknown is taken as it is.
  case auto
  case none
  /// RFC 1952, one or several members.
  case gzip
  /// RFC 8878, one or several frames.
  case zstd

  /// What the first bytes of a file say it is; `.none` when they say nothing.
  ///
  /// - Parameter start: The first four bytes; fewer only where the file is shorter.
  public static func detected(from start: UnsafeRawBufferPointer) -> Compression {
    if start.count >= 2 && start[0] == 0x1F && start[1] == 0x8B { return .gzip }
    guard start.count >= 4 else { return .none }
    switch UInt32(littleEndian: start.loadUnaligned(as: UInt32.self)) {
    case 0xFD2F_B528: return .zstd
    // A skippable frame may come first (RFC 8878, 3.1.2).
    case 0x184D_2A50...0x184D_2A5F: return .zstd
    default: return .none
    }
  }

  /// What a file's name promises: `.gz` and `.zst` are read as such even where detection would
  /// take the bytes as they are. Nil when the name promises nothing.
  public static func promised(byName name: String) -> Compression? {
    let lower = name.lowercased()
    if lower.hasSuffix(".gz") || lower.hasSuffix(".gzip") { return .gzip }
    if lower.hasSuffix(".zst") || lower.hasSuffix(".zstd") { return .zstd }
    return nil
  }
}

/// Packed bytes that cannot be unpacked.
public struct CompressionError: Error, Sendable, Hashable, CustomStringConvertible {
  public enum Reason: Sendable, Hashable {
    /// Not a single byte where a member or frame must be.
    case empty
    /// The input ends inside a member or frame.
    case truncated
    /// What came out is not what went in: wrong CRC, length or content checksum.
    case wrongChecksum
    /// The input does not start as declared.
    case notCompressed
    /// Something follows the last member or frame that is not another one.
    case trailingGarbage
    /// The inside contradicts the format; the text says how.
    case damaged(String)
    /// More came out than was allowed.
    case tooLarge
  }

  public var compression: Compression
  public var reason: Reason
  /// Bytes of packed input before the place where this was noticed.
  public var offset: Int64

  public init(_ compression: Compression, _ reason: Reason, offset: Int64) {
    self.compression = compression
    self.reason = reason
    self.offset = offset
  }

  /// A clause that completes "the file …".
  public var description: String {
    let name = compression.rawValue
    switch reason {
    case .empty: return "is empty, which no \(name) file is"
    case .truncated: return "is cut off: its \(name) data ends in the middle, at byte \(offset)"
    case .wrongChecksum: return "is damaged: wrong \(name) checksum or length at byte \(offset)"
    case .notCompressed: return "is not \(name): its first bytes are something else"
    case .trailingGarbage: return "has bytes after its \(name) data, from byte \(offset) on"
    case .damaged(let how): return "is damaged: \(how) (\(name)) near byte \(offset)"
    case .tooLarge: return "unpacks to more than is allowed"
    }
  }
}
