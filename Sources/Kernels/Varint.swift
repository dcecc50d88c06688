// Numbers of varying length: seven bits a byte, the lowest first, the high bit set in all but the
// last (LEB128, as Protocol Buffers and Lucene have them).

/// The most bytes that a 64-bit number takes.
public let maximumVarintByteCount = 10

/// Writes a number.
///
/// - Parameter out: At least `maximumVarintByteCount` writable bytes; moved behind what is written.
@inlinable
@inline(__always)
public func putVarint(_ value: UInt64, to out: inout UnsafeMutablePointer<UInt8>) {
  var rest = value
  while rest >= 0x80 {
    out.pointee = UInt8(truncatingIfNeeded: rest) | 0x80
    out += 1
    rest &>>= 7
  }
  out.pointee = UInt8(truncatingIfNeeded: rest)
  out += 1
}

/// Appends a number.
@inlinable
public func appendVarint(_ value: UInt64, to out: inout [UInt8]) {
  var rest = value
  while rest >= 0x80 {
    out.append(UInt8(truncatingIfNeeded: rest) | 0x80)
    rest &>>= 7
  }
  out.append(UInt8(truncatingIfNeeded: rest))
}

/// Reads a number.
///
/// - Parameter place: Moved behind the number; unspecified where there is none.
/// - Returns: Nil where `end` comes first, or the number has more than 64 bits.
@inlinable
@inline(__always)
public func readVarint(
  _ place: inout UnsafePointer<UInt8>, end: UnsafePointer<UInt8>
) -> UInt64? {
  guard place < end else { return nil }
  let first = place.pointee
  place += 1
  if first < 0x80 { return UInt64(first) }
  var value = UInt64(first & 0x7F)
  var shift: UInt64 = 7
  while place < end {
    let byte = place.pointee
    place += 1
    if shift == 63 && byte > 1 { return nil }
    value |= UInt64(byte & 0x7F) &<< shift
    if byte < 0x80 { return value }
    shift &+= 7
    if shift > 63 { return nil }
  }
  return nil
}

/// Reads a number that is known to be there whole.
@inlinable
@inline(__always)
public func readVarint(unchecked place: inout UnsafePointer<UInt8>) -> UInt64 {
  var byte = place.pointee
  place += 1
  var value = UInt64(byte & 0x7F)
  var shift: UInt64 = 7
  while byte >= 0x80 {
    byte = place.pointee
    place += 1
    value |= UInt64(byte & 0x7F) &<< shift
    shift &+= 7
  }
  return value
}
