import Core

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// `sluice-sample`: makes input in the formats of the real sources, the same bytes for the same
/// arguments.
enum SampleCommand {
  static let usage = """
    sluice-sample pageviews --out DIR [options]
    sluice-sample texts --out DIR [options]

    Writes hourly page-view dumps as DIR/{yyyy}/{yyyy}-{MM}/pageviews-{yyyyMMdd}-{HH}0000.gz,
    lines `domain page views bytes`, the same bytes for the same options.

      --out DIR          folder to write below
      --from T           first hour, UTC: 2024-01-01 or 2024-01-01T05 (default 2024-01-01T05)
      --hours N          how many hours (default 1)
      --lines L          lines of each hour, malformed ones included (default 100000)
      --seed S           another collection for another number (default 1)
      --malformed M      malformed lines of each hour (default one in 50000, at least
                         one from 1000 lines on)
      --uncompressed     no gzip, and no .gz
      --json             one JSON object for each file on standard output

    texts writes DIR/1.txt, DIR/2.txt, …, in which words are as frequent as in a language.

      --out DIR          folder to write to
      --files N          how many files (default 1000)
      --first F          the first file's number (default 1)
      --words W          words of a file, on average (default 200)
      --seed S           other texts for another number (default 1)
      --json             one JSON object for each file on standard output

    """

  /// Runs the command and returns its exit code: 0 done, 1 could not write, 2 wrong arguments.
  static func run(_ arguments: [String]) -> Int32 {
    if arguments.isEmpty || arguments.contains("--help") || arguments.contains("-h") {
      emit(usage, to: STDOUT_FILENO)
      return 0
    }
    do {
      if arguments[0] == "texts" {
        let options = try TextsOptions(parsing: Array(arguments.dropFirst()))
        try makeFolders(options.out)
        let generator = TextsGenerator(seed: options.seed, words: options.words)
        for number in options.first..<options.first + options.files {
          let file = try generator.write(number, below: options.out)
          if options.json { emit(file.json, to: STDOUT_FILENO) }
        }
        if !options.json { emit("\(options.out): \(options.files) texts\n", to: STDOUT_FILENO) }
        return 0
      }
      let options = try SampleOptions(parsing: arguments)
      let generator = PageviewsGenerator(seed: options.seed)
      for hour in 0..<options.hours {
        let start = options.from.adding(seconds: Int64(hour) * 3600)
        let file = try generator.writeHour(start, options)
        emit(options.json ? file.json : file.text, to: STDOUT_FILENO)
      }
      return 0
    } catch {
      emit("sluice-sample: \(error)\n", to: STDERR_FILENO)
      return error.exitCode
    }
  }

  private static func emit(_ text: String, to descriptor: Int32) {
    var text = text
    text.withUTF8 { bytes in
      var rest = UnsafeRawBufferPointer(bytes)
      while !rest.isEmpty {
        let written = write(descriptor, rest.baseAddress, rest.count)
        guard written > 0 else { return }
        rest = UnsafeRawBufferPointer(rebasing: rest[written...])
      }
    }
  }
}

/// What the command line asks for.
struct SampleOptions {
  var out = ""
  var from = CivilTime(year: 2024, hour: 5).instant
  var hours = 1
  var lines = 100_000
  var seed: UInt64 = 1
  var malformed: Int?
  var compressed = true
  var json = false

  /// The malformed lines of an hour.
  var malformedCount: Int { malformed ?? (lines < 1000 ? 0 : (lines + 49_999) / 50_000) }

