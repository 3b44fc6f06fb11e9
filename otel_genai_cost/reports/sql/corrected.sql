-- Charges that caches took part in, of those that were corrected.
{relation}SELECT DISTINCT charge_id
FROM {source}
WHERE cache_rates IS NOT NULL
  AND {condition}
LIMIT {most}
