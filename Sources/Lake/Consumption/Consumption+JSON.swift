import Core

// The file's form; see docs/formats/consumption.md. Texts that many intervals share are stored once.
extension Consumption {
  static let formatVersion: Int64 = 1

  private static let knownKeys: Set<String> = [
    "format", "nonce", "definition", "inputs", "run", "texts", "intervals", "pending", "held",
    "deletions",
  ]

  func json(nonce: String) -> JSON {
    var texts = TextTable()
    let rows = intervals.sorted { $0.key < $1.key }.map { interval, entry -> JSON in
      .array([
        .integer(interval.start.microseconds), .integer(interval.end.microseconds),
        texts.index(of: entry.definition), texts.index(of: entry.run),
        .integer(entry.rowCount),
        .array(
          entry.objects.map { object in
            .array([
              texts.index(of: object.source), .string(object.uri), .integer(object.byteCount),
              .string(object.version), .integer(Int64(object.batch)),
            ])
          }),
        .object(
          entry.inputs.sorted { $0.key < $1.key }.map { .init($0.key, $0.value.json) }),
      ])
    }
    var members: [JSON.Member] = [
      .init("format", .integer(Consumption.formatVersion)), .init("nonce", .string(nonce)),
      .init("run", .string(run)),
      .init(
        "definition",
        [
          "fingerprint": .string(definition.fingerprint),
          "queries": .object(
            definition.queries.sorted { $0.key < $1.key }.map { .init($0.key, $0.value.json) }),
        ]),
      .init(
        "inputs", .object(inputs.sorted { $0.key < $1.key }.map { .init($0.key, $0.value.json) })),
      .init("texts", .array(texts.texts.map(JSON.string))), .init("intervals", .array(rows)),
    ]
    if !pending.isEmpty {
      members.append(.init("pending", .array(pending.map(JSON.string))))
    }
    if !held.isEmpty {
      members.append(
        .init(
          "held",
          [
            "contributions": .array(held.contributions.map(JSON.string)),
            "intervals": .array(
              held.intervals.sorted { $0.key < $1.key }.map { interval, identity in
                .array((interval.microseconds.array ?? []) + [.string(identity)])
              }),
            "whole": .boolean(held.isWhole),
          ]))
    }
    if let deletions {
      members.append(
        .init(
          "deletions",
          .array(
            deletions.map {
              .array([.string($0.name), .integer($0.rowCount), .integer($0.byteCount)])
            })))
    }
    return .object(members + unknown)
  }

  /// - Throws: `LakeError` `.damaged` or `.unsupported`, without a place.
  init(json: JSON) throws(LakeError) {
    let version = json["format"]?.integer ?? 0
    guard version <= Consumption.formatVersion else {
      throw LakeError(
        .unsupported, "the consumption file has format \(version), which this Sluice does not read",
        advice: "use the newer Sluice that wrote it")
    }
    guard version > 0, let definition = json["definition"], let rows = json["intervals"]?.array
    else { throw LakeError(.damaged, "the file is not a consumption file") }
    let texts = (json["texts"]?.array ?? []).map { $0.string ?? "" }
    self.init(
      definition: ConsumedDefinition(
        fingerprint: definition["fingerprint"]?.string ?? "",
        queries: Dictionary(
          (definition["queries"]?.members ?? []).compactMap { member in
            ConsumedQuery(json: member.value).map { (member.name, $0) }
          }
        ) { first, _ in first }),
      run: json["run"]?.string ?? "")
    inputs = try Consumption.positions(json["inputs"])
    pending = (json["pending"]?.array ?? []).compactMap(\.string)
    held.contributions = (json["held"]?["contributions"]?.array ?? []).compactMap(\.string)
    held.isWhole = json["held"]?["whole"]?.boolean ?? false
    for item in json["held"]?["intervals"]?.array ?? [] {
      let cells = item.array ?? []
      let interval = try Interval(
        microseconds: .array(Array(cells.prefix(2))), of: "consumption file")
      held.intervals[interval] = cells.count > 2 ? cells[2].string ?? "" : ""
    }
    for item in json["deletions"]?.array ?? [] {
      guard let cells = item.array, cells.count >= 3, let name = cells[0].string,
        let rows = cells[1].integer, let bytes = cells[2].integer
      else { throw LakeError(.damaged, "a deletion file of the consumption file does not parse") }
      deletions = (deletions ?? []) + [.init(name: name, rowCount: rows, byteCount: bytes)]
    }
    if deletions == nil, json["deletions"] != nil { deletions = [] }
    unknown = (json.members ?? []).filter { !Consumption.knownKeys.contains($0.name) }
    for row in rows {
      guard let cells = row.array, cells.count >= 7, let start = cells[0].integer,
        let end = cells[1].integer, start < end, let fingerprint = cells[2].text(texts),
        let run = cells[3].text(texts), let rowCount = cells[4].integer,
        let objects = cells[5].array
      else { throw LakeError(.damaged, "an interval of the consumption file does not parse") }
      var entry = ConsumedInterval(definition: fingerprint, run: run, rowCount: rowCount)
      for object in objects {
        guard let parts = object.array, parts.count >= 5, let source = parts[0].text(texts),
          let uri = parts[1].string, let size = parts[2].integer, let version = parts[3].string,
          let batch = parts[4].integer
        else { throw LakeError(.damaged, "an object of the consumption file does not parse") }
        entry.objects.append(
          ConsumedObject(
            source: source, uri: uri, byteCount: size, version: version, batch: Int(batch)))
      }
      entry.inputs = try Consumption.positions(cells[6])
      let interval = Interval(
        start: Instant(microseconds: start), end: Instant(microseconds: end))
      intervals[interval] = entry
    }
  }

