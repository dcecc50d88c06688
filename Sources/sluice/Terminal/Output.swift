import Core

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Thrown when whoever reads our output has gone, as `head` does. Not a failure: nothing is said.
struct BrokenPipe: Error {}

/// Results, on their way to standard output. Buffered; used by one thread.
final class Output {
  private let descriptor: Int32
  private var buffer: [UInt8] = []
  private let capacity = 1 << 16

  init(descriptor: Int32 = STDOUT_FILENO) {
    self.descriptor = descriptor
    buffer.reserveCapacity(capacity)
  }

  /// - Throws: `BrokenPipe`, or `CommandError` `.unwritable`.
  func write(_ text: String) throws {
    buffer.append(contentsOf: text.utf8)
    if buffer.count >= capacity { try flush() }
  }

  /// Writes one JSON object and ends its line.
  func write(line json: JSON) throws {
    try write(json.description)
    try write("\n")
  }

  func flush() throws {
    defer { buffer.removeAll(keepingCapacity: true) }
    let status = buffer.withUnsafeBytes { writeAll(descriptor, $0) }
    if status == EPIPE { throw BrokenPipe() }
    guard status == 0 else {
      throw CommandError(
        .unwritable, "standard output cannot be written: \(String(cString: strerror(status)))")
    }
  }
}

/// Writes every byte, however often the system takes only some.
///
/// - Returns: 0 or the `errno` that ended it.
func writeAll(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int32 {
  var offset = 0
  while offset < bytes.count {
    let count = write(descriptor, bytes.baseAddress! + offset, bytes.count - offset)
    if count >= 0 {
      offset += count
    } else if errno == EAGAIN {
      // A terminal shared with a program that made it non-blocking.
      usleep(1000)
    } else if errno != EINTR {
      return errno
    }
  }
  return 0
}

/// Writes a text to standard error at once; failures there have nowhere to go.
func writeToStandardError(_ text: String) {
  var copy = text
  copy.withUTF8 { _ = writeAll(STDERR_FILENO, UnsafeRawBufferPointer($0)) }
}

/// What a descriptor leads to.
enum Terminal {
  static func isTerminal(_ descriptor: Int32) -> Bool { isatty(descriptor) == 1 }

  /// Columns and rows, asked anew each time; nil where it is no terminal or will not say.
  static func size(of descriptor: Int32) -> (columns: Int, rows: Int)? {
    var size = winsize()
    guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else {
      return nil
    }
    return (Int(size.ws_col), Int(size.ws_row))
  }
}
