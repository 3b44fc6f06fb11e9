-- Whose calls the given entries are.
{relation}SELECT seq, {dimensions}
FROM {source}
WHERE seq IN (SELECT unnest(CAST($1 AS BIGINT[])))
