-- Calls right after one that failed, for the same tenant and action and within so long; and the model that was asked for.
WITH failed AS (
    SELECT unnest(CAST($1 AS VARCHAR[])) AS failed_id, unnest(CAST($2 AS VARCHAR[])) AS asked
),
calls AS (
    SELECT charge_id, max(occurred) AS ended, tenant, "action", model
    FROM entries
    WHERE "action" IN (SELECT "action" FROM entries JOIN failed ON charge_id = failed_id WHERE {condition})
      AND ($3 IS NULL OR seq <= $3)
      AND {condition}
    GROUP BY charge_id, occurred, tenant, feature, "action", provider, model
    HAVING sum(calls) > 0
),
following AS (
    SELECT charge_id, model, ended, failed.asked AS own_asked,
           lag(failed.asked) OVER earlier AS asked, lag(ended) OVER earlier AS asked_ended
    FROM calls LEFT JOIN failed ON charge_id = failed_id
    WINDOW earlier AS (PARTITION BY tenant, "action" ORDER BY ended, charge_id)
)
SELECT charge_id, model, asked
FROM following
WHERE own_asked IS NULL AND asked IS NOT NULL AND epoch_us(ended) - epoch_us(asked_ended) <= $4
