-- How many calls there are, and when the first and the last ended.
{relation}SELECT CAST(coalesce(sum(calls), 0) AS BIGINT) AS calls, min(ended) AS first, max(ended) AS last
FROM (
    SELECT sum(calls) AS calls, date_trunc('second', occurred) AS ended
    FROM {source}
    WHERE ($1 IS NULL OR seq <= $1)
      AND {condition}
    GROUP BY ended
    HAVING sum(calls) <> 0 OR sum({amount}) <> 0
)