  init(parsing arguments: [String]) throws(SampleError) {
    guard arguments[0] == "pageviews" else {
      throw .usage("there is no sample named \(arguments[0]); there are pageviews and texts")
    }
    var rest = arguments.dropFirst()
    while let name = rest.popFirst() {
      switch name {
      case "--uncompressed": compressed = false
      case "--json": json = true
      case "--out": out = try SampleOptions.value(of: name, &rest)
      case "--from":
        let text = try SampleOptions.value(of: name, &rest)
        guard let hour = SampleOptions.hour(text) else {
          throw .usage("--from \(text) is neither 2024-01-01 nor 2024-01-01T05")
        }
        from = hour
      case "--hours": hours = try SampleOptions.number(of: name, &rest, in: 1...100_000)
      case "--lines": lines = try SampleOptions.number(of: name, &rest, in: 1...50_000_000)
      case "--seed": seed = UInt64(try SampleOptions.number(of: name, &rest, in: 0...Int.max))
      case "--malformed":
        malformed = try SampleOptions.number(of: name, &rest, in: 0...50_000_000)
      default: throw .usage("\(name) is not an option; see sluice-sample --help")
      }
    }
    guard !out.isEmpty else { throw .usage("--out DIR is missing") }
    guard malformedCount <= lines else {
      throw .usage("--malformed \(malformedCount) is more than --lines \(lines)")
    }
  }

  fileprivate static func value(
    of name: String, _ rest: inout ArraySlice<String>
  ) throws(SampleError) -> String {
    guard let value = rest.popFirst() else { throw .usage("\(name) needs a value") }
    return value
  }

  fileprivate static func number(
    of name: String, _ rest: inout ArraySlice<String>, in range: ClosedRange<Int>
  ) throws(SampleError) -> Int {
    let text = try value(of: name, &rest)
    guard let number = Int(text), range.contains(number) else {
      throw .usage(
        "\(name) \(text) is not a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return number
  }

  /// `2024-01-01` or `2024-01-01T05`, UTC.
  static func hour(_ text: String) -> Instant? {
    let halves = text.split(separator: "T", omittingEmptySubsequences: false)
    let date = halves[0].split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
    guard date.count == 3, let year = date[0], let month = date[1], let day = date[2] else {
      return nil
    }
    var hour = 0
    if halves.count == 2 {
      guard let given = Int(halves[1]) else { return nil }
      hour = given
    }
    let time = CivilTime(year: year, month: month, day: day, hour: hour)
    return halves.count <= 2 && time.isValid && (0...9999).contains(year) ? time.instant : nil
  }
}

/// What the command line asks for of texts.
struct TextsOptions {
  var out = ""
  var files = 1000
  var first = 1
  var words = 200
  var seed: UInt64 = 1
  var json = false

  init(parsing arguments: [String]) throws(SampleError) {
    var rest = arguments[...]
    while let name = rest.popFirst() {
      switch name {
      case "--json": json = true
      case "--out": out = try SampleOptions.value(of: name, &rest)
      case "--files": files = try SampleOptions.number(of: name, &rest, in: 1...100_000_000)
      case "--first": first = try SampleOptions.number(of: name, &rest, in: 0...1_000_000_000)
      case "--words": words = try SampleOptions.number(of: name, &rest, in: 1...1_000_000)
      case "--seed": seed = UInt64(try SampleOptions.number(of: name, &rest, in: 0...Int.max))
      default: throw .usage("\(name) is not an option; see sluice-sample --help")
      }
    }
    guard !out.isEmpty else { throw .usage("--out DIR is missing") }
  }
}

/// What can go wrong: wrong arguments (2), or a file that cannot be written (1).
struct SampleError: Error, CustomStringConvertible {
  let description: String
  let exitCode: Int32

  static func usage(_ message: String) -> SampleError {
    SampleError(description: message, exitCode: 2)
  }

  /// The failure that `errno` names.
  static func system(_ action: String) -> SampleError {
    SampleError(description: "cannot \(action): \(String(cString: strerror(errno)))", exitCode: 1)
  }
}

/// One file that was written, with the counts that tests compare with.
struct SampleFile {
  var path: String
  var hour: Instant
  /// All lines, malformed ones included.
  var lines: Int
  var malformed: Int
  var domains: Int
  /// Of the well-formed lines.
  var views: Int
  var uncompressedBytes: Int

  var text: String {
    "\(path): \(lines) lines, \(malformed) malformed, \(domains) domains, \(views) views\n"
  }

  var json: String {
    let object: JSON = [
      "path": .string(path), "hour": .string(hour.description), "lines": .integer(Int64(lines)),
      "malformed": .integer(Int64(malformed)), "domains": .integer(Int64(domains)),
      "views": .integer(Int64(views)), "bytes": .integer(Int64(uncompressedBytes)),
    ]
    return object.description + "\n"
  }
}
