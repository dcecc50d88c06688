// Folded 128-bit products, the mixing step of wyhash (https://github.com/wangyi-fudan/wyhash): a
// product of two 64-bit words, its halves xored, depends on every bit of both.

@usableFromInline let hashSeed: UInt64 = 0x9E37_79B9_7F4A_7C15
@usableFromInline let hashStep: UInt64 = 0xD6E8_FEB8_6659_FD93

@inlinable
@inline(__always)
func folded(_ a: UInt64, _ b: UInt64) -> UInt64 {
  let product = a.multipliedFullWidth(by: b)
  return product.high ^ product.low
}

/// A 64-bit hash for tables in memory: well spread, the same on every machine, not secret.
///
/// - Parameter text: `count` readable bytes.
/// - Complexity: O(*n*), sixteen bytes a step.
@inlinable
public func hash64(_ text: UnsafePointer<UInt8>, count: Int) -> UInt64 {
  var state = hashSeed ^ UInt64(truncatingIfNeeded: count)
  var index = 0
  while count &- index > 16 {
    state = folded(loadWord(text, index) ^ hashStep, loadWord(text, index &+ 8) ^ state)
    index &+= 16
  }
  let left = count &- index
  var low: UInt64 = 0
  var high: UInt64 = 0
  if left >= 8 {
    low = loadWord(text, index)
    high = loadWord(text, count &- 8)
  } else if left >= 4 {
    low = UInt64(loadHalfWord(text, index))
    high = UInt64(loadHalfWord(text, count &- 4))
  } else if left > 0 {
    low =
      UInt64(text[index]) &<< 16 | UInt64(text[index &+ left &>> 1]) &<< 8
      | UInt64(text[count &- 1])
  }
  return folded(hashStep ^ state, folded(low ^ hashStep, high ^ state))
}

/// The four bytes at `text + index`, the first in the lowest place.
@inlinable
@inline(__always)
func loadHalfWord(_ text: UnsafePointer<UInt8>, _ index: Int) -> UInt32 {
  UInt32(littleEndian: UnsafeRawPointer(text + index).loadUnaligned(as: UInt32.self))
}
