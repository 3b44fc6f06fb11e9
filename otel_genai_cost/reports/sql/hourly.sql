-- What calls come to by tenant and hour since the epoch; currencies are never added up.
{relation}SELECT {tenant},
       {currency} AS currency,
       date_diff('hour', TIMESTAMP '1970-01-01', occurred) AS hour,
       CAST(sum({amount}) AS DECIMAL(38, 18)) AS amount
FROM {source}
WHERE {condition}
GROUP BY ALL
HAVING sum({amount}) <> 0
