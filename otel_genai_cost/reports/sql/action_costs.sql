-- Of the actions of each currency: how many priced ones come to how much, and the dearest.
{relation} each AS MATERIALIZED (
    SELECT {dimensions},
           coalesce("action", charge_id) AS this_action,
           {currency} AS currency,
           CAST(sum(calls) AS BIGINT) AS calls,
           CAST(sum(unpriced) AS BIGINT) AS unpriced,
           CAST(sum({amount}) AS DECIMAL(38, 18)) AS amount,
           CAST(epoch_us(max(occurred)) AS BIGINT) AS last_us
    FROM {source}
    WHERE ($1 IS NULL OR seq <= $1)
      AND {condition}
    GROUP BY ALL
    HAVING sum(calls) <> 0 OR sum({amount}) <> 0
),
counted AS (
    SELECT currency, bound, count(*) AS actions
    FROM (SELECT currency, amount FROM each WHERE unpriced = 0)
    ASOF LEFT JOIN (SELECT unnest(CAST($2 AS DECIMAL(38, 18)[])) AS bound) ON amount >= bound
    GROUP BY ALL
),
dearest AS (
    SELECT * FROM each
    QUALIFY row_number() OVER (PARTITION BY currency ORDER BY amount DESC, this_action, tenant) <= {most}
)
SELECT 1 AS kind, currency, bound AS amount, actions AS calls, 0 AS unpriced, NULL AS tenant, NULL AS this_action,
       NULL AS last_us
FROM counted
UNION ALL
SELECT 2, currency, amount, calls, unpriced, tenant, this_action, last_us
FROM dearest
ORDER BY kind, currency, amount DESC, this_action, tenant
