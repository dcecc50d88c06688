import Core
import Pipelines

/// What the flags of a command line say.
struct Options: Sendable, Equatable {
  var project: String?
  var profile: String?
  var lake: String?
  /// In the order given; a later one of the same name wins.
  var settings: [Setting] = []
  var from: Instant?
  var to: Instant?
  var force = false
  var fullRefresh = false
  var allowRemovals = false
  var twin = false
  /// Files as `_source_file` names them.
  var files: [String] = []
  /// What a rollback holds back.
  var held = false
  /// A file of event messages; `-` for standard input.
  var event: String?
  var threads: Int?
  var memoryByteCount: Int64?
  var json = false
  var quiet = false
  var noColor = false
  var format: RowFormat?
  /// Where in the tables' history a query looks.
  var asOf: AsOf?
  var limit: Int?
  /// Of a search: files that are passed over.
  var offset: Int64 = 0
  var isRanked = false
  var isCount = false
  /// The flags as given, for commands that are suggested next.
  var given: [GivenFlag] = []

  /// `--set name=value`.
  struct Setting: Sendable, Hashable {
    var name: String
    var value: String
  }

  /// A flag as it stood on the command line.
  struct GivenFlag: Sendable, Hashable {
    var name: String
    var value: String?
  }
}

/// How `query` writes rows.
enum RowFormat: String, CaseIterable, Sendable {
  case table, csv, json
}

/// A command line, understood.
enum Invocation: Sendable, Equatable {
  case version
  /// Help on a verb, or on all of them.
  case help(Verb?)
  case verb(Verb, Options, operands: [String])
}
