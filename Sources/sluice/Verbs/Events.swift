import Core
import Pipelines

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

extension Session {
  /// The addresses that a file of event messages names.
  ///
  /// - Parameter file: A path; `-` for standard input, which is read to its end.
  /// - Throws: `CommandError` `.unreadable` or `PipelineError` `.badEvent`, both exit code 2.
  func namedObjects(in file: String) throws -> [String] {
    let name = file == "-" ? "standard input" : file
    func refusal(_ number: Int32) -> CommandError {
      CommandError(
        .unreadable, "cannot read the events: \(String(cString: strerror(number)))",
        at: Place(file: name), exitCode: 2)
    }
    let descriptor = file == "-" ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw refusal(errno) }
    defer { if descriptor != STDIN_FILENO { _ = close(descriptor) } }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(descriptor, &buffer, buffer.count)
      if count > 0 {
        bytes += buffer[..<count]
      } else if count == 0 {
        return try ObjectEvents.addresses(in: bytes, from: name)
      } else if errno != EINTR {
        throw refusal(errno)
      }
    }
  }
}
