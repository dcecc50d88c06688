import Core
import Kernels

/// How a source's files are read as text, each one document.
public struct TextFormat: Sendable, Hashable {
  public var compression: Compression
  public var encoding: TextEncoding
  /// What a file is read as whose bytes are not UTF-8; nil: it is rejected.
  public var fallbackEncoding: TextEncoding?
  /// Whether a file with a NUL in its first 8 KiB, unpacked, is rejected.
  public var rejectsBinary: Bool

  public init(
    compression: Compression = .auto, encoding: TextEncoding = .utf8,
    fallbackEncoding: TextEncoding? = nil, rejectsBinary: Bool = true
  ) {
    self.compression = compression
    self.encoding = encoding
    self.fallbackEncoding = fallbackEncoding
    self.rejectsBinary = rejectsBinary
  }
}

/// Why a whole file is no text.
public struct TextRejection: Error, Sendable, Hashable {
  /// `binary`, `encoding` or `damaged`.
  public var reason: String
  /// A clause that completes "the file …".
  public var message: String

  public init(reason: String, message: String) {
    self.reason = reason
    self.message = message
  }
}
