import Core
import Pipelines
import Project

extension Verb {
  fileprivate static let withProject = Verb.allCases.filter(\.needsProject)
  fileprivate static let withSelection: [Verb] = [.plan, .run]
  fileprivate static let withEngine: [Verb] = [.plan, .run, .query, .check, .maintain]
}

extension Flag {
  /// The flags a verb takes, in the order in which help shows them.
  static func flags(of verb: Verb) -> [Flag] { all.filter { $0.verbs.contains(verb) } }

  /// Every flag there is.
  static let all: [Flag] = selection + output + project + everywhere

  private static let selection: [Flag] = [
    .valued(
      "from", "TIME", verbs: Verb.withSelection + [.state], "Start of the range of intervals (UTC)",
      text: """
        `2024-01-01`, `2024-01-01T05` or a full ISO 8601 instant, UTC unless it says otherwise. \
        Alone, it means the one interval that holds it. Without it, the pipeline's default \
        interval is meant.
        """
    ) { options, text in
      options.from = try CommandLineTime.parse(text, option: "--from")
    },
    .valued(
      "to", "TIME", verbs: Verb.withSelection + [.state], "End of the range, not included",
      text: "Ranges are half-open: `--from 2024-01-01 --to 2024-01-02` is one day."
    ) { options, text in
      options.to = try CommandLineTime.parse(text, option: "--to")
    },
    .valued(
      "file", "NAME", verbs: [.state], "Forget only what this file brought; may be repeated",
      text: "As the column `_source_file` names it."
    ) { options, text in
      options.files.append(try nonEmpty(text, of: "file"))
    },
    .switched("held", verbs: [.state], "Forget only what a rollback holds back") { $0.held = true },
    .switched("force", verbs: Verb.withSelection, "Run what is selected although it is up to date")
    { $0.force = true },
    .switched(
      "full-refresh", verbs: Verb.withSelection, "Forget what was consumed and rebuild",
      text: "The rebuilt table replaces the old one in one step; until then the old one stays."
    ) { $0.fullRefresh = true },
    .switched(
      "allow-removals", verbs: Verb.withSelection, "Let a batch remove many files of a source",
      text: """
        Without it, a batch that removes more of a source than its `max_removed` (20 %) is \
        refused: an empty mount or a narrowed glob must not retract a table.
        """
    ) { $0.allowRemovals = true },
    .switched(
      "twin", verbs: Verb.withSelection, "Run models' SQL where they have a native operator",
      text: """
        A model with an operator may have the same query in SQL beside it, its twin, which gives \
        the same rows. What the operator has built is up to date for the twin too: add `--force` \
        to build it again.
        """
    ) { $0.twin = true },
    .valued(
      "event", "FILE", verbs: Verb.withSelection, "Look only at objects that these events name",
      text: """
        A file of JSON documents, `-` for standard input: S3 event notifications, also inside SQS, \
        SNS or EventBridge messages; Cloud Storage notifications from Pub/Sub; or \
        `{"address": "/path/or/uri"}`. Nothing is listed: each object named is looked at, and what \
        is true by then counts, not what the message says. Intervals are those of the files \
        named. Acknowledge the messages when the exit code is 0; the same ones twice do no harm. \
        Not together with `--from`, `--to`, `--force` or `--full-refresh`.
        """
    ) { options, text in
      options.event = try nonEmpty(text, of: "event")
    },
  ]

  private static let output: [Flag] = [
    .valued(
      "format", "FORMAT", verbs: [.query], "table, csv or json (default: table)",
      text: """
        `csv` is RFC 4180 with LF line ends: NULL is empty, an empty string is `""`. `json` is one \
        object a row: 64-bit numbers are numbers, decimals are strings, times are ISO 8601.
        """,
      completion: .words(RowFormat.allCases.map(\.rawValue))
    ) { options, text in
      guard let format = RowFormat(rawValue: text) else {
        throw CommandError.unknown(
          "format", text, among: RowFormat.allCases.map(\.rawValue),
          otherwise: "--format is table, csv or json")
      }
      options.format = format
    },
    .valued(
      "as-of", "TIME|SNAPSHOT", verbs: [.query, .state],
      "Read tables as they were then, or roll back to it",
      text: """
        A time (UTC): every table as it was at that instant. Or the number of a snapshot, or the \
        name of a branch or tag, of the table that is read or rolled back.
        """
    ) { options, text in
      let text = try nonEmpty(text, of: "as-of")
      if let snapshot = Int64(text) {
        options.asOf = .snapshot(snapshot)
      } else if text.first?.isNumber == true {
        options.asOf = .time(try CommandLineTime.parse(text, option: "--as-of"))
      } else {
        options.asOf = .reference(text)
      }
    },
    .valued(
      "limit", "N", verbs: [.search, .history], "Show at most N files or runs (default: 20)"
    ) { options, text in
      options.limit = try count(text, of: "limit")
    },
    .valued("offset", "N", verbs: [.search], "Pass over the first N files") { options, text in
      guard let number = Int64(text), number >= 0 else {
        throw CommandError.usage("--offset '\(text)' is not a whole number of 0 or more")
      }
      options.offset = number
    },
    .switched(
      "ranked", verbs: [.search], "The best first, with scores",
      text: """
        BM25 (k1 1.2, b 0.75) over the words of the query: how often each is in a file, how rare \
        it is in the collection, how long the file is. Words after NOT do not count.
        """
    ) { $0.isRanked = true },
    .switched("count", verbs: [.search], "Write only how many files match") { $0.isCount = true },
  ]

