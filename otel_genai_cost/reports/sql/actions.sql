-- What actions come to by the given dimensions, and whole ones of each currency: their sums, the median and the 95th percentile by nearest rank
-- (of a decimal share `quantile_disc` works it out in whole numbers), and what went into calls that were troubled.
{relation} part AS MATERIALIZED (
    SELECT {dimensions},
           coalesce("action", charge_id) AS this_action,
           {currency} AS currency,
           CAST(sum(calls) AS BIGINT) AS calls,
           CAST(sum(unpriced) AS BIGINT) AS unpriced,
           CAST(sum({amount}) AS DECIMAL(38, 18)) AS amount{troubles_of_part}
    FROM {source}
    LEFT JOIN (
        SELECT unnest(CAST($1 AS VARCHAR[])) AS troubled_id, unnest(CAST($2 AS VARCHAR[])) AS trouble
    ) ON charge_id = troubled_id
    WHERE ($3 IS NULL OR seq <= $3)
      AND {condition}
    GROUP BY ALL
    HAVING sum(calls) <> 0 OR sum({amount}) <> 0
),
whole AS (
    SELECT currency,
           CAST(sum(calls) AS BIGINT) AS calls,
           CAST(sum(unpriced) AS BIGINT) AS unpriced,
           sum(amount) AS amount{troubles_of_whole}
    FROM part
    GROUP BY tenant, this_action, currency
)
SELECT FALSE AS is_sum, {names}{measures}
FROM part
GROUP BY {names}currency
UNION ALL
SELECT TRUE, {no_names}{measures}
FROM whole
GROUP BY currency
