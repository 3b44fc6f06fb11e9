-- The true-ups of a provider's days that are posted.
SELECT DISTINCT charge_id
FROM entries
WHERE cause = 'reconciled' AND {condition}