  private static let project: [Flag] = [
    .valued(
      "project", "DIR", verbs: Verb.withProject, "The folder that holds sluice.yaml",
      text: "Default: the nearest folder from here upwards that holds a sluice.yaml.",
      completion: .directory
    ) { options, text in
      options.project = try nonEmpty(text, of: "project")
    },
    .valued(
      "profile", "NAME", verbs: Verb.withProject, "A profile of sluice.yaml, e.g. prod"
    ) { options, text in
      options.profile = try nonEmpty(text, of: "profile")
    },
    .valued(
      "lake", "URI", verbs: Verb.withProject, "Another lake than the project's",
      text: "A folder or an address. A relative path starts at the working directory.",
      completion: .directory
    ) { options, text in
      options.lake = try nonEmpty(text, of: "lake")
    },
    .valued(
      "set", "NAME=VALUE", verbs: Verb.withProject, "Set a parameter; may be repeated",
      text: "It wins over the parameter's default and over the environment."
    ) { options, text in
      guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
        throw CommandError.usage(
          "--set '\(text)' is not name=value", advice: "write e.g. --set top=10")
      }
      options.settings.append(
        .init(name: String(text[..<equals]), value: String(text[text.index(after: equals)...])))
    },
    .valued("threads", "N", verbs: Verb.withEngine, "Use at most N threads") { options, text in
      options.threads = try count(text, of: "threads")
    },
    .valued("memory", "SIZE", verbs: Verb.withEngine, "Use at most this much memory, e.g. 4GB") {
      options, text in
      options.memoryByteCount = try byteCount(text, of: "memory")
    },
    .switched(
      "json", verbs: Verb.withProject, "One JSON object a line on standard output",
      text: """
        Every object has a `type`, except the rows of `query`. A failure is reported on standard \
        error as always, and as an object of type `error` on standard output. The other types: \
        `plan` writes `batch`, `unit` and `note`; `run` a `unit` each and a `summary`; `search` a \
        `hit` each and a `search`; `history` `run`; `state` `source`, `table` and `leftover`, or `change`; `check` `table`.
        """
    ) { $0.json = true },
  ]

  private static let everywhere: [Flag] = [
    .switched(
      "quiet", verbs: Verb.withProject + [.initialize], "No progress and no logs; errors only"
    ) { $0.quiet = true },
    .switched(
      "no-color", verbs: Verb.allCases, "No colors; NO_COLOR does the same",
      text: "Colors and live bars appear on terminals only, and not where TERM is `dumb`."
    ) { $0.noColor = true },
    // The parser answers this one by itself, wherever it stands.
    .switched("help", short: "h", verbs: Verb.allCases, "Show help on the verb") { _ in },
  ]
}

// The values of flags.
extension Flag {
  private static func nonEmpty(_ text: String, of flag: String) throws -> String {
    guard !text.isEmpty else { throw CommandError.usage("--\(flag) is empty") }
    return text
  }

  private static func count(_ text: String, of flag: String) throws -> Int {
    guard let number = Int(text), number >= 1 else {
      throw CommandError.usage("--\(flag) '\(text)' is not a whole number of 1 or more")
    }
    return number
  }

  private static func byteCount(_ text: String, of flag: String) throws -> Int64 {
    guard let bytes = parseByteCount(text) else {
      throw CommandError.usage(
        "--\(flag) '\(text)' is not a size", advice: "write e.g. 4GB or 512MB")
    }
    return bytes
  }
}
