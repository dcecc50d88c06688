-- The hourly job in DuckDB's own command: the model's SQL over its CSV reader, written as the export
-- is. bench.py replaces the names in double braces; the memory and the threads are Sluice's.
--
-- The reader is set to read what Sluice reads: no quotes, no escapes, empty fields as empty text,
-- lines that do not fit left out.
SET threads = 2;
SET memory_limit = '4GB';
SET TimeZone = 'UTC';

CREATE VIEW pageviews AS
SELECT * FROM read_csv('{{dumps}}', delim = ' ', quote = '', escape = '', header = false,
  nullstr = '\0', ignore_errors = true, null_padding = false, auto_detect = false,
  columns = {domain: 'VARCHAR', page: 'VARCHAR', views: 'BIGINT', bytes: 'BIGINT'});

CREATE VIEW blocked AS
SELECT * FROM read_csv('{{blocked}}', delim = ' ', quote = '', escape = '', header = false,
  nullstr = '\0', ignore_errors = true, null_padding = false, auto_detect = false,
  columns = {domain: 'VARCHAR', page: 'VARCHAR'});

PREPARE job AS COPY (
  SELECT domain, page, views, rank FROM (
{{model}}
  ) ORDER BY domain, rank, page
) TO '{{out}}' (FORMAT csv, HEADER, COMPRESSION gzip);

EXECUTE job(ties := 'rank', top := 25,
  interval_start := TIMESTAMP '{{start}}', interval_end := TIMESTAMP '{{end}}');
