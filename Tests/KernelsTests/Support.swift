import Kernels
import TestSupport

/// Sizes at the edges of words, vectors and pages.
let edgeSizes = [0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 4095, 4096, 4097]

/// Text with repetition, so that it packs like real data.
func sampleText(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
  var random = Seeded(seed)
  let words = ["en", "Main_Page", "de.m", "Spezial:Suche", "42", "7", "Größe", "\"x", "-"]
  var out: [UInt8] = []
  while out.count < count {
    out += words.randomElement(using: &random)!.utf8
    out.append(Bool.random(using: &random) ? 0x20 : 0x0A)
  }
  return Array(out.prefix(count))
}

/// Reads everything through an inflater with the given sizes of pulls and reads.
func inflateAll(
  _ packed: [UInt8], _ compression: Compression, pull: Int = .max, read: Int = 4096,
  window: Int = 64 << 10
) throws -> [UInt8] {
  let inflater = Inflater(compression, inputByteCount: window)
  var used = 0
  var out: [UInt8] = []
  while true {
    let chunk = try [UInt8](unsafeUninitializedCapacity: read) { buffer, count in
      count = try inflater.read(into: UnsafeMutableRawBufferPointer(buffer)) { wanted in
        let count = min(pull, wanted.count, packed.count - used)
        packed.withUnsafeBytes {
          wanted.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[used..<used + count]))
        }
        used += count
        return count
      }
    }
    out += chunk
    if chunk.count < read { return out }
  }
}

extension Array where Element == UInt8 {
  init(_ text: String) { self = Array(text.utf8) }
}
