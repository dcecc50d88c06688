import Core
import Foundation
import Testing

@testable import Project

/// What a user gets to read: the fixture with one thing replaced, and the whole list of messages.
@Suite struct MistakesTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var old: String
    var new: String
    var expected: [String]

    init(_ old: String, _ new: String, _ expected: String...) {
      self.old = old
      self.new = new
      self.expected = expected
    }

    var testDescription: String { new }
  }

  @Test("sluice.yaml", arguments: Case.project) func project(_ example: Case) throws {
    let found = try Fixture.mistakes {
      $0["sluice.yaml"] = $0["sluice.yaml"]!.replacing(once: example.old, with: example.new)
    }
    #expect(found == example.expected)
  }

  @Test("pipeline.yaml", arguments: Case.pipeline) func pipeline(_ example: Case) throws {
    let found = try Fixture.mistakes {
      $0["pipelines/web/pipeline.yaml"] = Fixture.pipeline.replacing(
        once: example.old, with: example.new)
    }
    #expect(found == example.expected)
  }

  @Test("a model's file", arguments: Case.model) func model(_ example: Case) throws {
    let found = try Fixture.mistakes {
      $0["pipelines/web/models/pages.yaml"] = Fixture.model.replacing(
        once: example.old, with: example.new)
    }
    #expect(found == example.expected)
  }
}

extension MistakesTests.Case {
  static let project: [Self] = [
    .init(
      "lake: lake", "lkae: x",
      "sluice.yaml:1:1: unknown key 'lkae'; did you mean 'lake'?"),
    .init(
      "lake: lake", "lake:",
      "sluice.yaml:1:6: 'lake' must be a path or URI, not nothing"),
    .init(
      "lake: lake", "lake: [a]",
      "sluice.yaml:1:7: 'lake' must be a path or URI, not a list"),
    .init(
      "lake: lake", "lake: s4://bucket",
      "sluice.yaml:1:7: no store understands 's4:'; did you mean 's3'?"),
    .init(
      "lake: lake", "lake: ${lake}/x",
      "sluice.yaml:1:7: the lake cannot be made of '${lake}'"),
    .init(
      "lake: lake", "catalog: rest",
      "sluice.yaml:1:10: a REST catalog needs its address; write catalog: {use: rest, uri: https://…}"
    ),
    .init(
      "lake: lake", "catalog: {use: rest, uri: here, token: a, credential: b, sigv4: glue}",
      "sluice.yaml:1:10: 'region' is missing here; 'sigv4' needs it",
      "sluice.yaml:1:27: 'uri' must be a web address such as https://catalog.example.com, not 'here'",
      "sluice.yaml:1:43: 'token' and 'credential' exclude each other",
      "sluice.yaml:1:43: 'credential' must be id:secret"),
    .init(
      "lake: lake", "catalog: {use: storage, uri: 'https://x'}",
      "sluice.yaml:1:25: 'uri' belongs to 'use: rest'"),
    .init(
      "lake: lake", "engine: duckdb",
      "sluice.yaml:1:9: 'engine' must be a mapping, not 'duckdb'"),
    .init(
      "lake: lake", "engine: {use: dukdb, memory: 4G, threads: 0, spill: s3://b/x, thread: 1}",
      "sluice.yaml:1:15: 'use' must be 'duckdb', not 'dukdb'; did you mean 'duckdb'?",
      "sluice.yaml:1:30: 'memory' must be a size such as 512MB, 4GB or 4GiB, not '4G'",
      "sluice.yaml:1:43: 'threads' must be a whole number from 1 to 1024, not '0'",
      "sluice.yaml:1:53: a folder of this machine is needed here",
      "sluice.yaml:1:63: unknown key 'thread'; did you mean 'threads'?"),
    .init(
      "lake: lake", "engine: {threads: \"4\", memory: 0}",
      "sluice.yaml:1:19: 'threads' must be a whole number from 1 to 1024, not '4'; remove the quotes",
      "sluice.yaml:1:32: 'memory' must be a size such as 512MB, 4GB or 4GiB, not '0'"),
    .init(
      "lake: lake", "cache: {max: lots, path: [x]}",
      "sluice.yaml:1:14: 'max' must be a size such as 512MB, 4GB or 4GiB, not 'lots'",
      "sluice.yaml:1:26: 'path' must be a path or URI, not a list"),
    .init(
      "lake: lake", "profile: prd\nprofiles: {prod: {}}",
      "sluice.yaml:1:10: there is no profile 'prd'; did you mean 'prod'?"),
    .init(
      "lake: lake", "profile: prod",
      "sluice.yaml:1:10: there is no profile 'prod'; name it under 'profiles:'"),
    .init(
      "lake: lake", "profiles: {prod: {lake: s3:x, engin: {}}, dev: [x]}",
      "sluice.yaml:1:25: 's3:' without a host or bucket; write s3://name/…",
      "sluice.yaml:1:31: unknown key 'engin'; did you mean 'engine'?",
      "sluice.yaml:1:48: profile 'dev' must be a mapping, not a list"),
    .init(
      "lake: lake", "profile: a\nprofiles: {a: {profile: b}}",
      "sluice.yaml:2:16: unknown key 'profile'; known keys: cache, catalog, engine, lake, leases, maintenance"
    ),
    .init(
      "lake: lake", "- a",
      "sluice.yaml:1:1: the file must be a mapping, not a list"),
    .init(
      "lake: lake", "just text",
      "sluice.yaml:1:1: the file must be a mapping, not 'just text'"),
    .init(
      "lake: lake", "lake: a\nlake: b\nfoo: 1",
      "sluice.yaml:2:1: key 'lake' stands here twice; it is first on line 1",
      "sluice.yaml:3:1: unknown key 'foo'; known keys: cache, catalog, engine, lake, leases, maintenance, profile, profiles"
    ),
  ]

