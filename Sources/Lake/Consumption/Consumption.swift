import Core

/// How far a consumer has read one input that it reads whole.
public enum InputPosition: Sendable, Hashable {
  /// A source: everything up to this entry of its log, read under this definition's fingerprint.
  case log(number: Int, definition: String)
  /// A table of the lake: this snapshot, made under this definition.
  case snapshot(id: Int64, definition: String)
  /// One interval of an interval table, as this run published it.
  case interval(run: String, definition: String)
  /// A table that had no snapshot yet.
  case nothing
}

/// One object that rows were computed from.
public struct ConsumedObject: Sendable, Hashable {
  public var source: String
  public var uri: String
  public var byteCount: Int64
  public var version: String
  /// The number of the log entry that it came with.
  public var batch: Int

  public init(source: String, uri: String, byteCount: Int64, version: String, batch: Int) {
    self.source = source
    self.uri = uri
    self.byteCount = byteCount
    self.version = version
    self.batch = batch
  }
}

/// What one interval of an interval table was made from.
public struct ConsumedInterval: Sendable, Hashable {
  /// The definition's fingerprint.
  public var definition: String
  public var run: String
  public var objects: [ConsumedObject]
  /// Inputs that are read whole, by name.
  public var inputs: [String: InputPosition]
  public var rowCount: Int64

  public init(
    definition: String, run: String, objects: [ConsumedObject] = [],
    inputs: [String: InputPosition] = [:], rowCount: Int64
  ) {
    self.definition = definition
    self.run = run
    self.objects = objects
    self.inputs = inputs
    self.rowCount = rowCount
  }
}

extension ConsumedInterval {
  /// What tells one computation of an interval from another: its definition, the versions of its
  /// files, and the runs that made the same interval of the tables it reads. 64 hexadecimal digits.
  public var identity: String {
    let files = objects.map { "\($0.source) \($0.uri) \($0.version)" }.sorted()
    let tables = inputs.sorted { $0.key < $1.key }.compactMap { name, position -> String? in
      guard case .interval(let run, let definition) = position else { return nil }
      return "\(name) \(run) \(definition)"
    }
    return Packing.sha256(Array(([definition] + files + tables).joined(separator: "\n").utf8))
  }
}

/// What parsing a query gave, so that text which has not changed needs no parser (rule 14).
public struct ConsumedQuery: Sendable, Hashable {
  /// The names after FROM and JOIN, as written.
  public var inputs: [String]
  /// The `$name` parameters, without the `$`.
  public var parameters: [String]
  /// Of the canonical syntax tree.
  public var syntaxSHA256: String

  public init(inputs: [String], parameters: [String], syntaxSHA256: String) {
    self.inputs = inputs
    self.parameters = parameters
    self.syntaxSHA256 = syntaxSHA256
  }
}

/// The model's definition at its last publication (rule 14).
public struct ConsumedDefinition: Sendable, Hashable {
  public var fingerprint: String
  /// The model's query and those of the views it reads, by the SHA-256 of their text.
  public var queries: [String: ConsumedQuery]

  public init(fingerprint: String = "", queries: [String: ConsumedQuery] = [:]) {
    self.fingerprint = fingerprint
    self.queries = queries
  }
}

/// Everything that a table has consumed: published in the same commit as its rows.
public struct Consumption: Sendable, Hashable {
  public var definition: ConsumedDefinition
  /// Of interval models.
  public var intervals: [Interval: ConsumedInterval]
  /// Of models without intervals: where each input stood, by name.
  public var inputs: [String: InputPosition]
  /// Of incremental models: contributions to consume again although they have been.
  public var pending: [String] = []
  /// What was undone by hand, and is not done again until it is forgotten.
  public var held = Held()
  /// Of merge models whose rows can say that a key is gone: the rows that won and say so, which the
  /// table does not hold. Nil where they are not on record.
  public var deletions: [DeletionFile]?
  /// The run that published last.
  public var run: String
  /// What a rollback has undone (rule 15).
  public struct Held: Sendable, Hashable {
    /// Of incremental models: versions of these that are consumed already, and not in the rows.
    public var contributions: [String]
    /// Of interval models, each with the identity of what was undone: from other files, or under
    /// another definition, the interval is not the same.
    public var intervals: [Interval: String]
    /// The table as a whole, where its parts cannot be told.
    public var isWhole: Bool

