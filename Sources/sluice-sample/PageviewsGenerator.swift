import Core

/// Makes hours of page views in the format of the public dumps.
///
/// Of three times as many pages as a domain has lines, a third appears each hour; a page's
/// popularity stays the same from hour to hour, so that hours overlap as real ones do.
final class PageviewsGenerator {
  private let seed: UInt64
  /// Views of the 65,536 quantiles: a long tail for large domains, a short one for small.
  private let largeTail = ViewTable(ViewTable.exponent3over2)
  private let smallTail = ViewTable(ViewTable.exponent7over3)

  init(seed: UInt64) { self.seed = seed }

  /// Writes the file of the hour that begins at `start`.
  func writeHour(_ start: Instant, _ options: SampleOptions) throws(SampleError) -> SampleFile {
    let time = CivilTime(start)
    let month = time.dateText.prefix(7)
    let folder = "\(options.out)/\(month.prefix(4))/\(month)"
    try makeFolders(folder)
    let day = time.dateText.split(separator: "-").joined()
    let hour = time.clockText.prefix(2)
    let path =
      "\(folder)/pageviews-\(day)-\(hour)0000\(options.compressed ? ".gz" : "")"

    var output = LineWriter(file: try GzipFile(path: path, compressed: options.compressed))
    var state = HourState(
      random: SplitMix(SplitMix.mix(seed) ^ UInt64(bitPattern: start.microseconds)),
      lines: options.lines, malformed: options.malformedCount)

    let shares = Domains.shares(of: options.lines - options.malformedCount)
    let ordered = Domains.byTraffic.indices.filter { shares[$0] > 0 }.sorted {
      Domains.byTraffic[$0].code.utf8.lexicographicallyPrecedes(Domains.byTraffic[$1].code.utf8)
    }
    for place in ordered {
      try writeDomain(Domains.byTraffic[place], count: shares[place], &state, &output)
    }
    while state.malformedLeft > 0 { try state.writeMalformed("zu", &output) }
    let bytes = try output.finish()
    return SampleFile(
      path: path, hour: start, lines: output.lines, malformed: options.malformedCount,
      domains: ordered.count, views: state.views, uncompressedBytes: bytes)
  }

  private func writeDomain(
    _ domain: Domain, count: Int, _ state: inout HourState, _ output: inout LineWriter
  ) throws(SampleError) {
    let vocabulary = Vocabulary.of(domain.script)
    let prefix = Array((domain.code + " ").utf8)
    let universe = max(count, min(3 * count, vocabulary.titleCount))
    precondition(universe <= vocabulary.titleCount, "more lines than titles")
    let domainSeed = domain.code.utf8.reduce(SplitMix.mix(seed)) { SplitMix.mix($0 ^ UInt64($1)) }
    let table = count > 20_000 ? largeTail : smallTail

    // Numbers of titles in steps of 2^32ths, all in integers: the same on every machine.
    let step = (UInt64(vocabulary.titleCount) << 32) / UInt64(universe)
    var need = count
    // Famous pages stand where their numbers fall, with a share of all visits.
    var famous = vocabulary.famous.filter { count > ($0.place == 0 ? 1 : 2000) }[...]
    for k in 0..<universe where need > 0 {
      var title = Int((UInt64(k) &* step) >> 32)
      var views = table.views(SplitMix.mix(domainSeed &+ UInt64(k)))
      let isFamous = famous.first.map { title >= $0.title } ?? false
      if !isFamous && views < 12 {
        // Choosing `need` of what is left at random (Knuth's algorithm S); the popular ones come
        // as long as there is room.
        guard state.random.next(below: universe - k) < need else { continue }
      }
      if views > 3 { views = (views * (192 + state.random.next(below: 128))) >> 8 }
      if isFamous, let page = famous.popFirst() {
        title = page.title
        let divisor = page.place == 0 ? 6 : 14 + Int(SplitMix.mix(domainSeed ^ UInt64(title)) % 80)
        views += count / divisor
      }
      try state.write(prefix, vocabulary, title, views, &output)
      need -= 1
      // Some pages have two lines, as they do where a title was counted under two spellings.
      if need > 0, need < universe - k - 1, state.random.next(below: 2048) == 0 {
        try state.write(prefix, vocabulary, title, 1, &output)
        need -= 1
      }
      if output.lines >= state.nextMalformed { try state.writeMalformed(domain.code, &output) }
    }
  }
}
