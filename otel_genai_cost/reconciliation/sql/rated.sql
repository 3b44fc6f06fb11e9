-- What calls came to on the provider's side, by half an hour and price: line by line, since each leaf is billed by itself.
WITH each AS (
    SELECT {slot} AS slot,
           provider, model, currency, {key} AS key,
           reason IS NOT NULL AS has_reason,
           unnest(from_json(lines, '[{{"kind":"VARCHAR","side":"VARCHAR","leaf":"VARCHAR","quantity":"BIGINT",
                                      "unit_price":"VARCHAR","per":"BIGINT","amount":"VARCHAR"}}]')) AS line
    FROM entries
    WHERE cause <> 'reconciled' AND {condition}
)
SELECT slot, provider, model, currency, key, line.leaf AS leaf,
       CASE WHEN line.kind IN ('list', 'share') AND line.leaf <> 'requests'
            THEN line.unit_price || '/' || line.per END AS price,
       CAST(sum(CASE WHEN line.kind IN ('list', 'share', 'provider') THEN line.quantity ELSE 0 END) AS BIGINT)
           AS quantity,
       sum(CAST(line.amount AS DECIMAL(38, 18))) AS amount,
       sum(CASE WHEN line.kind IN ('list', 'share', 'provider')
                THEN CAST(line.amount AS DECIMAL(38, 18)) ELSE 0 END) AS list_amount,
       CAST(sum(CASE WHEN has_reason AND line.kind IN ('list', 'share', 'provider')
                THEN line.quantity ELSE 0 END) AS BIGINT) AS with_reason
FROM each
WHERE coalesce(line.side, 'cost') = 'cost'
GROUP BY ALL
