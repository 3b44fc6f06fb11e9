-- Of what calls cost, all of it and what is a tenant's or the platform's own.
SELECT currency,
       sum(amount) AS amount,
       sum(CASE WHEN tenant IS NOT NULL OR absent = 'system' THEN amount ELSE 0 END) AS attributed
FROM entries
WHERE cause <> 'reconciled' AND {condition}
GROUP BY currency
