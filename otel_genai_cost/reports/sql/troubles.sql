-- What went into calls that were troubled, by the given dimensions.
{relation}SELECT {dimensions},
       {currency} AS currency,
       trouble,
       CAST(sum(calls) AS BIGINT) AS calls,
       CAST(sum({amount}) AS DECIMAL(38, 18)) AS amount
FROM {source}
JOIN (
    SELECT unnest(CAST($1 AS VARCHAR[])) AS troubled_id, unnest(CAST($2 AS VARCHAR[])) AS trouble
) ON charge_id = troubled_id
WHERE ($3 IS NULL OR seq <= $3)
  AND {condition}
GROUP BY ALL
