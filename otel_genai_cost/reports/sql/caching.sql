-- Tokens of each kind that caches took part in, by what they and uncached ones are priced at: NULL where an entry does not
-- say it.
{relation}SELECT {dimensions},
       entries.currency AS currency,
       cache_rates AS rates,
       CAST(coalesce(sum(input_tokens), 0) AS BIGINT) AS input_tokens{leaves}
FROM {source}
WHERE ($1 IS NULL OR seq > $1)
  AND {condition}
GROUP BY ALL
