import Core
import Project

/// How the checks of one table went.
public struct AuditResult: Sendable {
  /// One check's answer.
  public struct Outcome: Sendable, Hashable {
    public var name: String
    public var severity: Check.Severity
    public var isPassed: Bool
    /// The rows that fail it; for `row_count` the rows there are. A key that n staged rows share
    /// counts n times.
    public var failingRows: Int64
    /// One sentence without a full stop: `3 of 1000 rows have no "domain"`.
    public var message: String
    /// Up to five failing rows, each as one line of text.
    public var samples: [String]
  }

  /// What may become of the staged files.
  public enum Verdict: Sendable {
    case publish
    /// Nothing may become visible. The message lists each failed check.
    case stop(AuditError)
  }

  public var label: String
  /// The staged rows, those that go to quarantine included.
  public var rowCount: Int64
  /// In the order of the checks; the implicit check of interval tables first.
  public var outcomes: [Outcome]
  /// What to publish in place of the staged files; nil when no row goes to quarantine.
  public var split: QuarantineSplit?

  /// The rows that go to quarantine.
  public var quarantined: Int64 { split?.rejected ?? 0 }

  /// `stop` when a check of severity `error` failed. Other severities never stop.
  public var verdict: Verdict {
    let failed = outcomes.filter { $0.severity == .error && !$0.isPassed }
    guard let first = failed.first else { return .publish }
    let place = Place(model: label)
    let parts = failed.map { AuditError(.checksFailed, "\($0.name): \($0.message)", at: place) }
    let message =
      failed.count == 1
      ? "check \(first.name) failed: \(first.message)"
      : "\(failed.count) checks failed: "
        + failed.map { "\($0.name): \($0.message)" }.joined(separator: "; ")
    return .stop(
      AuditError(
        .checksFailed, message, at: place,
        advice: "nothing was published; correct the input or the model, or give the check "
          + "severity warn or quarantine", parts: failed.count == 1 ? [] : parts))
  }

  /// - Throws: The failed checks, where the verdict is `stop`.
  public func requirePublishable() throws(AuditError) {
    if case .stop(let error) = verdict { throw error }
  }

  static let sampleLimit = 5
}

extension AuditResult {
  /// One failing row.
  struct Sample: Sendable {
    /// The columns that the check looked at come first.
    var names: [String]
    var values: [Value]
    var checkedCount: Int

    /// `views=-3, domain=aa, page=B`.
    var line: String {
      let pairs = zip(names, values).map { "\($0)=\(Sample.text($1))" }
      return Sample.cut(pairs.joined(separator: ", "), to: 400)
    }

    /// The checked values alone: `-3`, `(aa, B)`.
    var checked: String {
      let texts = values.prefix(checkedCount).map(Sample.text)
      return texts.count == 1 ? texts[0] : "(\(texts.joined(separator: ", ")))"
    }

    /// The other values, as far as a message has room: what finds a row whose checked value is NULL.
    var others: String {
      let pairs = zip(names, values).dropFirst(checkedCount).map { "\($0)=\(Sample.text($1))" }
      return Sample.cut(pairs.joined(separator: ", "), to: 80)
    }

    /// A value on one line and no longer than 80 characters: values are data, so messages show
    /// enough to find the row and no more.
    static func text(_ value: Value) -> String {
      var text = ""
      // Longer than the cut by far; what is behind is not worth escaping.
      for scalar in value.description.unicodeScalars.prefix(400) {
        switch scalar {
        case "\n": text += "\\n"
        case "\r": text += "\\r"
        case "\t": text += "\\t"
        default:
          switch scalar.properties.generalCategory {
          case .control, .format, .lineSeparator, .paragraphSeparator:
            text += "\\u{" + String(scalar.value, radix: 16) + "}"
          default: text.unicodeScalars.append(scalar)
          }
        }
      }
      return cut(text, to: 80)
    }

    private static func cut(_ text: String, to limit: Int) -> String {
      text.count <= limit ? text : text.prefix(limit - 1) + "…"
    }
  }
}

extension AuditResult.Outcome {
  init(_ rule: Rule, failing: Int64, of rows: Int64, isPassed: Bool, samples: [AuditResult.Sample])
  {
    name = rule.name
    severity = rule.severity
    self.isPassed = isPassed
    failingRows = failing
    self.samples = samples.map(\.line)
    message = rule.message(failing: failing, of: rows, isPassed: isPassed, samples)
  }
}

extension Rule {
  fileprivate func message(
    failing: Int64, of rows: Int64, isPassed: Bool, _ samples: [AuditResult.Sample]
  ) -> String {
    if case .rowCount(let min, let max) = kind {
      let bounds = [min.map { "at least \($0)" }, max.map { "at most \($0)" }]
      return
        "\(Rule.rows(failing)), expected \(bounds.compactMap { $0 }.joined(separator: " and "))"
    }
    if isPassed { return "\(Rule.rows(rows)) passed" }
    let who = "\(failing) of \(Rule.rows(rows))"
    var seen: [String] = []
    for sample in samples where !seen.contains(sample.checked) { seen.append(sample.checked) }
    let examples = seen.isEmpty ? "" : ", e.g. \(seen.joined(separator: ", "))"
    let has = failing == 1 ? "has" : "have"
    switch kind {
    case .rowCount: return who
    case .unique(let columns):
      let names = columns.map(\.name).joined(separator: ", ")
      return "\(who) \(failing == 1 ? "shares" : "share") (\(names)) with another row\(examples)"
    case .row(let condition):
      switch condition.test {
      case .notNull(let column):
        let example = samples.first.map(\.others) ?? ""
        return "\(who) \(has) no \(column.name)" + (example.isEmpty ? "" : ", e.g. \(example)")
      case .between(let column, let min, let max):
        let bounds = [min.map { "at least \($0)" }, max.map { "at most \($0)" }]
        return "\(who) \(has) \(column.name) that is not "
          + "\(bounds.compactMap { $0 }.joined(separator: " and "))\(examples)"
      case .acceptedValues(let column, let values):
        let accepted = values.prefix(10).map(AuditResult.Sample.text).joined(separator: ", ")
        let more = values.count > 10 ? ", …" : ""
        return "\(who) \(has) \(column.name) that is none of \(accepted)\(more)\(examples)"
      case .isInterval(_, _, let interval):
        return "\(who) \(failing == 1 ? "is" : "are") not of the interval \(interval)\(examples)"
      }
    }
  }

  private static func rows(_ count: Int64) -> String { count == 1 ? "1 row" : "\(count) rows" }
}
