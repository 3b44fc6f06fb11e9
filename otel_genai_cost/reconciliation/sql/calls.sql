-- The calls of a day that used anything or cost anything, with what they used.
SELECT charge_id, model, currency, {key} AS key, {usage} AS usage
FROM entries
WHERE cause <> 'reconciled' AND {condition}
ORDER BY occurred, charge_id
