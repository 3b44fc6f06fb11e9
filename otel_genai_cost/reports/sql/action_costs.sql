-- Of the actions of each currency: how many priced ones come to how much, and the dearest.
WITH each AS MATERIALIZED (
    SELECT tenant, {parts_sql}, CAST(epoch_us(max(last)) AS BIGINT) AS last_us
    FROM ({parts})
    GROUP BY ALL
    HAVING sum(calls) <> 0 OR sum(amount) <> 0
),
counted AS (
    SELECT currency, bound, count(*) AS actions
    FROM (SELECT currency, amount FROM each WHERE unpriced = 0)
    ASOF LEFT JOIN (SELECT unnest(CAST($1 AS DECIMAL(38, 18)[])) AS bound) ON amount >= bound
    GROUP BY ALL
),
dear AS (
    SELECT currency AS of_currency, max(amount, {most}) AS amounts FROM each GROUP BY currency
),
dearest AS (
    SELECT each.* FROM each JOIN dear ON currency = of_currency AND amount >= amounts[len(amounts)]
    QUALIFY row_number() OVER (PARTITION BY currency ORDER BY amount DESC, this_action, tenant) <= {most}
)
SELECT 1 AS kind, currency, bound AS amount, actions AS calls, 0 AS unpriced, NULL AS tenant, NULL AS this_action,
       NULL AS last_us
FROM counted
UNION ALL
SELECT 2, currency, amount, calls, unpriced, tenant, this_action, last_us
FROM dearest
ORDER BY kind, currency, amount DESC, this_action, tenant
