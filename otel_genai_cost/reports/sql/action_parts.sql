-- What each action comes to, by the given dimensions: sums that add up with those of other entries.
{relation}SELECT {dimensions},
       coalesce("action", charge_id) AS this_action,
       {currency} AS currency,
       CAST(sum(calls) AS BIGINT) AS calls,
       CAST(sum(unpriced) AS BIGINT) AS unpriced,
       CAST(sum({amount}) AS DECIMAL(38, 18)) AS amount,
       max(occurred) AS last
FROM {source}
WHERE (${first} IS NULL OR seq <= ${first})
  AND {after}
  AND {condition}
GROUP BY ALL
