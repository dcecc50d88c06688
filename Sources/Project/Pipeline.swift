import Core

/// One folder below `pipelines/`.
public struct Pipeline: Sendable {
  /// The folder's name.
  public var name: String
  /// Absolute path of the folder.
  public var directory: String
  /// `pipeline.yaml`, as messages name it.
  public var file: String
  public var description: String?
  /// In the order they are declared.
  public var parameters: [Param]
  /// Nil where the pipeline does not run by intervals.
  public var interval: IntervalSettings?
  /// In the order they are declared.
  public var sources: [Source]
  /// By name.
  public var models: [Model]
  /// In the order they are declared.
  public var exports: [Export]
  public var hooks: Hooks

  public init(
    name: String, directory: String, file: String, description: String? = nil,
    parameters: [Param] = [], interval: IntervalSettings? = nil, sources: [Source] = [],
    models: [Model] = [], exports: [Export] = [], hooks: Hooks = Hooks()
  ) {
    self.name = name
    self.directory = directory
    self.file = file
    self.description = description
    self.parameters = parameters
    self.interval = interval
    self.sources = sources
    self.models = models
    self.exports = exports
    self.hooks = hooks
  }

  /// Each param's value, after `--set`.
  public var params: [String: Value] {
    Dictionary(uniqueKeysWithValues: parameters.map { ($0.name, $0.value) })
  }

  public subscript(source name: String) -> Source? { sources.first { $0.name == name } }
  public subscript(model name: String) -> Model? { models.first { $0.name == name } }
  public subscript(export name: String) -> Export? { exports.first { $0.name == name } }
}

/// A value that runs may choose with `--set`, bound in SQL as `$name`.
public struct Param: Sendable, Hashable {
  public var name: String
  public var type: FieldType
  /// The value in force: `--set`, else the default.
  public var value: Value
  /// Nil where every run has to set it.
  public var defaultValue: Value?
  /// The values it may take; empty allows all of its type.
  public var values: [Value]
  public var min: Value?
  public var max: Value?
  public var description: String?

  public init(
    name: String, type: FieldType, value: Value, defaultValue: Value? = nil, values: [Value] = [],
    min: Value? = nil, max: Value? = nil, description: String? = nil
  ) {
    self.name = name
    self.type = type
    self.value = value
    self.defaultValue = defaultValue
    self.values = values
    self.min = min
    self.max = max
    self.description = description
  }
}

/// How a pipeline's time is cut and run.
public struct IntervalSettings: Sendable, Hashable {
  public var every: IntervalLength
  /// What a run without `--from` works on: the interval holding the instant that `default` names.
  public var defaultInterval: Interval
  /// Intervals at once.
  public var parallel: Int
  /// Further attempts at an interval that failed.
  public var retries: Int

  public init(every: IntervalLength, defaultInterval: Interval, parallel: Int, retries: Int) {
    self.every = every
    self.defaultInterval = defaultInterval
    self.parallel = parallel
    self.retries = retries
  }
}

/// A column to sort by.
public struct SortKey: Sendable, Hashable {
  public var column: String
  public var isDescending: Bool

  public init(_ column: String, isDescending: Bool = false) {
    self.column = column
    self.isDescending = isDescending
  }
}

/// Files written outside the tables, for people and other programs.
public struct Export: Sendable, Hashable {
  public enum Format: String, Sendable, CaseIterable { case csv, parquet }
  public enum Compression: String, Sendable, CaseIterable { case none, gzip }

  public var name: String
  /// A model of the same pipeline.
  public var model: String
  public var to: Destination
  public var format: Format
  /// Of CSV; Parquet compresses its own pages.
  public var compression: Compression
  /// Whether CSV begins with the columns' names.
  public var header: Bool
  /// Columns of the model, in the order of the file.
  public var columns: [String]
  public var sort: [SortKey]
  public var place: Place

  public init(
    name: String, model: String, to: Destination, format: Format, compression: Compression = .none,
    header: Bool = true, columns: [String], sort: [SortKey] = [], place: Place = .nowhere
  ) {
    self.name = name
    self.model = model
    self.to = to
    self.format = format
    self.compression = compression
    self.header = header
    self.columns = columns
    self.sort = sort
    self.place = place
  }

  /// A folder, an absolute path or URI, with `{partition}` where interval models need it.
  public struct Destination: Sendable, Hashable {
    /// With `{partition}` as written.
    public var text: String

    public init(_ text: String) { self.text = text }

    static let placeholder = "{partition}"

    public var hasPartition: Bool { text.contains(Destination.placeholder) }

    /// - Parameter partition: `year=2024/month=01/…`, without slashes at its ends.
    public func expand(partition: String) -> String {
      text.split(separator: Destination.placeholder, omittingEmptySubsequences: false)
        .joined(separator: partition)
    }
  }
}
