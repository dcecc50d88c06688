@testable import Project

extension MistakesTests.Case {
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
}
