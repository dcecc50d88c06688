import Core

/// The definition of a table, or of several where an operator owns them.
public struct Model: Sendable {
  public enum Kind: String, Sendable, CaseIterable {
    /// Computed when it is read.
    case view
    /// Rebuilt when an input changed.
    case full
    /// Adds the rows of what is new in one input, and takes back those of what is gone.
    case append
    /// Replaces the rows of one interval.
    case interval
    /// Keeps the latest row of each key, among all rows that one input ever gave.
    case merge
    /// An operator that owns the tables in `outputs`.
    case `operator`
  }

  public enum OnDefinition: String, Sendable, CaseIterable { case fail, rebuild }

  /// What a changed or removed file means for rows that came from it.
  public enum OnChange: String, Sendable, CaseIterable {
    /// They are replaced, or go.
    case replace
    /// They stay for ever.
    case keep
  }

  /// How a model is kept up to date by parts.
  public struct Incremental: Sendable {
    /// The one input whose changes it consumes, as its SQL names it.
    public var on: String
    public var place: Place

    public init(on: String, place: Place = .nowhere) {
      self.on = on
      self.place = place
    }
  }

  /// How a full model builds only groups of its rows again (rule 10).
  public struct Recompute: Sendable {
    /// The input whose changes say which groups, as its SQL names it.
    public var on: String
    /// The columns that tell groups apart, in that input and in the model.
    public var columns: [String]
    public var place: Place

    public init(on: String, columns: [String], place: Place = .nowhere) {
      self.on = on
      self.columns = columns
      self.place = place
    }
  }

  public var name: String
  public var pipeline: String
  public var kind: Kind
  public var description: String?
  /// Its `<model>.yaml`, as messages name it.
  public var file: String
  public var sql: SQLFile?
  /// The same query in Spark's words, where they differ.
  public var sparkSQL: SQLFile?
  /// Of the inputs that say something; `settings(ofInput:)` knows the defaults.
  public var inputs: [String: InputSettings]
  public var onDefinition: OnDefinition
  /// Of append and merge models, and of no others.
  public var incremental: Incremental?
  /// Of full models that are kept up to date by groups.
  public var recompute: Recompute?
  /// Of append and merge models.
  public var onChange: OnChange
  /// Of merge models: the columns that name a row.
  public var uniqueKey: [String]
  /// Of merge models: of two rows of one key, the one that comes last in this order stays.
  public var orderBy: [SortKey]
  /// Of merge models: a boolean column that is true where a row says that its key is gone.
  public var deleteMarker: String?
  public var sort: [SortKey]
  /// Without the interval that interval tables are partitioned by anyway.
  public var partitionBy: [PartitionColumn]
  /// With descriptions; IDs are 0. Empty for `kind: operator`.
  public var columns: Schema
  public var checks: [Check]
  public var `operator`: Operator?
  /// Empty unless `kind: operator`.
  public var outputs: [Output]
  public var tags: [String]
  /// Where each entry of `inputs` stands.
  var inputMarks: [String: Place] = [:]

  public init(
    name: String, pipeline: String, kind: Kind, description: String? = nil, file: String = "",
    sql: SQLFile? = nil, sparkSQL: SQLFile? = nil, inputs: [String: InputSettings] = [:],
    onDefinition: OnDefinition = .fail, incremental: Incremental? = nil,
    onChange: OnChange = .replace, uniqueKey: [String] = [], orderBy: [SortKey] = [],
    deleteMarker: String? = nil, sort: [SortKey] = [], partitionBy: [PartitionColumn] = [],
    columns: Schema = Schema([]),
    checks: [Check] = [], `operator`: Operator? = nil, outputs: [Output] = [], tags: [String] = []
  ) {
    self.name = name
    self.pipeline = pipeline
    self.kind = kind
    self.description = description
    self.file = file
    self.sql = sql
    self.sparkSQL = sparkSQL
    self.inputs = inputs
    self.onDefinition = onDefinition
    self.incremental = incremental
    self.onChange = onChange
    self.uniqueKey = uniqueKey
    self.orderBy = orderBy
    self.deleteMarker = deleteMarker
    self.sort = sort
    self.partitionBy = partitionBy
    self.columns = columns
    self.checks = checks
    self.operator = `operator`
    self.outputs = outputs
    self.tags = tags
  }

  /// `pipeline.model`.
  public var qualifiedName: String { "\(pipeline).\(name)" }

  /// The names of the tables it makes, in order; none for a view.
  public var tables: [String] {
    kind == .view ? [] : outputs.isEmpty ? [name] : outputs.map(\.name)
  }

  public func settings(ofInput name: String) -> InputSettings { inputs[name] ?? InputSettings() }

  /// One SELECT in a file of its own.
  public struct SQLFile: Sendable, Hashable {
    /// Absolute.
    public var path: String
    /// As messages name it.
    public var displayPath: String
    public var text: String

    public init(path: String, displayPath: String, text: String) {
      self.path = path
      self.displayPath = displayPath
      self.text = text
    }
  }

  public struct InputSettings: Sendable, Hashable {
    public enum OnInputChange: String, Sendable, CaseIterable { case ignore, rebuild }
    public var onInputChange: OnInputChange

    public init(onInputChange: OnInputChange = .rebuild) { self.onInputChange = onInputChange }
  }

  /// A native operator and its settings.
  public struct Operator: Sendable {
    public var name: String
    public var settings: JSON
    /// The settings of `rank`; nil for other operators.
    public var rank: RankSettings?
    /// The settings of `word_index`; nil for other operators.
    public var wordIndex: WordIndexSettings?
    /// What its settings read: the value of each `input:`.
    public var inputs: [Input]
    public var place: Place

    public init(
      name: String, settings: JSON, rank: RankSettings? = nil,
      wordIndex: WordIndexSettings? = nil, inputs: [Input] = [], place: Place = .nowhere
    ) {
      self.name = name
      self.settings = settings
      self.rank = rank
      self.wordIndex = wordIndex
      self.inputs = inputs
      self.place = place
    }

    /// Whether it makes tables of its own, those in `outputs`.
    public var ownsTables: Bool { wordIndex != nil }

    public struct Input: Sendable {
      public var name: String
      public var place: Place

      public init(name: String, place: Place = .nowhere) {
        self.name = name
        self.place = place
      }
    }
  }

  /// One of the tables an operator owns.
  public struct Output: Sendable {
    public var name: String
    public var description: String?
    public var columns: Schema
    public var checks: [Check]
    public var place: Place

    public init(
      name: String, description: String? = nil, columns: Schema, checks: [Check] = [],
      place: Place = .nowhere
    ) {
      self.name = name
      self.description = description
      self.columns = columns
      self.checks = checks
      self.place = place
    }
  }
}
