-- The twin of `operator: word_index`, which `sluice run --twin` runs: a row for each word of each
-- file, as often as it occurs. `files` has the columns file, size, version and text.
SELECT file, word
FROM (
  SELECT file, unnest(regexp_extract_all(lower(text), '[\p{L}\p{M}\p{N}_]+')) AS word FROM files
)
WHERE length(word) <= 255
