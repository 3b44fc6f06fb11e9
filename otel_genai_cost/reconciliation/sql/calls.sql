-- Entries of calls with what they used, in order of time.
SELECT charge_id, model, currency, {key} AS key, {usage} AS usage
FROM entries
WHERE cause <> 'reconciled' AND {condition}
ORDER BY occurred, charge_id
