-- Charges of a time, and what they come to, by currency and why there is no tenant.
SELECT currency, absent,
       CAST(sum(calls) AS BIGINT) AS calls,
       CAST(sum(unpriced) AS BIGINT) AS unpriced,
       CAST(coalesce(sum(calls) FILTER (WHERE tenant IS NULL AND absent IS DISTINCT FROM 'system'), 0) AS BIGINT) AS nobodys,
       CAST(coalesce(sum(calls) FILTER (WHERE quality = 'estimated'), 0) AS BIGINT) AS estimated,
       CAST(coalesce(sum(calls) FILTER (WHERE reason = 'unfinished'), 0) AS BIGINT) AS lost,
       CAST(sum(amount) AS DECIMAL(38, 18)) AS amount
FROM entries
WHERE {condition}
GROUP BY currency, absent
ORDER BY min(seq)
