// Eight bytes at a time in a UInt64 ("SIMD within a register"), as Mycroft's zero-byte test does
// it, here in the exact form that marks no byte wrongly, so that all marks of a word can be used.

@usableFromInline let lowBits: UInt64 = 0x7F7F_7F7F_7F7F_7F7F

/// A word with `byte` in all eight places.
@inlinable func repeated(_ byte: UInt8) -> UInt64 { UInt64(byte) &* 0x0101_0101_0101_0101 }

/// Marks, in the high bit of each byte, where `word` equals `pattern`; all other bits are 0.
@inlinable func marks(_ word: UInt64, equalTo pattern: UInt64) -> UInt64 {
  let difference = word ^ pattern
  return ~(((difference & lowBits) &+ lowBits) | difference | lowBits)
}

/// The eight bytes at `text + index`, the first in the lowest place.
@inlinable public func loadWord(_ text: UnsafePointer<UInt8>, _ index: Int) -> UInt64 {
  UInt64(littleEndian: UnsafeRawPointer(text + index).loadUnaligned(as: UInt64.self))
}

/// Where `byte` occurs next.
///
/// - Parameters:
///   - text: `end` readable bytes.
///   - start: In `0...end`.
/// - Returns: An index in `start..<end`, or `end` where there is none.
@inlinable
public func indexOfByte(
  _ byte: UInt8, in text: UnsafePointer<UInt8>, from start: Int, to end: Int
) -> Int {
  let pattern = repeated(byte)
  var index = start
  while index &+ 8 <= end {
    let found = marks(loadWord(text, index), equalTo: pattern)
    if found != 0 { return index &+ found.trailingZeroBitCount &>> 3 }
    index &+= 8
  }
  while index < end && text[index] != byte { index &+= 1 }
  return index
}

/// Where `byte` occurs last.
///
/// - Returns: An index in `0..<count`, or nil where there is none.
@inlinable
public func lastIndexOfByte(_ byte: UInt8, in text: UnsafePointer<UInt8>, count: Int) -> Int? {
  let pattern = repeated(byte)
  var end = count
  while end >= 8 {
    let found = marks(loadWord(text, end &- 8), equalTo: pattern)
    if found != 0 { return end &- 1 &- found.leadingZeroBitCount &>> 3 }
    end &-= 8
  }
  while end > 0 {
    end &-= 1
    if text[end] == byte { return end }
  }
  return nil
}

/// How often `byte` occurs.
@inlinable
public func countOfByte(_ byte: UInt8, in text: UnsafePointer<UInt8>, count: Int) -> Int {
  let pattern = repeated(byte)
  var total = 0
  var index = 0
  while index &+ 8 <= count {
    total &+= marks(loadWord(text, index), equalTo: pattern).nonzeroBitCount
    index &+= 8
  }
  while index < count {
    total &+= text[index] == byte ? 1 : 0
    index &+= 1
  }
  return total
}
