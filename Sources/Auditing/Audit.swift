import Core
import Engines
import Project

/// All checks of one table, ready to be run on files that nothing refers to yet.
///
/// An audit costs at most one SELECT over the staged files, with one aggregate a check; what the
/// files' own statistics prove is not scanned for at all. Sample rows are fetched only for checks
/// that fail. A table-scope check (`unique`) looks at staged ∪ current.
///
/// Checks judge what would be published: rows that a `quarantine` check takes out count in no
/// other check.
public struct Audit: Sendable {
  public let schema: Schema
  /// What messages call the table: the model's name.
  public let label: String
  let rules: [Rule]
  let partitionColumns: [String]

  /// - Parameters:
  ///   - schema: The table's, with the IDs under which its files keep statistics.
  ///   - partitionColumns: Identity partition columns, in the order of `DataFile.partition`.
  ///   - interval: For interval tables: adds the check that each row's `interval_start` and
  ///     `interval_end` are exactly these.
  /// - Throws: `.badCheck` (exit code 2) for columns that are not there, and for `quarantine` on a
  ///   check that does not judge single rows.
  public init(
    checks: [Check], schema: Schema, label: String, partitionColumns: [String] = [],
    interval: Interval? = nil
  ) throws(AuditError) {
    self.schema = schema
    self.label = label
    self.partitionColumns = partitionColumns
    var rules: [Rule] = []
    if let interval { rules.append(try Rule(interval, schema: schema, label: label)) }
    for check in checks { rules.append(try Rule(check, schema: schema, label: label)) }
    self.rules = rules
  }

  /// Whether some check looks at current files too, so that a rebase asks for `rerun`.
  public var hasTableScope: Bool { rules.contains { isTableScope($0) } }

  /// Runs all checks on files that are about to be published.
  ///
  /// - Parameter current: The files that stay in the table once `staged` is published; those that
  ///   cannot matter are not read.
  /// - Throws: What the engine throws; `.unbalanced` where it reads other rows than the files hold.
  ///   Failed checks are not thrown: see `AuditResult.verdict`.
  public func run(
    staged: [DataFile], current: [DataFile] = [], engine: some Engine,
    cancellation: Cancellation = .never
  ) throws -> AuditResult {
    try run(rules, on: Subject(staged, schema), current, engine, cancellation)
  }

  /// Runs only the checks whose answer depends on current files: the second half of rule 18, after
  /// another commit was found under this one.
  public func rerun(
    staged: [DataFile], current: [DataFile], engine: some Engine,
    cancellation: Cancellation = .never
  ) throws -> AuditResult {
    let again = rules.filter { $0.severity != .quarantine && isTableScope($0) }
    // The rows that quarantine checks take out are out of `staged` by now.
    return try run(again, on: Subject(staged, schema), current, engine, cancellation)
  }

  /// Runs all checks on the rows of a view or of anything else that is not files.
  public func run(
    rows: Query.Input, engine: some Engine, cancellation: Cancellation = .never
  ) throws -> AuditResult {
    try run(rules, on: Subject(input: rows, files: nil), [], engine, cancellation)
  }

  private func run(
    _ rules: [Rule], on subject: Subject, _ current: [DataFile], _ engine: some Engine,
    _ cancellation: Cancellation
  ) throws -> AuditResult {
    let known = subject.files.map { evidence(for: rules, in: $0, current: current) }
    let scan = Scan(
      audit: self, rules: rules, known: known ?? Array(repeating: nil, count: rules.count),
      subject: subject, current: current)
    let counts = try scan.counts(engine, cancellation)
    var outcomes: [AuditResult.Outcome] = []
    for (index, rule) in rules.enumerated() {
      let failing = counts.failing[index]
      let isPassed = rule.isPassed(failing: failing)
      let samples =
        isPassed || failing == 0
        ? [] : try scan.samples(of: index, engine, cancellation)
      outcomes.append(
        AuditResult.Outcome(
          rule, failing: failing, of: rule.severity == .quarantine ? counts.rows : counts.kept,
          isPassed: isPassed, samples: samples))
    }
    var split: QuarantineSplit?
    if counts.kept < counts.rows {
      split = QuarantineSplit(
        rules: rules.filter { $0.severity == .quarantine }, schema: schema, label: label,
        input: subject.input, kept: counts.kept, rejected: counts.rows - counts.kept)
    }
    return AuditResult(label: label, rowCount: counts.rows, outcomes: outcomes, split: split)
  }
}

/// The rows under audit.
struct Subject: Sendable {
  var input: Query.Input
  /// Nil where the rows do not come from files, so that nothing is known without reading.
  var files: [DataFile]?

  init(input: Query.Input, files: [DataFile]?) {
    self.input = input
    self.files = files
  }

  init(_ files: [DataFile], _ schema: Schema) {
    input = .files(files, schema: schema)
    self.files = files
  }
}