  private static func positions(_ json: JSON?) throws(LakeError) -> [String: InputPosition] {
    var positions: [String: InputPosition] = [:]
    for member in json?.members ?? [] {
      guard let position = InputPosition(json: member.value) else {
        throw LakeError(.damaged, "the position of input '\(member.name)' does not parse")
      }
      positions[member.name] = position
    }
    return positions
  }
}

extension InputPosition {
  var json: JSON {
    switch self {
    case .log(let number, let definition):
      ["log": .integer(Int64(number)), "definition": .string(definition)]
    case .snapshot(let id, let definition):
      ["snapshot": .integer(id), "definition": .string(definition)]
    case .interval(let run, let definition):
      ["interval_run": .string(run), "definition": .string(definition)]
    case .nothing: .object([])
    }
  }

  init?(json: JSON) {
    guard json.members != nil else { return nil }
    let definition = json["definition"]?.string ?? ""
    if let number = json["log"]?.integer {
      self = .log(number: Int(number), definition: definition)
    } else if let id = json["snapshot"]?.integer {
      self = .snapshot(id: id, definition: definition)
    } else if let run = json["interval_run"]?.string {
      self = .interval(run: run, definition: definition)
    } else {
      self = .nothing
    }
  }
}

extension ConsumedQuery {
  var json: JSON {
    [
      "inputs": .array(inputs.map(JSON.string)), "parameters": .array(parameters.map(JSON.string)),
      "syntax_sha256": .string(syntaxSHA256),
    ]
  }

  /// Nil where something is missing: the query is then parsed again.
  init?(json: JSON) {
    guard let inputs = json["inputs"]?.array, let parameters = json["parameters"]?.array,
      let syntax = json["syntax_sha256"]?.string
    else { return nil }
    self.init(
      inputs: inputs.compactMap(\.string), parameters: parameters.compactMap(\.string),
      syntaxSHA256: syntax)
  }
}

/// Texts by number, each once.
private struct TextTable {
  private(set) var texts: [String] = []
  private var numbers: [String: Int64] = [:]

  mutating func index(of text: String) -> JSON {
    if let number = numbers[text] { return .integer(number) }
    numbers[text] = Int64(texts.count)
    texts.append(text)
    return .integer(Int64(texts.count - 1))
  }
}

extension JSON {
  fileprivate func text(_ texts: [String]) -> String? {
    integer.flatMap { texts.indices.contains(Int($0)) ? texts[Int($0)] : nil }
  }
}

extension Interval {
  /// `[start, end]`.
  fileprivate var microseconds: JSON {
    .array([.integer(start.microseconds), .integer(end.microseconds)])
  }

  fileprivate init(microseconds pair: JSON, of file: String) throws(LakeError) {
    guard let cells = pair.array, cells.count == 2, let start = cells[0].integer,
      let end = cells[1].integer, start < end
    else { throw LakeError(.damaged, "an interval of the \(file) does not parse") }
    self.init(start: Instant(microseconds: start), end: Instant(microseconds: end))
  }
}

extension ChangeSet {
  static let formatVersion: Int64 = 1

  func json(nonce: String) -> JSON {
    func list(_ intervals: [Interval]) -> JSON {
      .array(intervals.sorted().map(\.microseconds))
    }
    func list(_ files: [String]) -> JSON { .array(files.sorted().map(JSON.string)) }
    var members: [JSON.Member] = [
      .init("format", .integer(ChangeSet.formatVersion)), .init("nonce", .string(nonce)),
      .init("full", .boolean(isFull)),
      .init(
        "intervals",
        [
          "added": list(intervals.added), "replaced": list(intervals.replaced),
          "removed": list(intervals.removed),
        ]),
    ]
    if !contributions.isEmpty {
      members.append(
        .init(
          "contributions",
          [
            "added": list(contributions.added), "replaced": list(contributions.replaced),
            "removed": list(contributions.removed),
          ]))
    }
    return .object(members)
  }

  init(json: JSON) throws(LakeError) {
    let version = json["format"]?.integer ?? 0
    guard version <= ChangeSet.formatVersion else {
      throw LakeError(
        .unsupported, "the change file has format \(version), which this Sluice does not read",
        advice: "use the newer Sluice that wrote it")
    }
    guard version > 0, let isFull = json["full"]?.boolean, let lists = json["intervals"] else {
      throw LakeError(.damaged, "the file is not a change file")
    }
    func list(_ name: String) throws(LakeError) -> [Interval] {
      var intervals: [Interval] = []
      for pair in lists[name]?.array ?? [] {
        intervals.append(try Interval(microseconds: pair, of: "change file"))
      }
      return intervals
    }
    func files(_ name: String) throws(LakeError) -> [String] {
      var files: [String] = []
      for item in json["contributions"]?[name]?.array ?? [] {
        guard let file = item.string else {
          throw LakeError(.damaged, "a contribution of the change file does not parse")
        }
        files.append(file)
      }
      return files
    }
    self.init(
      isFull: isFull,
      intervals: .init(
        added: try list("added"), replaced: try list("replaced"), removed: try list("removed")),
      contributions: .init(
        added: try files("added"), replaced: try files("replaced"), removed: try files("removed")))
  }
}
