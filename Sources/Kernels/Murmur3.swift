/// The hash of Iceberg's bucket partitions: MurmurHash3, x86, 32 bits, seed 0.
///
/// Source: https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp
public func murmur3(_ bytes: [UInt8]) -> UInt32 {
  bytes.withUnsafeBytes { murmur3($0) }
}

/// The hash of a number's eight bytes, lowest first.
public func murmur3(_ number: Int64) -> UInt32 {
  withUnsafeBytes(of: number.littleEndian) { murmur3($0) }
}

/// - Complexity: O(*n*). Does not allocate.
public func murmur3(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
  var hash: UInt32 = 0
  let blocks = bytes.count / 4
  for block in 0..<blocks {
    let word = UInt32(
      littleEndian: bytes.loadUnaligned(fromByteOffset: block * 4, as: UInt32.self))
    hash ^= mixed(word)
    hash = (hash << 13 | hash >> 19) &* 5 &+ 0xE654_6B64
  }
  var tail: UInt32 = 0
  for index in (blocks * 4..<bytes.count).reversed() { tail = tail << 8 | UInt32(bytes[index]) }
  if bytes.count % 4 != 0 { hash ^= mixed(tail) }
  hash ^= UInt32(truncatingIfNeeded: bytes.count)
  hash ^= hash >> 16
  hash = hash &* 0x85EB_CA6B
  hash ^= hash >> 13
  hash = hash &* 0xC2B2_AE35
  return hash ^ hash >> 16
}

private func mixed(_ word: UInt32) -> UInt32 {
  let scrambled = word &* 0xCC9E_2D51
  return (scrambled << 15 | scrambled >> 17) &* 0x1B87_3593
}
