"""Questions that no page answers: `marimo edit questions.py -- --entries FOLDER/charges.duckdb`.

Entries are read once, from the DuckDB file or from Parquet, into this process: an open file would keep the ledger from
writing to it. Every figure is a sum over entries, in decimals; currencies are never added up.
"""

# pyright: basic, reportMissingImports=false
# Its cells have the names of what they use as parameters: marimo writes them.

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Questions to the ledger")


@app.cell
def _():
    import os
    from pathlib import Path

    import duckdb
    import marimo as mo

    return Path, duckdb, mo, os


@app.cell
def _(Path, duckdb, mo, os):
    source = Path(mo.cli_args().get("entries") or os.environ["GENAI_COST_ENTRIES"])
    columns = (
        "seq, charge_id, revision, cause, occurred, tenant, feature, provider, model, calls, unpriced,"
        " input_tokens, output_tokens, amount, currency"
    )
    db = duckdb.connect()
    quoted = str(source).replace("'", "''")
    if source.suffix == ".parquet":
        db.execute(f"CREATE TABLE entries AS SELECT {columns} FROM read_parquet('{quoted}')")
    else:
        db.execute(f"ATTACH '{quoted}' AS ledger (READ_ONLY)")
        db.execute(f"CREATE TABLE entries AS SELECT {columns} FROM ledger.entries")
        db.execute("DETACH ledger")

    def ask(sql):
        """The rows of a query, as dictionaries."""
        found = db.execute(sql)
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def shown(title, found):
        """The answer to a question, as a table that can be sorted and kept."""
        return mo.vstack([mo.md(f"# {title}"), mo.ui.table(found, selection=None)])

    return ask, shown


@app.cell
def _(ask, shown):
    whole = ask(
        "SELECT currency, CAST(sum(calls) AS BIGINT) AS calls, CAST(sum(unpriced) AS BIGINT) AS unpriced,"
        " sum(amount) AS cost, min(occurred) AS first, max(occurred) AS last FROM entries GROUP BY ALL ORDER BY ALL"
    )
    shown("What is here", whole)
    return (whole,)


@app.cell
def _(ask, shown):
    concentration = ask("""
        WITH spent AS (SELECT currency, tenant, sum(amount) AS cost FROM entries WHERE tenant IS NOT NULL GROUP BY ALL),
             ordered AS (SELECT *, row_number() OVER most AS place, count(*) OVER every AS n,
                                sum(cost) OVER (most ROWS UNBOUNDED PRECEDING) AS together,
                                sum(cost) OVER every AS whole
                         FROM spent WINDOW most AS (PARTITION BY currency ORDER BY cost DESC, tenant),
                                           every AS (PARTITION BY currency))
        SELECT currency, place AS tenants, n AS of_tenants, tenant AS up_to, together AS cost,
               CAST(together / whole AS DECIMAL(9, 6)) AS share
        FROM ordered WHERE whole > 0 AND place IN (1, 2, 5, 10, 20, 50, 100, n) ORDER BY currency, place
    """)
    shown("On how few tenants does the cost rest?", concentration)
    return (concentration,)


@app.cell
def _(ask, shown):
    lengths = ask("""
        WITH charge AS (SELECT charge_id, currency, sum(input_tokens) AS n, sum(amount) AS cost, sum(calls) AS calls
                        FROM entries GROUP BY ALL HAVING sum(calls) > 0)
        SELECT currency, CASE WHEN n < 1000 THEN '1: under 1,000' WHEN n < 10000 THEN '2: under 10,000'
                              WHEN n < 100000 THEN '3: under 100,000' ELSE '4: 100,000 and more' END AS tokens_in,
               CAST(sum(calls) AS BIGINT) AS calls, sum(cost) AS cost
        FROM charge GROUP BY ALL ORDER BY ALL
    """)
    shown("What do long prompts cost?\nA context that only grows shows in the last rows.", lengths)
    return (lengths,)


@app.cell
def _(ask, shown):
    week = ask("""
        SELECT currency, isodow(occurred) AS weekday, hour(occurred) AS hour_utc, CAST(sum(calls) AS BIGINT) AS calls,
               sum(amount) AS cost
        FROM entries GROUP BY ALL HAVING sum(calls) <> 0 OR sum(amount) <> 0 ORDER BY ALL
    """)
    shown("At which hours of the week is it spent?", week)
    return (week,)


@app.cell
def _(ask, shown):
    mix = ask("""
        WITH newest AS (SELECT date_trunc('month', max(occurred)) AS this FROM entries),
             spent AS (SELECT currency, tenant, model, date_trunc('month', occurred) AS month, sum(amount) AS cost
                       FROM entries GROUP BY ALL),
             both_months AS (SELECT currency, tenant, model,
                                    coalesce(sum(cost) FILTER (month < this), 0) AS before,
                                    coalesce(sum(cost) FILTER (month = this), 0) AS now
                             FROM spent, newest WHERE month >= this - INTERVAL 1 MONTH GROUP BY ALL)
        SELECT *, now - before AS change FROM both_months WHERE now <> before
        ORDER BY abs(now - before) DESC, currency, tenant, model LIMIT 50
    """)
    shown("Who moved to other models, and what did that change?", mix)
    return (mix,)


@app.cell
def _(ask, shown):
    corrections = ask("""
        SELECT currency, date_trunc('month', occurred) AS month, cause, count(DISTINCT charge_id) AS charges,
               sum(amount) AS cost
        FROM entries WHERE revision > 0 GROUP BY ALL ORDER BY ALL
    """)
    shown(
        "What was booked again, and why?\nSums of the entries that came after a charge's first.",
        corrections,
    )
    return (corrections,)


if __name__ == "__main__":
    app.run()
