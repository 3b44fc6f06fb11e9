-- What actions come to by the given dimensions, and all of a currency: their sums, the median and the 95th percentile by nearest rank (of a
-- decimal share `quantile_disc` works it out in whole numbers), and what went into calls that were troubled.
{relation}SELECT grouping({first}) AS is_sum, {names}currency,
       count(*) AS actions,
       count(*) FILTER (WHERE unpriced = 0) AS priced,
       CAST(sum(calls) AS BIGINT) AS calls,
       CAST(sum(unpriced) AS BIGINT) AS unpriced,
       sum(amount) AS amount,
       sum(amount) FILTER (WHERE unpriced = 0) AS priced_amount,
       quantile_disc(amount, [0.50, 0.95]) FILTER (WHERE unpriced = 0) AS amounts,
       quantile_disc(calls, [0.50, 0.95]) AS calls_of_one{troubles}
FROM (
    SELECT {dimensions},
           coalesce("action", charge_id) AS this_action,
           {currency} AS currency,
           CAST(sum(calls) AS BIGINT) AS calls,
           CAST(sum(unpriced) AS BIGINT) AS unpriced,
           CAST(sum({amount}) AS DECIMAL(38, 18)) AS amount{troubles_of_one}
    FROM {source}
    LEFT JOIN (
        SELECT unnest(CAST($1 AS VARCHAR[])) AS troubled_id, unnest(CAST($2 AS VARCHAR[])) AS trouble
    ) ON charge_id = troubled_id
    WHERE ($3 IS NULL OR seq <= $3)
      AND {condition}
    GROUP BY ALL
    HAVING sum(calls) <> 0 OR sum({amount}) <> 0
)
GROUP BY GROUPING SETS (({names}currency), (currency))
