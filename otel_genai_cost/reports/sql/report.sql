-- What calls come to by the given dimensions; every total is a sum over entries.
{relation}SELECT {dimensions},
       CAST(sum(calls) AS BIGINT) AS calls,
       CAST(sum(calls) - sum(unpriced) AS BIGINT) AS priced,
       CAST(sum(unpriced) AS BIGINT) AS unpriced,
       CAST(sum(CASE WHEN {partial} THEN unpriced ELSE 0 END) AS BIGINT) AS partial,
       CAST(sum({amount}) AS DECIMAL(38, 18)) AS amount,
       {currency} AS currency
FROM {source}
WHERE ($1 IS NULL OR seq <= $1)
  AND {after}
  AND {condition}
GROUP BY ALL
