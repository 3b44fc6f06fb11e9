-- The entries of the newest calls, before a place in that order: when each ended, and which charge it is part of.
{relation}SELECT CAST(epoch_us(occurred) AS BIGINT) AS at_us, charge_id
FROM {source}
WHERE ($1 IS NULL OR seq <= $1)
  AND ($2 IS NULL OR occurred < make_timestamp($2) OR (occurred = make_timestamp($2) AND charge_id < $3))
  AND {condition}
ORDER BY occurred DESC, charge_id DESC
LIMIT {most}
