@testable import Project

extension MistakesTests.Case {
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
