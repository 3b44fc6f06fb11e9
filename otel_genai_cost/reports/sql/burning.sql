-- What calls come to in each five minutes since the epoch, by the dimensions of a budget.
SELECT {dimensions}
       CAST(epoch_us(occurred) // 300000000 AS BIGINT) AS slot,
       CAST(sum({amount}) AS DECIMAL(38, 18)) AS amount
FROM entries
WHERE {currency} = $1
  AND ($2 IS NULL OR occurred < CAST($2 AS TIMESTAMP))
  AND {whose}
GROUP BY ALL
