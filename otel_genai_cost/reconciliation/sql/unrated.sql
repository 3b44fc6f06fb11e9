-- What calls used that are not priced in full: of leaves without a rate there are no lines.
WITH each AS (
    SELECT {slot} AS slot,
           provider, model, currency, {key} AS key, usage, unnest(json_keys(usage)) AS leaf
    FROM entries
    WHERE reason IS NOT NULL AND cause <> 'reconciled' AND {condition}
)
SELECT slot, provider, model, currency, key, leaf,
       CAST(sum(CAST(json_extract_string(usage, '$.' || leaf) AS BIGINT)) AS BIGINT) AS quantity
FROM each
GROUP BY ALL
