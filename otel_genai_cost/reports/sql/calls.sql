-- Every call with a tenant's share of it left out: who made it, and what went in.
SELECT charge_id,
       CAST(epoch_us(max(occurred)) AS BIGINT) AS at_us,
       tenant,
       feature,
       "action",
       provider,
       model,
       CAST(sum(input_tokens) AS BIGINT) AS input_tokens,
       CAST(sum(
           coalesce(CAST(json_extract_string(usage, '$.cache_read') AS BIGINT), 0)
           + coalesce(CAST(json_extract_string(usage, '$.cache_read_audio') AS BIGINT), 0)
       ) AS BIGINT) AS cached_tokens
FROM entries
WHERE {condition}
GROUP BY charge_id, occurred, tenant, feature, "action", provider, model
HAVING sum(calls) > 0
ORDER BY at_us, charge_id
