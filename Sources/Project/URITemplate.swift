import Core

/// An address with the interval's time in it: `…/{yyyy}/{MM}/pageviews-{yyyyMMdd}-{HH}0000.gz`.
public struct URITemplate: Sendable, Hashable, CustomStringConvertible {
  enum Part: Sendable, Hashable {
    case literal(String)
    case year, month, day, hour
  }

  /// What is wrong with a template, and where.
  struct Mistake: Error {
    /// In characters from the template's start.
    let offset: Int
    let message: String
    let advice: String?
  }

  /// As written, after `${…}`.
  public let text: String
  /// The time each file covers: the finest placeholder.
  public let length: IntervalLength
  private let parts: [Part]

  public var description: String { text }

  /// The address of the file that begins with `interval`.
  public func expand(_ interval: Interval) -> String {
    let time = CivilTime(interval.start)
    func padded(_ number: Int, _ width: Int) -> String {
      String(number).paddedLeft(to: width, with: "0")
    }
    return parts.map { part in
      switch part {
      case .literal(let text): text
      case .year: padded(time.year, 4)
      case .month: padded(time.month, 2)
      case .day: padded(time.day, 2)
      case .hour: padded(time.hour, 2)
      }
    }.joined()
  }

  /// The interval whose file has this address: what `expand` undoes. Nil where none has.
  public func interval(at address: String) -> Interval? {
    var time = CivilTime(year: 1970)
    var rest = address.utf8[...]
    func number(_ width: Int) -> Int? {
      let digits = rest.prefix(width)
      guard digits.count == width, digits.allSatisfy({ (0x30...0x39).contains($0) }) else {
        return nil
      }
      rest = rest.dropFirst(width)
      return digits.reduce(0) { $0 * 10 + Int($1 - 0x30) }
    }
    for part in parts {
      switch part {
      case .literal(let text):
        guard rest.starts(with: text.utf8) else { return nil }
        rest = rest.dropFirst(text.utf8.count)
      case .year:
        guard let year = number(4) else { return nil }
        time.year = year
      case .month:
        guard let month = number(2), (1...12).contains(month) else { return nil }
        time.month = month
      case .day:
        guard let day = number(2), (1...31).contains(day) else { return nil }
        time.day = day
      case .hour:
        guard let hour = number(2), hour < 24 else { return nil }
        time.hour = hour
      }
    }
    guard rest.isEmpty else { return nil }
    // Finds days that do not exist, and placeholders that contradict each other.
    let interval = length.interval(holding: time.instant)
    return expand(interval).utf8.elementsEqual(address.utf8) ? interval : nil
  }

  /// - Throws: `.badValue` naming the placeholder that is not one.
  public init(_ text: String) throws(ProjectError) {
    do {
      try self.init(parsing: text)
    } catch {
      throw ProjectError(.badValue, error.message, advice: error.advice, exitCode: 2)
    }
  }

  /// One file a year; stands in where a template failed to parse.
  static let placeholder = URITemplate(text: "{yyyy}", length: .year, parts: [.year])

  private init(text: String, length: IntervalLength, parts: [Part]) {
    self.text = text
    self.length = length
    self.parts = parts
  }

  static let advice =
    "use {yyyy} {MM} {dd} {HH} or several in one, as in {yyyyMMdd} or {yyyy-MM-dd}"

  init(parsing text: String) throws(Mistake) {
    var parts: [Part] = []
    var literal = ""
    var rest = Array(text)[...]
    while let character = rest.first {
      if character == "{" {
        guard let close = rest.firstIndex(of: "}") else {
          throw Mistake(
            offset: rest.startIndex, message: "'{' without its '}'", advice: Self.advice)
        }
        let inside = rest[(rest.startIndex + 1)..<close]
        guard let time = URITemplate.time(inside) else {
          throw Mistake(
            offset: rest.startIndex, message: "unknown placeholder '{\(String(inside))}'",
            advice: Self.advice)
        }
        if !literal.isEmpty { parts.append(.literal(literal)) }
        literal = ""
        parts += time
        rest = rest[(close + 1)...]
      } else if character == "}" {
        throw Mistake(offset: rest.startIndex, message: "'}' without its '{'", advice: Self.advice)
      } else {
        literal.append(character)
        rest = rest.dropFirst()
      }
    }
    if !literal.isEmpty { parts.append(.literal(literal)) }
    self.text = text
    self.parts = parts
    length = try URITemplate.length(of: parts)
  }

  /// The parts of one placeholder; nil where it holds no time or something else.
  private static func time(_ inside: ArraySlice<Character>) -> [Part]? {
    let words: [(String, Part)] = [("yyyy", .year), ("MM", .month), ("dd", .day), ("HH", .hour)]
    var parts: [Part] = []
    var rest = inside
    while let character = rest.first {
      if let (word, part) = words.first(where: { rest.starts(with: $0.0) }) {
        parts.append(part)
        rest = rest.dropFirst(word.count)
      } else if "-_./T".contains(character) {
        parts.append(.literal(String(character)))
        rest = rest.dropFirst()
      } else {
        return nil
      }
    }
    let hasTime = parts.contains { if case .literal = $0 { false } else { true } }
    return hasTime ? parts : nil
  }

  /// The finest unit; every coarser one has to be there, else several intervals share a file.
  private static func length(of parts: [Part]) throws(Mistake) -> IntervalLength {
    let units: [(Part, String, IntervalLength)] = [
      (.year, "{yyyy}", .year), (.month, "{MM}", .month), (.day, "{dd}", .day),
      (.hour, "{HH}", .hour),
    ]
    guard let finest = units.lastIndex(where: { parts.contains($0.0) }) else {
      throw Mistake(
        offset: 0, message: "no interval's time in the address",
        advice: "\(Self.advice); files without it are read with 'files:'")
    }
    if let missing = units[..<finest].first(where: { !parts.contains($0.0) }) {
      throw Mistake(
        offset: 0,
        message: "\(units[finest].1) without \(missing.1): several intervals would share a file",
        advice: nil)
    }
    return units[finest].2
  }
}
