import CCurl
import Core

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// One request on its way: what libcurl's callbacks read and write. Used by one thread.
final class Exchange {
  let request: HTTPRequest
  let configuration: HTTPConfiguration
  let counters: TransferCounters
  var response = HTTPResponse()
  /// What the receiver threw.
  var thrown: (any Error)?
  /// When a byte last came or went, in monotonic seconds.
  var lastActivity = monotonicSeconds()

  private let receive: (HTTPResponse, UnsafeRawBufferPointer) throws -> Void
  private let file: Int32
  /// Where in the file the body starts.
  private let fileOffset: Int64
  private var bodyOffset: Int64 = 0
  let bodyCount: Int64

  private static let maximumErrorBody = 16 << 10

  init(
    _ request: HTTPRequest, _ configuration: HTTPConfiguration, _ counters: TransferCounters,
    _ receive: @escaping (HTTPResponse, UnsafeRawBufferPointer) throws -> Void
  ) throws {
    self.request = request
    self.configuration = configuration
    self.counters = counters
    self.receive = receive
    switch request.body {
    case .none: (file, fileOffset, bodyCount) = (-1, 0, 0)
    case .bytes(let bytes): (file, fileOffset, bodyCount) = (-1, 0, Int64(bytes.count))
    case .file(let path):
      let (descriptor, byteCount) = try Exchange.open(path)
      (file, fileOffset, bodyCount) = (descriptor, 0, byteCount)
    case .filePart(let path, let range):
      let (descriptor, _) = try Exchange.open(path)
      (file, fileOffset, bodyCount) = (descriptor, range.lowerBound, Int64(range.count))
    }
  }

  private static func open(_ path: String) throws -> (descriptor: Int32, byteCount: Int64) {
    var status = stat()
    #if canImport(Glibc)
      let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
    #else
      let descriptor = Darwin.open(path, O_RDONLY | O_CLOEXEC)
    #endif
    guard descriptor >= 0, fstat(descriptor, &status) == 0 else {
      let reason = String(cString: strerror(errno))
      if descriptor >= 0 { close(descriptor) }
      throw TransportError(.body, "cannot send this file: \(reason)", at: Place(file: path))
    }
    return (descriptor, Int64(status.st_size))
  }

  deinit { if file >= 0 { close(file) } }

  /// A line of a head, `\r\n` included. Every answer on the way to the last one starts afresh.
  func takeHeader(_ line: UnsafeRawBufferPointer) {
    lastActivity = monotonicSeconds()
    if line.starts(with: "HTTP/".utf8) {
      let status = line.drop { $0 != UInt8(ascii: " ") }.drop { $0 == UInt8(ascii: " ") }
      response.status =
        Int(String(decoding: status.prefix { !Exchange.isSpace($0) }, as: UTF8.self)) ?? 0
      response.headers.removeAll(keepingCapacity: true)
      response.headers.reserveCapacity(16)
    } else if let colon = line.firstIndex(of: UInt8(ascii: ":")) {
      var value = line[(colon + 1)...].drop(while: Exchange.isSpace)
      while let last = value.last, Exchange.isSpace(last) { value.removeLast() }
      response.headers.append(
        (String(decoding: line[..<colon], as: UTF8.self), String(decoding: value, as: UTF8.self)))
    }
  }

  /// - Returns: False to end the transfer.
  func takeBody(_ bytes: UnsafeRawBufferPointer) -> Bool {
    counters.add(bytesReceived: Int64(bytes.count))
    response.byteCount += Int64(bytes.count)
    guard response.isSuccess else {
      let room = Exchange.maximumErrorBody - response.errorBody.count
      response.errorBody.append(contentsOf: bytes.prefix(room))
      lastActivity = monotonicSeconds()
      return true
    }
    do {
      try receive(response, bytes)
    } catch {
      thrown = error
      return false
    }
    // A receiver may take its time; that is not the server's fault.
    lastActivity = monotonicSeconds()
    return true
  }

  /// - Returns: The number of bytes of the request's body put into `buffer`; nil on failure.
  func giveBody(_ buffer: UnsafeMutableRawBufferPointer) -> Int? {
    lastActivity = monotonicSeconds()
    let wanted = Int(min(Int64(buffer.count), bodyCount - bodyOffset))
    guard wanted > 0 else { return 0 }
    if case .bytes(let bytes) = request.body {
      bytes.withUnsafeBytes {
        buffer.copyMemory(
          from: UnsafeRawBufferPointer(rebasing: $0[Int(bodyOffset)..<(Int(bodyOffset) + wanted)]))
      }
    } else {
      // A file that became shorter would leave the server waiting for the rest.
      let position = off_t(fileOffset + bodyOffset)
      guard pread(file, buffer.baseAddress!, wanted, position) == wanted else {
        return nil
      }
    }
    bodyOffset += Int64(wanted)
    counters.add(bytesSent: Int64(wanted))
    return wanted
  }

  func rewindBody(to offset: Int64) { bodyOffset = offset }

  private static func isSpace(_ byte: UInt8) -> Bool {
    byte == 0x20 || (0x09...0x0D).contains(byte)
  }
}
