import Foundation
import Synchronization

/// A collection of text files, the same for the same size: words come up as in Zipf's law, and their
/// spelling follows from their rank, the frequent ones being short.
struct Collection {
  let folder: String
  let count: Int

  private static let vocabulary = 400_000
  private static let onsets = [
    "b", "c", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "st", "tr", "ch",
    "qu", "br",
  ]
  private static let vowels = ["a", "e", "i", "o", "u", "ea", "ou", "ia", "ee"]
  private static let codas = ["n", "r", "s", "t", "l", "nd", "rk", "st", "ng", "m"]

  /// Writes `1.txt`, `2.txt` and so on.
  func write() throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let words = (0..<Collection.vocabulary).map(Collection.spelling)
    let next = Atomic<Int>(1)
    let threads = (0..<2).map { _ in
      let done = DispatchSemaphore(value: 0)
      Thread.detachNewThread {
        while true {
          let number = next.add(1, ordering: .relaxed).oldValue
          if number > count { break }
          let text = Collection.text(number, words)
          let file = open("\(folder)/\(number).txt", O_WRONLY | O_CREAT | O_TRUNC, 0o644)
          guard
            text.withUnsafeBytes({ Foundation.write(file, $0.baseAddress, $0.count) })
              == text.count
          else { fatalError("cannot write to \(folder)") }
          close(file)
        }
        done.signal()
      }
      return done
    }
    for done in threads { done.wait() }
  }

  /// The text of one file.
  private static func text(_ number: Int, _ words: [[UInt8]]) -> [UInt8] {
    var random = SplitMix(UInt64(number))
    // Most files are short, some long: 40 to 900 words.
    let draw = random.unit()
    let length = Int(40 + 335 * draw * draw + (draw > 0.99 ? 500 : 0))
    var text: [UInt8] = []
    var startsSentence = true
    for place in 0..<length {
      let word = words[rank(&random)]
      text += word
      if startsSentence, word[0] < 0x80 { text[text.count - word.count] -= 0x20 }
      startsSentence = random.next() % 12 == 0
      if startsSentence { text.append(UInt8(ascii: ".")) }
      text.append(UInt8(ascii: place % 14 == 13 ? "\n" : " "))
    }
    return text
  }

  /// 0 for the most frequent word.
  private static func rank(_ random: inout SplitMix) -> Int {
    let draw = random.unit()
    return min(vocabulary - 1, Int(exp(pow(draw, 1.7) * log(Double(vocabulary)))) - 1)
  }

  private static func spelling(_ rank: Int) -> [UInt8] {
    // Every number in a base whose digits are syllables; multiplied by a number without a common
    // factor, so that neighbours do not look alike.
    var text = ""
    var size = 90
    var rest = rank
    var syllables = 1
    while rest >= size {
      rest -= size
      size *= 90
      syllables += 1
    }
    rest = (rest * 7_919) % size
    for _ in 0..<syllables {
      let syllable = (rest * 7) % 90
      // Now and then a letter from beyond ASCII.
      let vowel = syllable == 37 && syllables > 1 ? "é" : vowels[syllable / 10]
      text += onsets[syllable % 20] + vowel + codas[(syllable + rest) % 10]
      rest /= 90
    }
    return Array(text.utf8)
  }
}

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
struct SplitMix {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed &* 0xD6E8_FEB8_6659_FD93 }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  /// From 0 up to 1.
  mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }
}
