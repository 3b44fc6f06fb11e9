-- What calls cost by tenant, plan and feature, of each stretch of time in which exchange rates do not change.
{relation}SELECT {dimensions},
       currency,
       {stretch} AS stretch,
       CAST(sum(calls) AS BIGINT) AS calls,
       CAST(sum(unpriced) AS BIGINT) AS unpriced,
       CAST(sum(amount) AS DECIMAL(38, 18)) AS amount
FROM {source}
WHERE ($1 IS NULL OR seq <= $1)
  AND {condition}
GROUP BY ALL
HAVING sum(calls) <> 0 OR sum(amount) <> 0
