import Core
import Kernels

/// Reads whole files of text, one after the other, as UTF-8. One thread's.
///
/// Whether a file is text is known before any of it is handed out: a short one is looked at in
/// memory, a long one is read twice. Memory is one buffer.
public final class TextReader {
  private let format: TextFormat
  private let cancellation: Cancellation
  private let capacity: Int
  private let buffer: UnsafeMutablePointer<UInt8>
  private var converted: [UInt8] = []

  /// As many bytes behind a piece of text are the receiver's to write on.
  public static let paddingByteCount = 64
  /// A binary file shows itself in its first bytes.
  private static let headByteCount = 8 << 10

  /// What receives text: a piece that ends with a whole character, and whether it is the last.
  public typealias Receiver = (UnsafeMutableBufferPointer<UInt8>, Bool) throws -> Void

  /// - Parameter capacity: Longer files are read twice; at least 8 KiB.
  public init(_ format: TextFormat, capacity: Int = 1 << 20, cancellation: Cancellation = .never) {
    self.format = format
    self.cancellation = cancellation
    self.capacity = max(capacity, TextReader.headByteCount)
    buffer = .allocate(capacity: self.capacity + TextReader.paddingByteCount)
  }

  deinit { buffer.deallocate() }

  /// Reads a file to its end.
  ///
  /// - Parameter receive: Is given the text in one piece or several, at least one; it may write
  ///   over it.
  /// - Throws: `TextRejection` where the file is not the text it should be, before the first piece;
  ///   `FormatError` where it is gone, was changed or cannot be read; `Cancelled`; what `receive`
  ///   throws.
  public func read(_ file: InputFile, _ receive: Receiver) throws {
    try cancellation.check()
    let promised = Compression.promised(byName: file.name)
    let compression = format.compression == .auto ? promised ?? .auto : format.compression
    if compression == .none || compression == .auto && file.byteCount < Int64(capacity) {
      let local = try LocalFile(file, isJudgedAtEnd: file.byteCount < Int64(capacity))
      var count = 0
      while count < capacity {
        let room = UnsafeMutableRawBufferPointer(start: buffer + count, count: capacity - count)
        let read = try local.read(into: room)
        if read == 0 { break }
        count += read
        // A file that has grown is found by its status.
        if count == file.byteCount { break }
      }
      let start = UnsafeRawBufferPointer(start: buffer, count: count)
      if count < capacity
        && (compression == .none || Compression.detected(from: start) == .none)
      {
        try local.expectUnchanged(byteCountRead: Int64(count))
        return try deliver(count, in: try encoding(ofWhole: count), isFirst: true, true, receive)
      }
    }
    try readStream(file, compression, receive)
  }

  /// Reads a file that is packed or long.
  private func readStream(
    _ file: InputFile, _ compression: Compression, _ receive: Receiver
  ) throws {
    var stream = try Stream(file, compression)
    var count = try stream.fill(buffer, from: 0, to: capacity)
    if count < capacity {
      return try deliver(count, in: try encoding(ofWhole: count), isFirst: true, true, receive)
    }
    var encoding = format.encoding
    try expectText(count)
    while true {
      try cancellation.check()
      let isLast = count < capacity
      let cut = encoding == .utf8 && !isLast ? wholeCharacters(count) : count
      if encoding == .utf8 && !isUTF8(buffer, count: cut) { encoding = try fallback(at: cut) }
      if isLast { break }
      let rest = encoding == .utf8 ? count - cut : 0
      (buffer + 0).update(from: buffer + cut, count: rest)
      count = try stream.fill(buffer, from: rest, to: capacity)
    }
    stream = try Stream(file, compression)
    var isFirst = true
    var rest = 0
    while true {
      try cancellation.check()
      count = try stream.fill(buffer, from: rest, to: capacity)
      let isLast = count < capacity
      let cut = encoding == .utf8 && !isLast ? wholeCharacters(count) : count
      // The receiver writes over what follows, too.
      rest = count - cut
      let tail = (0..<rest).map { buffer[cut + $0] }
      try deliver(cut, in: encoding, isFirst: isFirst, isLast, receive)
      for (index, byte) in tail.enumerated() { buffer[index] = byte }
      if isLast { return }
      isFirst = false
    }
  }

  /// A file and what unpacks it.
  private struct Stream {
    let file: InputFile
    let local: LocalFile
    let inflater: Inflater
    var byteCountRead: Int64 = 0
    var isAtEnd = false

    init(_ file: InputFile, _ compression: Compression) throws {
      self.file = file
      local = try LocalFile(file)
      inflater = Inflater(compression)
    }

    /// - Returns: Where the bytes end: at `end`, or before it where the text does.
    mutating func fill(
      _ buffer: UnsafeMutablePointer<UInt8>, from start: Int, to end: Int
    ) throws -> Int {
      guard !isAtEnd else { return start }
      let room = UnsafeMutableRawBufferPointer(start: buffer + start, count: end - start)
      var byteCount = byteCountRead
      let count: Int
      do {
        count = try inflater.read(into: room) { packed in
          let count = try local.read(into: packed)
          byteCount += Int64(count)
          return count
        }
      } catch let error as CompressionError {
        // A file that was changed looks damaged, too.
        try local.expectSame()
        throw TextRejection(reason: "damaged", message: error.description)
      }
      byteCountRead = byteCount
      if count < room.count {
        isAtEnd = true
        try local.expectUnchanged(byteCountRead: byteCountRead)
      }
      return start + count
    }
  }

  /// What a text that lies in the buffer whole is written in.
  private func encoding(ofWhole count: Int) throws -> TextEncoding {
    try expectText(count)
    guard format.encoding == .utf8, !isUTF8(buffer, count: count) else { return format.encoding }
    return try fallback(at: count)
  }

  private func expectText(_ count: Int) throws {
    guard format.rejectsBinary else { return }
    let head = min(count, TextReader.headByteCount)
    let place = indexOfByte(0, in: buffer, from: 0, to: head)
    guard place == head else {
      throw TextRejection(
        reason: "binary", message: "is no text: it has a zero byte at offset \(place)")
    }
  }

  private func fallback(at count: Int) throws -> TextEncoding {
    if let encoding = format.fallbackEncoding, encoding != .utf8 { return encoding }
    throw TextRejection(reason: "encoding", message: "is not UTF-8")
  }

  /// The bytes up to the last character that is whole, or wrong in itself.
  private func wholeCharacters(_ count: Int) -> Int {
    for back in 1...min(3, count) {
      let byte = buffer[count - back]
      if byte & 0xC0 == 0x80 { continue }
      let length = byte < 0xC0 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4
      return length > back ? count - back : count
    }
    return count
  }

  private func deliver(
    _ count: Int, in encoding: TextEncoding, isFirst: Bool, _ isLast: Bool, _ receive: Receiver
  ) throws {
    let bytes = UnsafeMutableBufferPointer(start: buffer, count: count)
    let mark = isFirst ? countOfByteOrderMark(UnsafeBufferPointer(bytes)) : 0
    let text = UnsafeMutableBufferPointer(rebasing: bytes[mark...])
    if encoding == .utf8 { return try receive(text, isLast) }
    converted.removeAll(keepingCapacity: true)
    appendUTF8(of: UnsafeBufferPointer(text), in: encoding, to: &converted)
    let length = converted.count
    converted.append(contentsOf: repeatElement(0, count: TextReader.paddingByteCount))
    try converted.withUnsafeMutableBufferPointer { all in
      try receive(UnsafeMutableBufferPointer(rebasing: all[..<length]), isLast)
    }
  }
}
