import Core

/// What changes while an hour is written.
struct HourState {
  var random: SplitMix
  /// Of the well-formed lines.
  private(set) var views = 0
  /// The line after which the next malformed one comes.
  private(set) var nextMalformed: Int
  private(set) var malformedLeft: Int
  private let malformedEvery: Int

  /// - Parameter malformed: How many of the hour's `lines` are malformed; spread evenly.
  init(random: SplitMix, lines: Int, malformed: Int) {
    self.random = random
    malformedLeft = malformed
    malformedEvery = malformed == 0 ? Int.max : max(1, lines / malformed)
    nextMalformed = malformed == 0 ? Int.max : malformedEvery / 2 + 1
  }

  mutating func write(
    _ prefix: [UInt8], _ vocabulary: Vocabulary, _ title: Int, _ count: Int,
    _ output: inout LineWriter
  ) throws(SampleError) {
    views += count
    try output.write(prefix, vocabulary, title, count)
  }

  /// One line that is not `domain page views bytes`, each kind in its turn.
  mutating func writeMalformed(
    _ domain: String, _ output: inout LineWriter
  ) throws(SampleError) {
    let tails: [[UInt8]] = [
      Array(" Special:Search".utf8),  // counts missing
      Array(" Two words 3 0".utf8),  // a space in the title
      Array(" Not_a_number x7 0".utf8),
      [0x20, 0x43, 0x61, 0x66, 0xE9, 0x20, 0x31, 0x20, 0x30],  // "Café" in Latin-1, 1 0
      Array(" 5 0".utf8),  // the title missing
    ]
    try output.write(Array(domain.utf8) + tails[malformedLeft % tails.count] + [0x0A])
    malformedLeft -= 1
    nextMalformed = malformedLeft == 0 ? Int.max : nextMalformed + malformedEvery
  }
}

/// Puts lines together in one block of memory and hands full blocks to a file.
struct LineWriter: ~Copyable {
  private(set) var lines = 0
  private var file: GzipFile
  private var used = 0
  private var flushed = 0
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
  /// More than the longest line: a domain, two words, a number.
  private static let margin = 4096

  init(file: consuming GzipFile) { self.file = file }

  deinit { buffer.deallocate() }

  /// Writes `domain page views 0`.
  mutating func write(
    _ prefix: [UInt8], _ vocabulary: Vocabulary, _ title: Int, _ views: Int
  ) throws(SampleError) {
    let (first, last) = title.quotientAndRemainder(dividingBy: vocabulary.lasts.count)
    append(prefix, 0, prefix.count)
    append(vocabulary.firsts, first)
    append(vocabulary.lasts, last)
    append(0x20)
    appendNumber(views)
    append(0x20)
    append(0x30)
    append(0x0A)
    try endLine()
  }

  mutating func write(_ line: [UInt8]) throws(SampleError) {
    append(line, 0, line.count)
    try endLine()
  }

  /// Flushes and closes; answers how many bytes the lines had.
  mutating func finish() throws(SampleError) -> Int {
    try flush()
    try file.finish()
    return flushed
  }

  private mutating func endLine() throws(SampleError) {
    lines += 1
    if used > buffer.count - LineWriter.margin { try flush() }
  }

  private mutating func flush() throws(SampleError) {
    try file.append(UnsafeRawBufferPointer(rebasing: buffer[..<used]))
    flushed += used
    used = 0
  }

  private mutating func append(_ byte: UInt8) {
    buffer[used] = byte
    used += 1
  }

  private mutating func append(_ words: WordList, _ index: Int) {
    append(words.bytes, Int(words.offsets[index]), Int(words.offsets[index + 1]))
  }

  private mutating func append(_ bytes: [UInt8], _ start: Int, _ end: Int) {
    bytes.withUnsafeBytes { source in
      buffer.baseAddress!.advanced(by: used).copyMemory(
        from: source.baseAddress!.advanced(by: start), byteCount: end - start)
    }
    used += end - start
  }

  private mutating func appendNumber(_ number: Int) {
    precondition(number >= 0)
    var divisor = 1
    while number / divisor >= 10 { divisor *= 10 }
    while divisor > 0 {
      append(0x30 + UInt8(number / divisor % 10))
      divisor /= 10
    }
  }
}

/// How many views a page has: a power law over 65,536 quantiles, which continues above the last
/// one as it began.
struct ViewTable {
  private let quantiles: [UInt16]

  /// Whether at most `t`/65536 of all pages have `v` views or more: v^-a <= t/65536, written
  /// without fractions so that every machine agrees.
  typealias Law = @Sendable (_ v: UInt64, _ t: UInt64) -> Bool
  static let exponent3over2: Law = { v, t in v * v * v * t * t <= 1 << 32 }
  static let exponent7over3: Law = { v, t in
    let cube = v * v * v
    let (product, overflow) = (cube * cube * v).multipliedReportingOverflow(by: t * t * t)
    return !overflow && product <= 1 << 48
  }

  init(_ law: Law) {
    var quantiles = [UInt16](repeating: 1, count: 65_536)
    var views: UInt64 = 1
    for t in (1...65_535).reversed() {
      while law(views + 1, UInt64(t)) { views += 1 }
      quantiles[t] = UInt16(views)
    }
    self.quantiles = quantiles
  }

  /// The views of a page whose random number is `hash`.
  func views(_ hash: UInt64) -> Int {
    let low = Int(hash & 0xFFFF)
    if low != 0 { return Int(quantiles[low]) }
    return Int(quantiles[1]) * Int(quantiles[Int(hash >> 16 & 0xFFFF)])
  }
}
