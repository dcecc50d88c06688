import CYaml

/// Reads one YAML document with libyaml into a tree with positions.
///
/// Duplicate keys, several documents, tags and nesting beyond 64 levels are refused; aliases are
/// copied, and the copies count: a file that would grow past 100,000 values is refused before it
/// does.
struct YAMLParser: ~Copyable {
  struct Mistake: Error {
    let mark: YAMLNode.Mark
    let message: String
    var advice: String?
  }

  static let maxDepth = 64
  static let maxNodes = 100_000

  /// On the heap: it points into itself once it has input.
  private let parser: UnsafeMutablePointer<yaml_parser_t>
  private let text: YAMLText
  private var anchors: [String: (node: YAMLNode, count: Int)] = [:]
  private var nodeCount = 0
  /// Mistakes that do not end the reading.
  private var mistakes: [Mistake] = []

  /// - Returns: The document (a null scalar where the file is empty) and what is wrong with it; a
  ///   nil document where the text could not be read to its end.
  static func parse(_ bytes: [UInt8]) -> (document: YAMLNode?, mistakes: [Mistake]) {
    do {
      let text = try YAMLText(bytes)
      var copy = text.text
      return copy.withUTF8 { utf8 in
        var parser = YAMLParser(text)
        yaml_parser_set_input_string(parser.parser, utf8.baseAddress, utf8.count)
        yaml_parser_set_encoding(parser.parser, YAML_UTF8_ENCODING)
        do throws(Mistake) {
          let document = try parser.stream()
          return (document, parser.mistakes)
        } catch {
          return (nil, parser.mistakes + [error])
        }
      }
    } catch {
      return (nil, [Mistake(mark: error.mark, message: error.message)])
    }
  }

  private init(_ text: YAMLText) {
    self.text = text
    parser = .allocate(capacity: 1)
    // Fails only without memory.
    let status = yaml_parser_initialize(parser)
    precondition(status == 1, "out of memory")
  }

  deinit {
    yaml_parser_delete(parser)
    parser.deallocate()
  }

  private mutating func stream() throws(Mistake) -> YAMLNode {
    var document = YAMLNode(
      content: .scalar(.init(text: "", isPlain: true, quoteCount: nil)),
      mark: .init(line: 1, column: 1))
    var hasDocument = false
    while true {
      var event = try next()
      defer { yaml_event_delete(&event) }
      switch event.type {
      case YAML_STREAM_END_EVENT: return document
      case YAML_DOCUMENT_START_EVENT:
        if hasDocument {
          throw Mistake(
            mark: mark(event.start_mark), message: "a second document",
            advice: "a project file holds one; remove the '---' before it")
        }
        hasDocument = true
        var first = try next()
        defer { yaml_event_delete(&first) }
        document = try node(first, depth: 0)
      default: break  // stream start, document end
      }
    }
  }

  private mutating func next() throws(Mistake) -> yaml_event_t {
    var event = yaml_event_t()
    guard yaml_parser_parse(parser, &event) == 1 else { throw syntaxMistake() }
    return event
  }

  private mutating func node(_ event: yaml_event_t, depth: Int) throws(Mistake) -> YAMLNode {
    let mark = mark(event.start_mark)
    guard depth < YAMLParser.maxDepth else {
      throw Mistake(mark: mark, message: "nested deeper than \(YAMLParser.maxDepth) levels")
    }
    nodeCount += 1
    let countBefore = nodeCount
    try checkCount(at: mark)
    var anchor: UnsafeMutablePointer<yaml_char_t>?
    var node = YAMLNode(content: .sequence([]), mark: mark)
    switch event.type {
    case YAML_ALIAS_EVENT:
      let name = string(event.data.alias.anchor)
      guard let known = anchors[name] else {
        throw Mistake(mark: mark, message: "'*\(name)' names no '&\(name)' above it")
      }
      nodeCount += known.count
      try checkCount(at: mark)
      return known.node
    case YAML_SCALAR_EVENT:
      anchor = event.data.scalar.anchor
      try refuse(tag: event.data.scalar.tag, at: mark)
      node.content = .scalar(scalar(event))
    case YAML_SEQUENCE_START_EVENT:
      anchor = event.data.sequence_start.anchor
      try refuse(tag: event.data.sequence_start.tag, at: mark)
      node.content = .sequence(try sequence(depth: depth))
    default:
      anchor = event.data.mapping_start.anchor
      try refuse(tag: event.data.mapping_start.tag, at: mark)
      node.content = .mapping(try mapping(depth: depth))
    }
    if let anchor { anchors[string(anchor)] = (node, nodeCount - countBefore + 1) }
    return node
  }

