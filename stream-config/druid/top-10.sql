-- The ten tenants that cost most in the last 15 minutes, in one currency, to the last digit.
-- Parameters: the currency. Context: {"useApproximateTopN": false}.
-- An answer that is not sound has columns taken one for the other: ask again.
-- The sum of a column of digits may carry, or be below zero: `carried` makes whole + nine/10^9 + eighteen/10^18 of it,
-- of which the latter two are digits and only `whole` may be negative; so these three are in the order of the amounts.
WITH summed AS (
  SELECT tenant, SUM(amount_whole) AS w, SUM(amount_nine) AS n, SUM(amount_eighteen) AS e,
    SUM(calls) AS calls, SUM(unpriced) AS unpriced, SUM(unread) AS unread,
    SUM(entries) AS entries, SUM(amount_check) AS amount_check
  FROM genai_cost
  WHERE refill = (SELECT MAX(refill) FROM genai_cost)
    AND currency = ? AND __time >= CURRENT_TIMESTAMP - INTERVAL '15' MINUTE
  GROUP BY tenant
),
lowest AS (
  SELECT *, MOD(MOD(e, 1000000000) + 1000000000, 1000000000) AS eighteen FROM summed
),
middle AS (
  SELECT *, n + (e - eighteen) / 1000000000 AS m FROM lowest
),
carried AS (
  SELECT *, MOD(MOD(m, 1000000000) + 1000000000, 1000000000) AS nine FROM middle
),
whole AS (
  SELECT *, w + (m - nine) / 1000000000 AS whole FROM carried
)
SELECT tenant, whole, nine, eighteen, calls, unpriced, unread,
  entries + calls + unpriced + unread + w + n + e = amount_check AS is_sound
FROM whole
ORDER BY whole DESC, nine DESC, eighteen DESC, tenant
LIMIT 10
