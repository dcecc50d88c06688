-- A file that changed or went away is still in older postings: those of a segment before the one
-- that `documents` names for it, or of a file that is not there, count no more.
WITH pairs AS (SELECT word_id, unnest(doc_ids) AS doc_id, segment FROM postings)
SELECT w.word, list(d.file ORDER BY d.file) AS files
FROM pairs p
JOIN documents d ON d.doc_id = p.doc_id AND d.segment <= p.segment
JOIN words w ON w.word_id = p.word_id
GROUP BY w.word
