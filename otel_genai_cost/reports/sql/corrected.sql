-- Charges that caches took part in, and that were corrected.
{relation}SELECT DISTINCT charge_id
FROM {source}
WHERE ($1 IS NULL OR seq <= $1)
  AND cache_rates IS NOT NULL
  AND charge_id IN (SELECT charge_id FROM entries WHERE revision > 0 AND {within})
  AND {condition}
LIMIT {most}
