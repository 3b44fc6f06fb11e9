-- What Druid has of a ledger, by day and currency: as `genai-cost sinks verify` counts and adds it up of other stores.
-- Parameters: the ledger's id. An amount is whole + nine/10^9 + eighteen/10^18, each of any sign.
-- An answer that is not sound has columns taken one for the other: ask again.
SELECT
  TIME_FORMAT(FLOOR(__time TO DAY), 'yyyy-MM-dd') AS "day", currency, SUM(entries) AS entries, SUM(unread) AS unread,
  SUM(amount_whole) AS whole, SUM(amount_nine) AS nine, SUM(amount_eighteen) AS eighteen,
  SUM(entries) + SUM(calls) + SUM(unpriced) + SUM(unread) + SUM(amount_whole) + SUM(amount_nine) + SUM(amount_eighteen)
    = SUM(amount_check) AS is_sound
FROM genai_cost
WHERE ledger = ? AND refill = (SELECT MAX(refill) FROM genai_cost)
GROUP BY 1, 2
ORDER BY 1, 2