  static let pipeline: [Self] = [
    .init(
      "description: Visits", "hooks: {on_failure: [{comand: [a]}, {webhook: example.org/x}]}",
      "pipeline.yaml:1:22: 'command' or 'webhook' is missing here",
      "pipeline.yaml:1:23: unknown key 'comand'; did you mean 'command'?",
      "pipeline.yaml:1:47: 'webhook' must be an address such as https://example.com/hook, not 'example.org/x'"
    ),
    .init(
      "description: Visits", "hooks: {on_publish: [{command: [a], webhook: 'https://a/b'}]}",
      "pipeline.yaml:1:37: 'command' and 'webhook' exclude each other"),
    .init(
      "description:", "descripton:",
      "pipeline.yaml:1:1: unknown key 'descripton'; did you mean 'description'?"),
    .init(
      "description: Visits", "description: [x]",
      "pipeline.yaml:1:14: 'description' must be text, not a list"),
    .init(
      "every: hour", "every: hourly",
      "pipeline.yaml:5:19: 'every' must be one of hour, day, month, year, not 'hourly'; did you mean 'hour'?"
    ),
    .init(
      "every: hour", "every: minute",
      "pipeline.yaml:5:19: 'every' must be one of hour, day, month, year, not 'minute'"),
    .init(
      "every: hour, ", "",
      "pipeline.yaml:5:11: 'every' is missing here; add 'every:', how long each interval is: hour, day, month or year"
    ),
    .init(
      "every: hour", "evry: hour",
      "pipeline.yaml:5:11: 'every' is missing here; add 'every:', how long each interval is: hour, day, month or year",
      "pipeline.yaml:5:12: unknown key 'evry'; did you mean 'every'?"),
    .init(
      "now - 24h", "now - 24",
      "pipeline.yaml:5:34: 'default' must be a time such as 'now - 24h' or 2024-01-01, not 'now - 24'"
    ),
    .init(
      "now - 24h", "now - 24h, parallel: 0, retries: -1",
      "pipeline.yaml:5:55: 'parallel' must be a whole number from 1 to 256, not '0'",
      "pipeline.yaml:5:67: 'retries' must be a whole number from 0 to 100, not '-1'"),
    .init(
      "interval: {every: hour, default: now - 24h}\n", "",
      "pipeline.yaml:7:10: one file per interval, but the pipeline has none; write interval: {every: hour}",
      "models/pages.yaml:1:1: 'kind: interval' in a pipeline without intervals; write interval: {every: hour} into pipeline.yaml"
    ),
    .init("every: hour", "every: day"),
    .init(
      "/{dd}/{HH}.csv", "/{dd}.csv",
      "pipeline.yaml:8:10: one file for each day, but intervals of one hour; write interval: {every: day}"
    ),
    .init(
      "/{dd}/{HH}.csv", "/{HH}.csv",
      "pipeline.yaml:8:10: {HH} without {dd}: several intervals would share a file"),
    .init(
      "/{dd}/{HH}.csv", "/{dd}/{hh}.csv",
      "pipeline.yaml:8:10: unknown placeholder '{hh}'; use {yyyy} {MM} {dd} {HH} or several in one, as in {yyyyMMdd} or {yyyy-MM-dd}"
    ),
    .init(
      "uri: ${VISITS_URL:-https://example.org/visits}/{yyyy}/{MM}/{dd}/{HH}.csv",
      "uri: data/{yyyy}/{mm}",
      "pipeline.yaml:8:22: unknown placeholder '{mm}'; use {yyyy} {MM} {dd} {HH} or several in one, as in {yyyyMMdd} or {yyyy-MM-dd}"
    ),
    .init(
      "uri: ${VISITS_URL:-https://example.org/visits}/{yyyy}/{MM}/{dd}/{HH}.csv", "uri: data.csv",
      "pipeline.yaml:8:10: no interval's time in the address; use {yyyy} {MM} {dd} {HH} or several in one, as in {yyyyMMdd} or {yyyy-MM-dd}; files without it are read with 'files:'"
    ),
    .init(
      "uri: ${VISITS_URL:-", "uri: ${VISITS_URL-",
      "pipeline.yaml:8:10: '${VISITS_URL-' is no substitution; write ${NAME} or ${NAME:-default}, and $$ for a plain $"
    ),
    .init(
      "    uri:", "    files: x\n    uri:",
      "pipeline.yaml:9:5: 'files' and 'uri' exclude each other"),
    .init(
      "    uri: ${VISITS_URL:-https://example.org/visits}/{yyyy}/{MM}/{dd}/{HH}.csv\n", "",
      "pipeline.yaml:8:5: 'files' or 'uri' is missing here"),
    .init(
      "    uri: ${VISITS_URL:-https://example.org/visits}/{yyyy}/{MM}/{dd}/{HH}.csv\n",
      "    files: x/*.csv\n    require: 2\n    wait: {timeout: 5s}\n",
      "pipeline.yaml:9:5: 'require' belongs to 'uri:'",
      "pipeline.yaml:10:5: 'wait' belongs to 'uri:'"),
    .init(
      "    uri: ${VISITS_URL:-https://example.org/visits}/{yyyy}/{MM}/{dd}/{HH}.csv\n",
      "    files: https://example.org/*.csv\n",
      "pipeline.yaml:8:12: HTTP cannot list files, so '*' finds none; name one file, or use 'uri:' for one per interval"
    ),
    .init(
      "    format: csv\n    columns", "    max_removed: 20%\n    format: csv\n    columns",
      "pipeline.yaml:9:5: 'max_removed' belongs to 'files:'"),
    .init(
      "    format: csv\n    columns", "    format: cvs\n    columns",
      "pipeline.yaml:9:13: 'format' must be one of csv, json, parquet, text, not 'cvs'; did you mean 'csv'?"
    ),
    .init(
      "    format: csv\n    columns", "    columns",
      "pipeline.yaml:8:5: 'format' is missing here; add 'format:', 'csv' for delimited lines, 'json' for one JSON object a line, 'parquet', 'text' for whole documents"
    ),
    .init(
      "    format: csv\n    columns", "    format: text\n    delimiter: ;\n    columns",
      "pipeline.yaml:10:5: 'delimiter' belongs to 'format: csv'",
      "pipeline.yaml:11:5: 'columns' belongs to the other formats"),
    .init(
      "    format: csv\n    columns", "    format: csv\n    binary: drop\n    columns",
      "pipeline.yaml:10:5: 'binary' belongs to 'format: text'"),
    .init(
      "    format: csv\n    columns",
      "    format: csv\n    delimiter: ab\n    quote: \"''\"\n    header: yes\n    encoding: utf8\n    compression: bzip2\n    malformed: ignore\n    null_values: x\n    columns",
      "pipeline.yaml:10:16: 'delimiter' must be one ASCII character, or 'tab', not 'ab'",
      "pipeline.yaml:11:12: 'quote' must be one ASCII character, or 'none', not ''''",
      "pipeline.yaml:12:13: 'header' must be true or false, not 'yes'; write 'true'",
      "pipeline.yaml:13:15: 'encoding' must be one of utf-8, latin-1, windows-1252, not 'utf8'; did you mean 'utf-8'?",
      "pipeline.yaml:14:18: 'compression' must be one of auto, none, gzip, zstd, not 'bzip2'",
      "pipeline.yaml:15:16: 'malformed' must be one of fail, drop, quarantine, not 'ignore'",
      "pipeline.yaml:16:18: 'null_values' must be a list, not 'x'; write [a, b], or a line '- a' for each"
    ),
    .init(
      "    format: csv\n    columns",
      "    format: csv\n    delimiter: \";\"\n    quote: ;\n    columns",
      "pipeline.yaml:11:5: 'quote' and 'delimiter' are the same byte"),
    .init(
      "    format: csv\n    columns",
      "    format: csv\n    wait: {timeout: 5, every: 0s, on_timeout: stop}\n    on_republish: yes\n    recheck: 3 days\n    columns",
      "pipeline.yaml:10:21: 'timeout' must be a duration such as 60s, 5m, 24h or 3d, not '5'; add the unit: '5s' is seconds",
      "pipeline.yaml:10:31: 'every' must be a duration such as 60s, longer than nothing, not '0s'",
      "pipeline.yaml:10:47: 'on_timeout' must be one of skip, fail, not 'stop'",
      "pipeline.yaml:11:19: 'on_republish' must be one of ignore, rerun, not 'yes'",
      "pipeline.yaml:12:14: 'recheck' must be a duration such as 60s, 5m, 24h or 3d, not '3 days'"),
    .init(
      "    format: csv\n    columns", "    format: csv\n    require: 2\n    columns",
      "pipeline.yaml:10:14: 'require' asks for 2 files, but one hour has 1"),
    .init(
      "    columns: {page: string, views: bigint}\n", "",
      "pipeline.yaml:8:5: 'columns' is missing here; write columns: {name: type, …}, in the files' order"
    ),
    .init(
      "{page: string, views: bigint}", "{}",
      "pipeline.yaml:10:14: no columns"),
    .init(
      "{page: string, views: bigint}", "[page, views]",
      "pipeline.yaml:10:14: 'columns' must be a mapping of names, not a list; write 'name: …' for each column"
    ),
    .init(
      "{page: string, views: bigint}",
      "{page: string, Page: int, views: list<int>, _source_file: string, x: bigin}",
      "pipeline.yaml:10:29: columns 'page' and 'Page' differ only by case; SQL takes them for one",
      "pipeline.yaml:10:40: 'views' cannot be a list<int> in delimited text; read it as string and take it apart in SQL",
      "pipeline.yaml:10:58: '_source_file' is a column that Sluice adds itself",
      "pipeline.yaml:10:83: unknown type 'bigin'; did you mean 'bigint'?"),
    .init(
      "  visits:\n", "  my visits:\n",
      "pipeline.yaml:7:3: the source name 'my visits' cannot be; use letters, digits and '_', not starting with a digit"
    ),
    .init(
      "  visits:\n", "  pages:\n",
      "models/pages.yaml:1:1: the name 'pages' is a source already; SQL could not tell them apart"),
    .init(
      "  visits:\n", "  Quarantine:\n",
      "pipeline.yaml:7:3: the name 'quarantine' cannot be; every pipeline has that table for rows set aside"
    ),
    .init(
      "model: pages", "model: page",
      "pipeline.yaml:13:12: there is no model 'page'; did you mean 'pages'?"),
    .init(
      "model: pages", "model: zzz",
      "pipeline.yaml:13:12: there is no model 'zzz'; models: pages"),
    .init(
      "    to: ${lake}/exports/{partition}\n", "",
      "pipeline.yaml:13:5: 'to' is missing here; add 'to:', a folder: path or URI; interval models need {partition} in it"
    ),
    .init(
      "{partition}", "x",
      "pipeline.yaml:14:9: each interval of 'pages' would replace the last one's file; add /{partition}"
    ),
    .init(
      "{partition}", "{partition}/{partition}",
      "pipeline.yaml:14:9: the only placeholder here is one {partition}; it becomes year=…/month=…, as the interval has it"
    ),
    .init(
      "{partition}", "{yyyy}",
      "pipeline.yaml:14:9: the only placeholder here is one {partition}; it becomes year=…/month=…, as the interval has it"
    ),
    .init(
      "exports/{partition}\n    format: csv\n", "exports/{partition}\n    format: json\n",
      "pipeline.yaml:15:13: 'format' must be one of csv, parquet, not 'json'"),
    .init(
      "exports/{partition}\n    format: csv\n",
      "exports/{partition}\n    format: parquet\n    compression: gzip\n    header: true\n",
      "pipeline.yaml:16:5: 'compression' belongs to 'format: csv'",
      "pipeline.yaml:17:5: 'header' belongs to 'format: csv'"),
    .init(
      "exports/{partition}\n    format: csv\n",
      "exports/{partition}\n    format: csv\n    columns: [page, viewz]\n    sort: [views desc, pagee asc, x]\n",
      "pipeline.yaml:16:21: there is no column 'viewz'; did you mean 'views'?",
      "pipeline.yaml:17:24: there is no column 'pagee'; did you mean 'page'?",
      "pipeline.yaml:17:35: there is no column 'x'; columns: interval_end, interval_start, page, views"
    ),
    .init(
      "exports/{partition}\n    format: csv\n",
      "exports/{partition}\n    format: csv\n  other: {model: pages, to: \"${lake}/exports/{partition}\", format: csv}\n",
      "pipeline.yaml:16:3: exports 'web.csv' and 'web.other' write to the same folder"),
    .init(
      "top: {type: int", "top: {type: itn, typ: x",
      "pipeline.yaml:3:15: unknown type 'itn'; did you mean 'int'?",
      "pipeline.yaml:3:20: unknown key 'typ'; did you mean 'type'?"),
    .init(
      "params:", "params: 5\nparms:",
      "pipeline.yaml:2:9: 'params' must be a mapping of names, not '5'; write 'name: …' for each param",
      "pipeline.yaml:3:1: unknown key 'parms'; did you mean 'params'?"),
    .init(
      "default: now - 24h", "default: ${NOWHERE}",
      "pipeline.yaml:5:34: nothing defines '${NOWHERE}'; set it with --set NOWHERE=…, export it, or write ${NOWHERE:-default}"
    ),
    .init(
      "description: Visits\n", "description: Visits\nsources: {}\n",
      "pipeline.yaml:7:1: key 'sources' stands here twice; it is first on line 2"),
  ]

