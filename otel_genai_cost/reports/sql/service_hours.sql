-- In which hours since the epoch each service called, and when it did last in each.
SELECT coalesce(service, '') AS service,
       epoch_us(occurred) // 3600000000 AS hour,
       CAST(max(epoch_us(occurred)) AS BIGINT) AS last_us
FROM entries
WHERE calls > 0 AND {condition}
GROUP BY ALL
