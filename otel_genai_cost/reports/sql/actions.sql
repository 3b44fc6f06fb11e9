-- What each action comes to, by the given dimensions, and what of that went into calls that were troubled.
{relation}SELECT {dimensions},
       coalesce("action", charge_id) AS this_action,
       {currency} AS currency,
       CAST(sum(calls) AS BIGINT) AS calls,
       CAST(sum(unpriced) AS BIGINT) AS unpriced,
       CAST(sum({amount}) AS DECIMAL(38, 18)) AS amount{troubles}
FROM {source}
LEFT JOIN (
    SELECT unnest(CAST($1 AS VARCHAR[])) AS troubled_id, unnest(CAST($2 AS VARCHAR[])) AS trouble
) ON charge_id = troubled_id
WHERE ($3 IS NULL OR seq <= $3)
  AND {condition}
GROUP BY ALL
HAVING sum(calls) <> 0 OR sum({amount}) <> 0
