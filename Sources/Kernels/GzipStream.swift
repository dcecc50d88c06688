internal import CIsal

/// One gzip file of any number of members (RFC 1952), through ISA-L.
///
/// The header is read here, byte by byte: ISA-L 2.30 forgets a header's flags when its input ends
/// inside one. The body and the trailer with CRC and length are ISA-L's (`ISAL_GZIP_NO_HDR_VER`).
final class GzipStream {
  private enum Phase { case header, body, end }

  private let state: UnsafeMutablePointer<inflate_state>
  private var phase = Phase.header
  private var memberCount = 0

  init() {
    state = .allocate(capacity: 1)
    isal_inflate_init(state)
  }

  deinit { state.deallocate() }

  /// - Returns: Bytes written, at least 1; 0 once the last member is verified and nothing follows.
  func read(
    into out: UnsafeMutableRawBufferPointer, _ window: inout InputWindow, _ pull: InputWindow.Pull
  ) throws -> Int {
    while true {
      switch phase {
      case .end: return 0
      case .header: phase = try startMember(&window, pull) ? .body : .end
      case .body:
        let written = try inflate(into: out, &window, pull)
        if written > 0 { return written }
      }
    }
  }

  private func inflate(
    into out: UnsafeMutableRawBufferPointer, _ window: inout InputWindow, _ pull: InputWindow.Pull
  ) throws -> Int {
    // Called again before more is pulled: output may still be waiting inside.
    while true {
      let available = min(window.count, 1 << 30)
      let room = min(out.count, 1 << 30)
      state.pointee.next_in = window.bytes.baseAddress
      state.pointee.avail_in = UInt32(available)
      state.pointee.next_out = out.baseAddress?.assumingMemoryBound(to: UInt8.self)
      state.pointee.avail_out = UInt32(room)
      let status = isal_inflate(state)
      let written = room - Int(state.pointee.avail_out)
      window.consume(available - Int(state.pointee.avail_in))
      if status < 0 {
        throw CompressionError(.gzip, GzipStream.reason(of: status), offset: window.offset)
      }
      if state.pointee.block_state == ISAL_BLOCK_FINISH {
        phase = .header
        return written
      }
      if written > 0 { return written }
      guard try window.refill(pull) else {
        throw CompressionError(.gzip, .truncated, offset: window.offset)
      }
    }
  }

  private static func reason(of status: Int32) -> CompressionError.Reason {
    switch status {
    case ISAL_INCORRECT_CHECKSUM: .wrongChecksum
    case ISAL_INVALID_BLOCK: .damaged("invalid block")
    case ISAL_INVALID_SYMBOL: .damaged("invalid symbol")
    case ISAL_INVALID_LOOKBACK: .damaged("invalid distance")
    default: .damaged("error \(status)")
    }
  }

  /// Reads a member's header.
  ///
  /// - Returns: False where the file ends instead, zeros aside.
  private func startMember(
    _ window: inout InputWindow, _ pull: InputWindow.Pull
  ) throws -> Bool {
    let start = window.offset
    guard let first = try window.nextByte(pull) else {
      if memberCount == 0 { throw CompressionError(.gzip, .empty, offset: 0) }
      return false
    }
    if memberCount > 0 && first == 0 {
      try expectZeros(&window, pull)
      return false
    }
    let mismatch = memberCount == 0 ? CompressionError.Reason.notCompressed : .trailingGarbage
    guard first == 0x1F else { throw CompressionError(.gzip, mismatch, offset: start) }
    let second = try byte(&window, pull)
    guard second == 0x8B else { throw CompressionError(.gzip, mismatch, offset: start) }
    try readHeaderFields(&window, pull)

    isal_inflate_reset(state)
    state.pointee.crc_flag = UInt32(ISAL_GZIP_NO_HDR_VER)
    memberCount += 1
    return true
  }

  /// The header after its two magic bytes (RFC 1952, 2.3), with the CRC-16 it may carry.
  private func readHeaderFields(_ window: inout InputWindow, _ pull: InputWindow.Pull) throws {
    var crc = CRC32()
    crc.update(0x1F)
    crc.update(0x8B)
    func take() throws -> UInt8 {
      let value = try byte(&window, pull)
      crc.update(value)
      return value
    }
    let method = try take()
    let flags = try take()
    guard method == 8 else {
      throw CompressionError(.gzip, .damaged("unknown method \(method)"), offset: window.offset)
    }
    guard flags & 0xE0 == 0 else {
      throw CompressionError(.gzip, .damaged("reserved flags"), offset: window.offset)
    }
    for _ in 0..<6 { _ = try take() }  // time, extra flags, system
    if flags & 0x04 != 0 {
      let count = Int(try take()) | Int(try take()) << 8
      for _ in 0..<count { _ = try take() }
    }
    for flag in [UInt8(0x08), 0x10] where flags & flag != 0 {  // name, comment
      while try take() != 0 {}
    }
    if flags & 0x02 != 0 {
      let expected = UInt16(truncatingIfNeeded: crc.value)
      let low = try byte(&window, pull)
      let stored = UInt16(low) | UInt16(try byte(&window, pull)) << 8
      guard stored == expected else {
        throw CompressionError(.gzip, .wrongChecksum, offset: window.offset)
      }
    }
  }

  private func byte(_ window: inout InputWindow, _ pull: InputWindow.Pull) throws -> UInt8 {
    guard let value = try window.nextByte(pull) else {
      throw CompressionError(.gzip, .truncated, offset: window.offset)
    }
    return value
  }

  private func expectZeros(_ window: inout InputWindow, _ pull: InputWindow.Pull) throws {
    while let value = try window.nextByte(pull) {
      guard value == 0 else {
        throw CompressionError(.gzip, .trailingGarbage, offset: window.offset - 1)
      }
    }
  }
}
