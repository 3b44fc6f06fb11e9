-- What actions come to by the given dimensions, and whole ones of each currency: their sums, the median and the 95th percentile by nearest rank
-- (of a decimal share `quantile_disc` works it out in whole numbers).
WITH part AS MATERIALIZED (
    SELECT {dimensions}, {parts_sql}
    FROM ({parts})
    GROUP BY ALL
    HAVING sum(calls) <> 0 OR sum(amount) <> 0
),
whole AS (
    {whole}
)
SELECT FALSE AS is_sum, {names}{measures}
FROM part
GROUP BY {names}currency
UNION ALL
SELECT TRUE, {no_names}{measures}
FROM whole
GROUP BY currency
