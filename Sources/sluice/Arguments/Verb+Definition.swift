extension Verb {
  var definition: VerbDefinition {
    switch self {
    case .plan: Verb.planDefinition
    case .run: Verb.runDefinition
    case .query: Verb.queryDefinition
    case .search: Verb.searchDefinition
    case .history: Verb.historyDefinition
    case .state: Verb.stateDefinition
    case .check: Verb.checkDefinition
    case .maintain: Verb.maintainDefinition
    case .initialize: Verb.initDefinition
    case .help: Verb.helpDefinition
    case .completions: Verb.completionsDefinition
    }
  }

  private static let planDefinition = VerbDefinition(
    summary: "Show what would run, and why; change nothing",
    text: """
      Lists the sources, compares them with what every table has consumed, and shows which models \
      would run for which intervals, why, and how many files and bytes they would read. `run` \
      makes the same plan and then carries it out.
      """,
    operands: .pipelines,
    examples: [
      .init("sluice plan", "every pipeline of the project"),
      .init("sluice plan pageviews --from 2024-01-01 --to 2024-01-02", "24 hours of one pipeline"),
      .init("sluice plan --json | grep '\"action\":\"run\"'", "one JSON object a line"),
    ],
    exits: "0 also when there is nothing to do.")

  private static let runDefinition = VerbDefinition(
    summary: "Plan, then do it",
    text: """
      Brings tables and exports up to date with their sources. What is already done is not done \
      again, so a second run does nothing, and a run after a crash or a failure does only what is \
      missing. An interval whose files are not there yet stays pending (`waiting`, exit code 0). \
      Each interval stands alone: one that fails is reported and does not stop the others.
      """,
    operands: .pipelines,
    examples: [
      .init("sluice run pageviews", "the pipeline's default interval: now − 24 h"),
      .init("sluice run pageviews --from 2024-01-01T05", "the one hour that holds that instant"),
      .init("sluice run pageviews --from 2024-01-01 --to 2024-01-08", "a week of hours"),
      .init("sluice run pageviews --from 2024-01-01 --set interval=day", "one day as a whole"),
      .init("sluice run pageviews --from 2024-01-01T05 --force", "again, although it is done"),
    ],
    exits: "1 when anything failed; 130 or 143 when interrupted, with nothing half-published.")

  private static let queryDefinition = VerbDefinition(
    summary: "Run SQL over the lake's tables",
    text: """
      Runs one SELECT over published tables, which are named `pipeline.model`. Rows stream to \
      standard output as a table, as CSV (RFC 4180) or as JSON, one object a line.
      """,
    operands: .one("SQL"),
    examples: [
      .init(
        "sluice query \"SELECT * FROM pageviews.top_pages WHERE domain = 'en' ORDER BY rank\"",
        "a table to read"),
      .init(
        "sluice query --format csv 'SELECT domain, sum(views) FROM pageviews.top_pages GROUP BY 1'",
        "CSV for another program"),
      .init(
        "sluice query --as-of 2024-01-02 'SELECT count(*) FROM pageviews.top_pages'",
        "the table as it was then"),
      .init(
        "sluice query 'SELECT rule, count(*) FROM pageviews.quarantine GROUP BY rule'",
        "what was set aside, and why"),
    ],
    exits: "")

  private static let searchDefinition = VerbDefinition(
    summary: "Find the files of a word index that hold words",
    text: """
      Writes the names of the files that match, in the order of their numbers. Words side by side \
      must all be there, as with AND; OR, NOT and parentheses do what they say; `data*` stands for \
      every word that begins so. Words of the query are told apart as the index's words are: in \
      lower case, unless its tokenizer says otherwise. INDEX is a pipeline that keeps one index, or \
      `pipeline.model`.
      """,
    operands: .all(["INDEX", "QUERY"]),
    examples: [
      .init("sluice search wordindex 'whale AND (sea OR ship*) NOT moby'", "the first 20 files"),
      .init("sluice search wordindex 'white whale' --ranked --limit 5", "the five best, by BM25"),
      .init("sluice search wordindex 'sea' --limit 50 --offset 50", "the second page of 50"),
      .init("sluice search wordindex 'sea' --count", "how many there are"),
    ],
    exits: "0 also when no file matches; 2 for a query that cannot be understood.")

  private static let historyDefinition = VerbDefinition(
    summary: "Show past runs",
    text: """
      Lists the newest runs with their results; with the name of a run (or how it begins), shows \
      that run in full: every unit with rows, bytes, seconds and failures.
      """,
    operands: .optional("RUN"),
    examples: [
      .init("sluice history", "the last 20 runs"),
      .init("sluice history --limit 3 --json", "three run records as JSON"),
      .init("sluice history 20240102T051203", "one run in full"),
    ],
    exits: "2 when there is no such run.")

  private static let stateDefinition = VerbDefinition(
    summary: "Show what each table has consumed, and mend it",
    text: """
      Shows the log of every source, what every table has consumed of it, and files in the lake \
      that nothing refers to, each with its explanation. That changes nothing.

      `forget` lets a table forget what it has consumed, all of it or what `--file`, or `--from` and \
      `--to`, say; the next run consumes it again. Rows of an append table go with what is forgotten, \
      all others stay until they are replaced. `rollback` takes a table back to what it was at \
      `--as-of`; what came since is held back and not done again until `forget --held` or a full \
      refresh lets it in. `repair` mends what is remembered where files of the \
      state are gone or damaged. `accept` takes a table as another program has left it. `drop` \
      deletes a table that no model makes any more. `relocate` makes the tables of a lake that was \
      moved or copied readable at its new place.
      """,
    operands: .pipelines, actions: StateAction.allCases.map(\.rawValue),
    examples: [
      .init("sluice state", "every pipeline"),
      .init("sluice state pageviews --json", "with each interval and the files it came from"),
      .init("sluice state forget shop.orders --file data/7.csv", "one file, to be read again"),
      .init("sluice state forget pageviews.top_pages --from 2024-01-01T05", "one interval"),
      .init("sluice state rollback shop.orders --as-of 2024-01-02", "as it was at midnight"),
      .init("sluice state repair", "every table of the project"),
      .init("sluice state relocate --lake s3://bucket/lake", "after the lake was copied there"),
    ],
    exits: "2 for what cannot be forgotten, accepted or dropped.")

  private static let checkDefinition = VerbDefinition(
    summary: "Validate project files; audit published tables again",
    text: """
      Reads all project files, parses all SQL and resolves all inputs, and reports every mistake \
      in one pass with file, line and column. Then runs the checks of every published table on \
      what is in the lake now.
      """,
    operands: .pipelines,
    examples: [
      .init("sluice check", "before a commit, or in CI"),
      .init("sluice check pageviews", "one pipeline"),
    ],
    exits: "1 when a check of severity `error` fails; 2 when a project file is wrong.")

  private static let maintainDefinition = VerbDefinition(
    summary: "Compact tables, expire snapshots, remove what nobody needs",
    text: """
      Writes small files of a table again as fewer large ones, sorted; drops snapshots that are \
      older than `maintenance: {keep: …}`; and removes files that nothing has referred to for \
      longer than the grace period. Readers, and runs at the same time, are not disturbed. Runs do \
      the same by themselves for tables that are due, unless `maintenance: {auto: false}` is set.
      """,
    operands: .pipelines,
    examples: [
      .init("sluice maintain", "every pipeline"),
      .init("sluice maintain pageviews --json", "one JSON object a table"),
    ],
    exits: "1 when a table could not be maintained; the others were.")

  private static let initDefinition = VerbDefinition(
    summary: "Make a small project that works at once",
    text: """
      Writes a project into DIR (default: here): `sluice.yaml`, one pipeline with a small CSV file, \
      a table and a view. Existing files are never overwritten.
      """,
    operands: .optional("DIR"),
    examples: [
      .init("sluice init shop", "a new folder `shop`"),
      .init("cd shop && sluice run", "its tables, built"),
    ],
    exits: "2 when one of the files is there already.")

  private static let helpDefinition = VerbDefinition(
    summary: "Show help on a verb",
    text: "Shows all verbs, or one verb with its flags and examples. `VERB --help` does the same.",
    operands: .optional("VERB"),
    examples: [.init("sluice help run", "help on `run`")],
    exits: "")

  private static let completionsDefinition = VerbDefinition(
    summary: "Print completions for bash, zsh or fish",
    text: "Prints a script that teaches a shell the verbs, flags and pipelines.",
    operands: .one("SHELL"),
    examples: [
      .init(
        "sluice completions bash > ~/.local/share/bash-completion/completions/sluice", "bash"),
      .init("sluice completions zsh > ~/.zfunc/_sluice", "zsh, with ~/.zfunc in fpath"),
      .init("sluice completions fish > ~/.config/fish/completions/sluice.fish", "fish"),
    ],
    exits: "")
}
