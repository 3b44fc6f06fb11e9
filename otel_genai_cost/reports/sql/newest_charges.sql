-- The charges of a time, the newest first.
{relation}SELECT charge_id
FROM {source}
WHERE ($1 IS NULL OR seq <= $1)
  AND {condition}
GROUP BY charge_id
ORDER BY max(occurred) DESC, charge_id
LIMIT {most}
