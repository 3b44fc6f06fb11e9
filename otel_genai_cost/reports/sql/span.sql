-- How many calls there are, and when the first and the last ended, of all that was ever booked.
{relation}SELECT CAST(coalesce(sum(calls), 0) AS BIGINT) AS calls, min(occurred) AS first, max(occurred) AS last
FROM {source}
WHERE ($1 IS NULL OR seq <= $1)
  AND {condition}
