-- Tokens of each kind that caches took part in, by what they and uncached ones are priced at: NULL where that is not known
-- of a single entry, as of what was corrected.
{relation}SELECT {dimensions},
       entries.currency AS currency,
       CASE
           WHEN cache_rates IS NOT NULL AND charge_id NOT IN (SELECT charge_id FROM entries WHERE revision > 0 AND {within})
           THEN cache_rates
       END AS rates,
       CAST(sum(input_tokens) AS BIGINT) AS input_tokens{leaves}
FROM {source}
WHERE ($1 IS NULL OR seq <= $1)
  AND {condition}
GROUP BY ALL
