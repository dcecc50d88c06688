/// Whether two runs of bytes are the same.
///
/// - Parameters: `count` readable bytes each.
@inlinable
@inline(__always)
public func equalBytes(
  _ a: UnsafePointer<UInt8>, _ b: UnsafePointer<UInt8>, count: Int
) -> Bool {
  if count < 8 {
    var index = 0
    while index < count {
      if a[index] != b[index] { return false }
      index &+= 1
    }
    return true
  }
  var index = 0
  while index &+ 8 <= count {
    if loadWord(a, index) != loadWord(b, index) { return false }
    index &+= 8
  }
  // The last word overlaps the one before.
  return loadWord(a, count &- 8) == loadWord(b, count &- 8)
}

/// How many bytes two runs have in common at their start.
///
/// - Returns: At most the shorter count.
@inlinable
@inline(__always)
public func commonPrefix(
  _ a: UnsafePointer<UInt8>, _ aCount: Int, _ b: UnsafePointer<UInt8>, _ bCount: Int
) -> Int {
  let count = aCount < bCount ? aCount : bCount
  var index = 0
  while index &+ 8 <= count {
    let difference = loadWord(a, index) ^ loadWord(b, index)
    if difference != 0 { return index &+ difference.trailingZeroBitCount &>> 3 }
    index &+= 8
  }
  while index < count && a[index] == b[index] { index &+= 1 }
  return index
}

/// Compares two runs of bytes; a run comes before those that it begins.
///
/// - Returns: Negative, zero or positive as `a` is less than, equal to or greater than `b`.
@inlinable
@inline(__always)
public func compareBytes(
  _ a: UnsafePointer<UInt8>, _ aCount: Int, _ b: UnsafePointer<UInt8>, _ bCount: Int
) -> Int {
  let common = commonPrefix(a, aCount, b, bCount)
  if common < aCount && common < bCount { return Int(a[common]) &- Int(b[common]) }
  return aCount &- bCount
}