  private func scalar(_ event: yaml_event_t) -> YAMLNode.Scalar {
    let data = event.data.scalar
    let raw = String(
      decoding: UnsafeBufferPointer(start: data.value, count: data.length), as: UTF8.self)
    let isPlain = data.style == YAML_PLAIN_SCALAR_STYLE
    let width = Int(event.end_mark.column) - Int(event.start_mark.column)
    let quotes = isPlain ? 0 : 1
    let isVerbatim =
      event.start_mark.line == event.end_mark.line
      && width == raw.unicodeScalars.count + 2 * quotes
    return YAMLNode.Scalar(
      text: text.restore(raw), isPlain: isPlain, quoteCount: isVerbatim ? quotes : nil)
  }

  private mutating func sequence(depth: Int) throws(Mistake) -> [YAMLNode] {
    var items: [YAMLNode] = []
    while true {
      var event = try next()
      defer { yaml_event_delete(&event) }
      if event.type == YAML_SEQUENCE_END_EVENT { return items }
      items.append(try node(event, depth: depth + 1))
    }
  }

  private mutating func mapping(depth: Int) throws(Mistake) -> [YAMLNode.Entry] {
    var entries: [YAMLNode.Entry] = []
    var lines: [String: Int] = [:]
    while true {
      var event = try next()
      defer { yaml_event_delete(&event) }
      if event.type == YAML_MAPPING_END_EVENT { return entries }
      let keyMark = mark(event.start_mark)
      guard event.type == YAML_SCALAR_EVENT else {
        throw Mistake(
          mark: keyMark, message: "a key that is not a word",
          advice: "keys are plain names, written before a ':'")
      }
      let key = scalar(event).text
      var valueEvent = try next()
      defer { yaml_event_delete(&valueEvent) }
      let value = try node(valueEvent, depth: depth + 1)
      if let line = lines[key] {
        mistakes.append(
          Mistake(
            mark: keyMark, message: "key '\(key.shortened)' stands here twice",
            advice: "it is first on line \(line)"))
      } else {
        lines[key] = keyMark.line
        entries.append(.init(key: key, keyMark: keyMark, value: value))
      }
    }
  }

  private func checkCount(at mark: YAMLNode.Mark) throws(Mistake) {
    if nodeCount > YAMLParser.maxNodes {
      throw Mistake(
        mark: mark, message: "more than \(YAMLParser.maxNodes) values, aliases included")
    }
  }

  private func refuse(
    tag: UnsafeMutablePointer<yaml_char_t>?, at mark: YAMLNode.Mark
  ) throws(Mistake) {
    guard let tag else { return }
    throw Mistake(
      mark: mark, message: "the YAML tag '\(string(tag).shortened)'",
      advice: "project files use none; quote a value to make it text")
  }

  private func mark(_ mark: yaml_mark_t) -> YAMLNode.Mark {
    YAMLNode.Mark(line: Int(mark.line) + 1, column: Int(mark.column) + 1)
  }

  private func string(_ pointer: UnsafeMutablePointer<yaml_char_t>) -> String {
    String(cString: UnsafePointer(pointer))
  }

  /// libyaml's own words, with the two mistakes people make most often said more plainly.
  private func syntaxMistake() -> Mistake {
    let place = mark(parser.pointee.problem_mark)
    let problem = parser.pointee.problem.map { String(cString: $0) } ?? "unreadable"
    let lines = text.text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
    if place.line <= lines.count {
      let before = lines[place.line - 1].unicodeScalars.prefix(place.column)
      if before.last == "\t"
        || before.allSatisfy({ $0 == "\t" || $0 == " " }) && before.contains("\t")
      {
        return Mistake(mark: place, message: "a tab where YAML wants spaces", advice: nil)
      }
    }
    if problem.hasPrefix("mapping values are not allowed") {
      return Mistake(
        mark: place, message: "not YAML: a ':' that starts no value",
        advice: "indent keys alike, and quote text that holds ': '")
    }
    var message = "not YAML: \(problem)"
    if let context = parser.pointee.context {
      message += " \(String(cString: context))"
      let start = mark(parser.pointee.context_mark)
      if start.line != place.line { message += " that starts on line \(start.line)" }
    }
    return Mistake(mark: place, message: message, advice: nil)
  }
}
