-- What went into calls and came out of them, by the given dimensions, beside what they come to.
{relation}SELECT {dimensions},
       {currency} AS currency,
       CAST(coalesce(sum(input_tokens), 0) AS BIGINT) AS input_tokens,
       CAST(coalesce(sum(output_tokens), 0) AS BIGINT) AS output_tokens
FROM {source}
WHERE ($1 IS NULL OR seq > $1)
  AND {condition}
GROUP BY ALL
