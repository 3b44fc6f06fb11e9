-- What calls came to on the provider's side, by half an hour, each call as one request: of a bill that counts no tokens.
SELECT {slot} AS slot,
       provider, model, currency, {key} AS key, 'requests' AS leaf, NULL AS price,
       CAST(sum(calls) AS BIGINT) AS quantity, sum(amount) AS amount, sum(list_amount) AS list_amount
FROM entries
WHERE cause <> 'reconciled' AND {condition}
GROUP BY ALL
