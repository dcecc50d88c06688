import Kernels
import Testing

@Suite struct DigestTests {
  // FIPS 180-4 examples, RFC 1321 A.5, RFC 4231 cases 1, 2 and 6, RFC 3720 B.4.

  @Test("Known digests")
  func known() {
    #expect(
      hexText(sha256(Array("abc")))
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(
      hexText(sha256([])) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    let sha1 = Digest(.sha1)
    sha1.update(Array("abc"))
    #expect(hexText(sha1.finish()) == "a9993e364706816aba3e25717850c26c9cd0d89d")
    #expect(hexText(md5(Array("message digest"))) == "f96b697d7cb7938d525a2f31aaf161d0")
    #expect(hexText(md5([])) == "d41d8cd98f00b204e9800998ecf8427e")
    #expect(
      hexText(hmacSHA256(key: [UInt8](repeating: 0x0B, count: 20), message: Array("Hi There")))
        == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")
    #expect(
      hexText(hmacSHA256(key: Array("Jefe"), message: Array("what do ya want for nothing?")))
        == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    #expect(
      hexText(hmacSHA256(key: [], message: []))
        == "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad")
  }

  @Test("CRC-64/NVME has its catalogue's check value, whole and in pieces", arguments: edgeSizes)
  func crc64(_ size: Int) {
    func sum(_ pieces: [[UInt8]]) -> UInt64 {
      var sum = CRC64NVME()
      for piece in pieces { piece.withUnsafeBytes { sum.update($0) } }
      return sum.value
    }
    // Greg Cook's catalogue of parametrised CRC algorithms, CRC-64/NVME.
    #expect(sum([Array("123456789".utf8)]) == 0xAE8B_1486_0A79_9888)
    #expect(sum([]) == 0)
    let text = sampleText(10_000)
    let cut = min(size, text.count)
    #expect(sum([Array(text[..<cut]), Array(text[cut...])]) == sum([text]))
    // Bit by bit.
    var naive = UInt64.max
    for byte in text[..<cut] {
      naive ^= UInt64(byte)
      for _ in 0..<8 { naive = naive >> 1 ^ (naive & 1 == 1 ? 0x9A6C_9329_AC4B_C9B5 : 0) }
    }
    #expect(sum([Array(text[..<cut])]) == ~naive)
  }

  @Test("Pieces give the digest of the whole", arguments: edgeSizes)
  func incremental(_ size: Int) {
    let text = sampleText(10_000)
    for algorithm in [Digest.Algorithm.sha256, .md5] {
      let digest = Digest(algorithm)
      digest.update(Array(text.prefix(size)))
      digest.update(Array(text.dropFirst(size)))
      #expect(digest.finish() == (algorithm == .sha256 ? sha256(text) : md5(text)))
      #expect(digest.finish() == digest.finish())
    }
  }

  @Test("CRC-32 and CRC-32C agree with their definitions, in pieces too", arguments: edgeSizes)
  func checksums(_ size: Int) {
    let text = sampleText(9000)
    var crc = CRC32()
    var castagnoli = CRC32C()
    for part in [Array(text.prefix(size)), Array(text.dropFirst(size))] {
      part.withUnsafeBytes {
        crc.update($0)
        castagnoli.update($0)
      }
    }
    #expect(crc.value == naiveCRC(text, polynomial: 0xEDB8_8320))
    #expect(castagnoli.value == naiveCRC(text, polynomial: 0x82F6_3B78))
  }

  @Test("CRC-32C of 32 zeros, as RFC 3720 has it")
  func castagnoliVector() {
    var crc = CRC32C()
    [UInt8](repeating: 0, count: 32).withUnsafeBytes { crc.update($0) }
    #expect(crc.value == 0x8A91_36AA)
  }

  private func naiveCRC(_ bytes: [UInt8], polynomial: UInt32) -> UInt32 {
    var crc: UInt32 = 0xFFFF_FFFF
    for byte in bytes {
      crc ^= UInt32(byte)
      for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ polynomial : crc >> 1 }
    }
    return ~crc
  }
}
