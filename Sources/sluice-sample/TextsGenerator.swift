import Core

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// Makes a collection of text files whose words are as common and as rare as those of a language: the
/// n-th most frequent one is about n times as rare as the first (Zipf's law).
struct TextsGenerator {
  let seed: UInt64
  /// Of a file, on average.
  let words: Int

  private static let syllables = [
    "an", "be", "ca", "de", "el", "fo", "gar", "hi", "in", "jo", "ka", "lo", "mer", "na", "or",
    "pe",
    "qui", "ros", "sa", "ter", "u", "vi", "wen", "xa", "yo", "zé", "ly", "st", "ing", "tion", "ma",
    "ør",
  ].map { Array($0.utf8) }
  /// Ranks go up to two to the power of this.
  private static let octaves = 18

  /// Writes `N.txt`.
  ///
  /// - Returns: Its path, words and bytes.
  func write(_ number: Int, below folder: String) throws(SampleError) -> SampleText {
    var random = SplitMix(SplitMix.mix(seed) ^ SplitMix.mix(UInt64(number)))
    // From half to one and a half of the average.
    let count = words / 2 + random.next(below: max(1, words))
    var text: [UInt8] = []
    text.reserveCapacity(count * 8)
    for index in 0..<count {
      if index > 0 { text.append(index % 12 == 0 ? 0x0A : 0x20) }
      let octave = random.next(below: TextsGenerator.octaves)
      append(word: (1 << octave) + random.next(below: 1 << octave), to: &text)
      if random.next(below: 14) == 0 { text.append(random.next(below: 3) == 0 ? 0x2E : 0x2C) }
    }
    text.append(0x0A)
    let path = "\(folder)/\(number).txt"
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard file >= 0 else { throw .system("create \(path)") }
    defer { close(file) }
    var rest = text[...]
    while !rest.isEmpty {
      #if canImport(Glibc)
        let written = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
      #else
        let written = rest.withUnsafeBytes { Darwin.write(file, $0.baseAddress, $0.count) }
      #endif
      guard written > 0 else { throw .system("write \(path)") }
      rest = rest.dropFirst(written)
    }
    return SampleText(path: path, words: count, bytes: text.count)
  }

  /// The word of a rank: frequent ones are short.
  private func append(word rank: Int, to text: inout [UInt8]) {
    var left = rank
    repeat {
      text += TextsGenerator.syllables[left % 32]
      left /= 32
    } while left > 0
  }
}

/// One text that was written.
struct SampleText {
  var path: String
  var words: Int
  var bytes: Int

  var text: String { "\(path): \(words) words\n" }

  var json: String {
    let object: JSON = [
      "path": .string(path), "words": .integer(Int64(words)), "bytes": .integer(Int64(bytes)),
    ]
    return object.description + "\n"
  }
}
