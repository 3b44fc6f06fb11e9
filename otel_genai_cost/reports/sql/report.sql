-- Cost by the given dimensions; every total is a sum over entries.
SELECT {dimensions},
       CAST(sum(calls) AS BIGINT) AS calls,
       CAST(sum(calls) - sum(unpriced) AS BIGINT) AS priced,
       CAST(sum(unpriced) AS BIGINT) AS unpriced,
       CAST(sum(amount) AS DECIMAL(38, 18)) AS amount,
       currency
FROM entries
WHERE ($1 IS NULL OR occurred >= CAST($1 AS TIMESTAMP))
  AND ($2 IS NULL OR occurred < CAST($2 AS TIMESTAMP))
  AND ($3 IS NULL OR seq <= $3)
GROUP BY ALL
HAVING sum(calls) <> 0 OR sum(amount) <> 0
ORDER BY {order}