    public init(
      contributions: [String] = [], intervals: [Interval: String] = [:], isWhole: Bool = false
    ) {
      self.contributions = contributions
      self.intervals = intervals
      self.isWhole = isWhole
    }

    public var isEmpty: Bool { contributions.isEmpty && intervals.isEmpty && !isWhole }
  }

  /// Kept for later versions: keys that this one does not know.
  public var unknown: [JSON.Member] = []

  public init(
    definition: ConsumedDefinition = .init(), intervals: [Interval: ConsumedInterval] = [:],
    inputs: [String: InputPosition] = [:], run: String = ""
  ) {
    self.definition = definition
    self.intervals = intervals
    self.inputs = inputs
    self.run = run
  }
}

/// A Parquet file among a table's state, with all columns of the table: rows of a merge model that
/// say that their keys are gone.
public struct DeletionFile: Sendable, Hashable {
  /// Relative to the folder of the table's state.
  public var name: String
  public var rowCount: Int64
  public var byteCount: Int64

  public init(name: String, rowCount: Int64, byteCount: Int64) {
    self.name = name
    self.rowCount = rowCount
    self.byteCount = byteCount
  }
}

/// What a publication changed, for those who read a table's changes instead of its rows (rule 8).
public struct ChangeSet: Sendable, Hashable {
  /// Every row may have changed.
  public var isFull: Bool
  /// Of interval tables.
  public var intervals: Changed<Interval>
  /// Of tables whose rows say where they came from: values of `_source_file`.
  public var contributions: Changed<String>

  /// Parts of a table: those that had no rows before, those whose rows are others now, and those
  /// that have none any more.
  public struct Changed<Part: Hashable & Sendable>: Sendable, Hashable {
    public var added: [Part]
    public var replaced: [Part]
    public var removed: [Part]

    public init(added: [Part] = [], replaced: [Part] = [], removed: [Part] = []) {
      self.added = added
      self.replaced = replaced
      self.removed = removed
    }

    public var isEmpty: Bool { added.isEmpty && replaced.isEmpty && removed.isEmpty }
  }

  /// What a summary says, in the place of a file's hash, of a change of which nothing else is known
  /// than that every row may have changed.
  static let full = "full"

  public init(
    isFull: Bool = false, intervals: Changed<Interval> = .init(),
    contributions: Changed<String> = .init()
  ) {
    self.isFull = isFull
    self.intervals = intervals
    self.contributions = contributions
  }
}

/// Changes that came one after the other, as one.
public struct FoldedChanges<Part: Hashable & Sendable>: Sendable {
  private struct Fate {
    var wasThere: Bool
    var isThere: Bool
  }

  private var fates: [Part: Fate] = [:]
  private let doubtful: Set<Part>

  /// - Parameter doubtful: Parts that may have been there before, whatever the changes say: those
  ///   that a rollback holds back are not as their last change left them.
  public init(doubtful: [Part] = []) { self.doubtful = Set(doubtful) }

  public mutating func add(_ part: Part) { set(part, was: false, is: true) }
  public mutating func replace(_ part: Part) { set(part, was: true, is: true) }
  public mutating func remove(_ part: Part) { set(part, was: true, is: false) }

  public mutating func fold(_ changes: ChangeSet.Changed<Part>) {
    for part in changes.removed { remove(part) }
    for part in changes.replaced { replace(part) }
    for part in changes.added { add(part) }
  }

  private mutating func set(_ part: Part, was wasThere: Bool, is isThere: Bool) {
    let before = fates[part]?.wasThere ?? (wasThere || doubtful.contains(part))
    fates[part] = Fate(wasThere: before, isThere: isThere)
  }

  /// What became of each part in the end; what came and went again is in none of the lists.
  public var result: ChangeSet.Changed<Part> {
    var changed = ChangeSet.Changed<Part>()
    for (part, fate) in fates {
      switch (fate.wasThere, fate.isThere) {
      case (false, true): changed.added.append(part)
      case (true, true): changed.replaced.append(part)
      case (true, false): changed.removed.append(part)
      case (false, false): break
      }
    }
    return changed
  }
}
