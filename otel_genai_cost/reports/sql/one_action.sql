-- The calls of one action, the first of them first, with what all of them come to.
{relation}SELECT charge_id,
       CAST(epoch_us(occurred) AS BIGINT) AS at_us,
       {dimensions},
       {currency} AS currency,
       CAST(sum(calls) AS BIGINT) AS calls,
       CAST(sum(unpriced) AS BIGINT) AS unpriced,
       CAST(sum({amount}) AS DECIMAL(38, 18)) AS amount,
       CAST(count(*) OVER whole AS BIGINT) AS rows_of_all,
       CAST(sum(sum(calls)) OVER whole AS BIGINT) AS calls_of_all,
       CAST(sum(sum(unpriced)) OVER whole AS BIGINT) AS unpriced_of_all,
       CAST(sum(sum({amount})) OVER whole AS DECIMAL(38, 18)) AS amount_of_all
FROM {source}
WHERE ($1 IS NULL OR seq <= $1)
  AND ("action" = $2 OR ("action" IS NULL AND charge_id = $2))
  AND {condition}
GROUP BY charge_id, occurred, {names}, {currency}
HAVING sum(calls) <> 0 OR sum({amount}) <> 0
WINDOW whole AS (PARTITION BY {currency})
ORDER BY at_us, charge_id, {names}, currency
LIMIT {most}