  static let model: [Self] = [
    .init(
      "kind: interval", "kind: incremental",
      "models/pages.yaml:1:7: 'kind' must be one of view, full, append, interval, merge, operator, not 'incremental'"
    ),
    .init(
      "kind: interval\n", "",
      "models/pages.yaml:1:1: 'kind' is missing here; add 'kind:', how new rows replace old ones: view, full, append, interval or merge; operator, for a native operator that owns several tables"
    ),
    .init(
      "kind: interval", "kind: interval\nincremental: {on: visits}\nunique_key: [page]",
      "models/pages.yaml:2:1: 'incremental' belongs to 'kind: append' and 'kind: merge'",
      "models/pages.yaml:3:1: 'unique_key' belongs to 'kind: merge'"),
    .init(
      "kind: interval", "kind: full\nincrementl: {on: visits}",
      "pipeline.yaml:14:9: 'pages' has no intervals to make a {partition} of",
      "models/pages.yaml:2:1: unknown key 'incrementl'; did you mean 'incremental'?"),
    .init(
      "kind: interval", "kind: merge",
      "pipeline.yaml:14:9: 'pages' has no intervals to make a {partition} of",
      "models/pages.yaml:1:1: 'incremental' is missing here; 'kind: merge' needs it",
      "models/pages.yaml:1:1: 'unique_key' is missing here; 'kind: merge' needs it"),
    .init(
      "kind: interval",
      "kind: merge\nincremental: {on: visits}\nunique_key: [pge]\norder_by: [viws desc]\ndelete_marker: page",
      "pipeline.yaml:14:9: 'pages' has no intervals to make a {partition} of",
      "models/pages.yaml:3:14: there is no column 'pge'; did you mean 'page'?",
      "models/pages.yaml:4:12: there is no column 'viws'; did you mean 'views'?",
      "models/pages.yaml:5:16: 'delete_marker' must be a boolean column, not a string"),
    .init(
      "kind: interval",
      "kind: append\nincremental: {on: visits}\non_change: keep\non_definition: rebuild\norder_by: [page]",
      "models/pages.yaml:3:1: rows that were kept cannot be built again, but 'on_definition' is rebuild; leave on_definition out, and use --full-refresh where the rows may go",
      "models/pages.yaml:5:1: 'order_by' belongs to 'kind: merge'"),
    .init(
      "kind: interval", "kind: append\nincremental: {}",
      "models/pages.yaml:2:14: 'on' is missing here; add 'on:', a source or table that its SQL reads: only what is new in it is read"
    ),
    .init(
      "kind: interval", "kind: operator",
      "models/pages.yaml:1:1: 'operator' is missing here; 'kind: operator' needs it",
      "models/pages.yaml:1:1: 'outputs' is missing here; 'kind: operator' needs it",
      "models/pages.yaml:2:1: 'sort' means nothing for an operator, which sorts its own tables",
      "models/pages.yaml:3:1: 'columns' belongs to each of the 'outputs' of an operator"),
    .init(
      "kind: interval",
      "kind: interval\npartition_by: [day(page), dya(views), bucket(views), year(), 'month(at)', page]",
      "models/pages.yaml:2:16: 'day(page)' cannot be: 'page' is a string; year, month, day and hour take times, truncate whole numbers, decimals and text",
      "models/pages.yaml:2:27: unknown transform 'dya'; did you mean 'day'?",
      "models/pages.yaml:2:39: 'bucket' takes a number above 0 and a column; write bucket(16, column)",
      "models/pages.yaml:2:54: 'year' takes one column; write year(column)",
      "models/pages.yaml:2:62: there is no column 'at'; columns: interval_end, interval_start, page, views"
    ),
    .init(
      "kind: interval", "kind: view",
      "models/pages.yaml:2:1: 'sort' means nothing for a view, which stores no rows"),
    .init(
      "kind: interval", "kind: full",
      "pipeline.yaml:14:9: 'pages' has no intervals to make a {partition} of"),
    .init(
      "kind: interval", "kind: full\noutputs: {x: {columns: {a: int}}}",
      "models/pages.yaml:2:1: 'outputs' belongs to 'kind: operator'"),
    .init(
      "kind: interval", "kind: interval\noperator: {rank: {by: [page], sum: views, top: 1}}",
      "models/pages.yaml:2:18: 'input' is missing here; add 'input:', the source or model it reads"
    ),
    .init(
      "kind: interval",
      "kind: interval\noperator: {rank: {input: visits, by: [page], sum: views, count: n, top: 0, within: [pag], ties: ranks, where: [views], except: {input: x, on: [page], percent_decode: [a]}}}",
      "models/pages.yaml:2:58: 'sum' and 'count' exclude each other",
      "models/pages.yaml:2:73: 'top' must be a whole number of 1 or more, not '0'",
      "models/pages.yaml:2:76: 'pag' is not among the columns of 'by'; did you mean 'page'?",
      "models/pages.yaml:2:97: 'ties' must be one of rank, dense_rank, row_number, not 'ranks'; did you mean 'rank'?",
      "models/pages.yaml:2:112: 'views' is no comparison; write a column, one of = != < <= > >=, and a number or 'text'",
      "models/pages.yaml:2:168: 'a' is not among the columns of 'on'; it has: page"
    ),
    .init(
      "kind: interval", "kind: interval\noperator: {word_index: {x: 1}}",
      "models/pages.yaml:2:24: 'input' is missing here; add 'input:', the source it reads, one of 'format: text'",
      "models/pages.yaml:2:25: unknown key 'x'; known keys: doc_id, input, tokenizer"
    ),
    .init(
      "kind: interval",
      "kind: interval\noperator: {word_index: {input: visits, doc_id: numbr, tokenizer: {words: ascii, min_length: 9, max_length: 8}}}",
      "models/pages.yaml:2:48: 'doc_id' must be one of auto, number, assigned, not 'numbr'; did you mean 'number'?",
      "models/pages.yaml:2:81: 'min_length' is more than 'max_length'"
    ),
    .init(
      "kind: interval", "kind: interval\noperator: {word_index: {input: visits}}",
      "models/pages.yaml:2:1: 'word_index' makes tables of its own; choose 'kind: operator' with 'outputs:'"
    ),
    .init(
      "kind: interval", "kind: interval\noperator: {rnk: {input: x}}",
      "models/pages.yaml:2:12: unknown operator 'rnk'; did you mean 'rank'?"),
    .init(
      "kind: interval", "kind: interval\noperator: rank",
      "models/pages.yaml:2:11: 'operator' must be one operator with its settings; write operator: {name: {input: …}}"
    ),
    .init(
      "kind: interval", "kind: interval\ninputs: {visits: {on_input_change: never}, a b: {}}",
      "models/pages.yaml:2:36: 'on_input_change' must be one of ignore, rebuild, not 'never'",
      "models/pages.yaml:2:44: the input name 'a b' cannot be; write it as in SQL: name, or pipeline.name"
    ),
    .init(
      "kind: interval", "kind: interval\non_definition: rebild\ntags: [a, [b]]",
      "models/pages.yaml:2:16: 'on_definition' must be one of fail, rebuild, not 'rebild'; did you mean 'rebuild'?",
      "models/pages.yaml:3:11: item 2 of 'tags' must be text, not a list"),
    .init(
      "sort: [page]", "sort: page",
      "models/pages.yaml:2:7: 'sort' must be a list, not 'page'; write [a, b], or a line '- a' for each"
    ),
    .init(
      "sort: [page]", "sort: [pag, views desc, x desc]",
      "models/pages.yaml:2:8: there is no column 'pag'; did you mean 'page'?",
      "models/pages.yaml:2:25: there is no column 'x'; columns: interval_end, interval_start, page, views"
    ),
    .init(
      "  interval_start: {type: timestamp}\n", "",
      "models/pages.yaml:3:1: the column 'interval_start' is missing; 'kind: interval' needs it: write interval_start: {type: timestamp}"
    ),
    .init(
      "interval_end: {type: timestamp}", "interval_end: {type: timestamptz}",
      "models/pages.yaml:7:3: 'interval_end' must be a timestamp, not a timestamptz"),
    .init(
      "{type: bigint}", "bigin",
      "models/pages.yaml:5:10: unknown type 'bigin'; did you mean 'bigint'?"),
    .init(
      "{type: bigint}", "{type: \"map<string, lsit<int>>\"}",
      "models/pages.yaml:5:30: unknown type 'lsit'; did you mean 'list'?"),
    .init(
      "{type: bigint}", "{description: x}",
      "models/pages.yaml:5:10: 'type' is missing here; add 'type:', its type, such as bigint or list<string>"
    ),
    .init(
      "{type: bigint}", "{type: bigint, check: [not_null]}",
      "models/pages.yaml:5:25: unknown key 'check'; did you mean 'checks'?"),
    .init(
      "{type: bigint}",
      "{type: bigint, checks: [not_nul, notnull, row_count, {unique: {}, not_null: {}}, [x], {between: {}}]}",
      "models/pages.yaml:5:34: unknown check 'not_nul'; did you mean 'not_null'?",
      "models/pages.yaml:5:43: unknown check 'notnull'; did you mean 'not_null'?",
      "models/pages.yaml:5:52: unknown check 'row_count'; it checks a whole table: put it into the 'checks' beside 'columns'",
      "models/pages.yaml:5:63: a check is one name, or one name with settings; write not_null, or {between: {min: 0}}",
      "models/pages.yaml:5:91: a check is one name, or one name with settings; write not_null, or {between: {min: 0}}",
      "models/pages.yaml:5:106: 'min' or 'max' is missing here"),
    .init(
      "{type: bigint}",
      "{type: bigint, checks: [{between: {min: 3, max: 2}}, {between: {min: x}}, {accepted_values: []}, {accepted_values: [1, b]}]}",
      "models/pages.yaml:5:50: 'min' is greater than 'max'",
      "models/pages.yaml:5:79: 'min' must be a bigint, not 'x'",
      "models/pages.yaml:5:102: 'accepted_values' is empty",
      "models/pages.yaml:5:129: an accepted value must be a bigint, not 'b'"),
    .init(
      "{type: bigint}",
      "{type: bigint, checks: [{unique: {severity: quarantine}}, {not_null: {severity: fatal, name: a b}}]}",
      "models/pages.yaml:5:54: 'quarantine' sets rows aside, but this check judges no single row; use error or warn",
      "models/pages.yaml:5:90: 'severity' must be one of error, warn, quarantine, not 'fatal'",
      "models/pages.yaml:5:103: the name 'a b' cannot be; use letters, digits and '_', not starting with a digit"
    ),
    .init(
      "{type: bigint}",
      "{type: bigint, checks: [{between: {min: 1}}, {between: {max: 9}}, {not_null: {name: page_not_null}}]}",
      "models/pages.yaml:5:56: a second check called 'views_between'; the first is on line 5; give this one a 'name' of its own",
      "models/pages.yaml:5:94: a second check called 'page_not_null'; the first is on line 4; give this one a 'name' of its own"
    ),
    .init(
      "{type: bigint}",
      "{type: list<int>, checks: [not_null, {between: {min: 1}}, {accepted_values: [1]}]}",
      "models/pages.yaml:5:48: this check does not fit 'views', which is a list<int>",
      "models/pages.yaml:5:69: this check does not fit 'views', which is a list<int>"),
    .init(
      "{type: bigint}",
      "{type: boolean, checks: [{accepted_values: [true]}, {between: {min: true}}]}",
      "models/pages.yaml:5:63: this check does not fit 'views', which is a boolean"),
    .init(
      "sort: [page]",
      "checks: [{unique: {columns: [page, viewz]}}, {unique: {}}, {row_count: {}}, {row_count: {min: 2, max: 1}}, unique, {between: {min: 1}}, {row_count: {min: a}}]",
      "models/pages.yaml:2:36: there is no column 'viewz'; did you mean 'views'?",
      "models/pages.yaml:2:55: 'columns' is missing here; add 'columns:', no two rows may agree in all of these",
      "models/pages.yaml:2:72: 'min' or 'max' is missing here",
      "models/pages.yaml:2:78: a second check called 'row_count'; the first is on line 2; give this one a 'name' of its own",
      "models/pages.yaml:2:90: 'min' is greater than 'max'",
      "models/pages.yaml:2:108: 'columns' is missing here; add 'columns:', no two rows may agree in all of these",
      "models/pages.yaml:2:117: unknown check 'between'; it checks one column: put it into that column's 'checks'",
      "models/pages.yaml:2:155: 'min' must be a whole number of 0 or more, not 'a'"),
    .init(
      "  page: {type: string, checks: [not_null]}\n",
      "  page: {type: string}\n  PAGE: {type: int}\n",
      "models/pages.yaml:5:3: columns 'page' and 'PAGE' differ only by case; SQL takes them for one"
    ),
    .init(
      "sort: [page]", "sort: [page",
      "models/pages.yaml:3:8: not YAML: did not find expected ',' or ']' while parsing a flow sequence that starts on line 2"
    ),
  ]
}
