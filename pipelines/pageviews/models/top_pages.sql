-- The `top` most viewed pages of each domain, without the blocked ones.
--
-- A page can have several lines in an hour, and has several in a day. The block list writes some
-- titles percent-encoded that the dumps write as they are, so both sides are compared decoded; a
-- title that is not UTF-8 once decoded is compared as written.
WITH counted AS (
  SELECT domain, page, sum(views)::bigint AS views FROM pageviews GROUP BY domain, page
), kept AS (
  SELECT c.* FROM counted c ANTI JOIN blocked b
    ON c.domain = b.domain
   AND coalesce(try(url_decode(c.page)), c.page) = coalesce(try(url_decode(b.page)), b.page)
), ranked AS (
  SELECT *, CASE $ties
      WHEN 'rank' THEN rank() OVER w
      WHEN 'dense_rank' THEN dense_rank() OVER w
      ELSE row_number() OVER (PARTITION BY domain ORDER BY views DESC, page)
    END AS rank
  FROM kept WINDOW w AS (PARTITION BY domain ORDER BY views DESC)
)
SELECT domain, page, views, rank, $interval_start AS interval_start, $interval_end AS interval_end
FROM ranked WHERE rank <= $top
