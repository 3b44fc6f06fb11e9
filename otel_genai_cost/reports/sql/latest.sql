-- Charges that may be among the latest ones of each of the given groups, in the order of the charges' first entries.
-- A charge counts where what its entries add up to is not nothing; one that adds up to nothing may still be one (a share
-- of what is free), so all of those that are later than the last that counts come too. Only entries from the floor on
-- are grouped: so many of charges that were never corrected are there from it on.
{relation} late AS (
    SELECT charge_id, min(seq) AS first
    FROM entries
    WHERE charge_id IN (SELECT charge_id FROM entries WHERE revision > 0 AND ($1 IS NULL OR seq <= $1))
    GROUP BY charge_id
),
chosen AS (
    SELECT {dimensions}, charge_id, first IS NULL AS is_plain, coalesce(first, seq) AS first,
           calls, unpriced, amount, price, input_tokens, output_tokens
    FROM {source} LEFT JOIN late USING (charge_id)
    WHERE ($1 IS NULL OR seq <= $1)
      AND cause <> 'reconciled'
      AND {condition}
),
shown AS (
    SELECT * FROM chosen
    WHERE {name} IN (SELECT unnest(CAST($2 AS VARCHAR[]))) OR ({name} IS NULL AND $3)
),
floors AS (
    SELECT {name} AS of_group, coalesce(latest[{most}], 0) AS floor
    FROM (
        SELECT {name}, max(first, {most}) FILTER (WHERE is_plain AND calls <> 0) AS latest
        FROM shown
        GROUP BY {name}
    )
),
groups AS (
    SELECT {name}, charge_id, min(first) AS first,
           sum(calls) <> 0 OR sum(unpriced) <> 0 OR sum(amount) <> 0 OR sum(price) <> 0
             OR sum(input_tokens) <> 0 OR sum(output_tokens) <> 0 AS counts
    FROM shown JOIN floors ON {name} IS NOT DISTINCT FROM of_group AND first >= floor
    GROUP BY {name}, charge_id
),
ranked AS (
    SELECT charge_id, count(*) FILTER (WHERE counts) OVER (
        PARTITION BY {name} ORDER BY first DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS later
    FROM groups
)
SELECT DISTINCT charge_id FROM ranked WHERE later < {most}
