"""What each tenant cost: a notebook in the percent format (Jupyter, VS Code and PyCharm run its cells).

    python monthly_report.py [PICTURE]

`genai-cost ship` fills the file that is read here. Its table holds signed entries: a correction is a further one, so a
figure is always a sum, and sums are decimals.
"""

# %% Bring the file up to date, and open it
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

home = Path(os.environ.get("OTEL_GENAI_COST_LEDGER", "costs"))
subprocess.run(["genai-cost", "ship", "--drain", "--ledger", str(home)], check=True)
entries = duckdb.connect(str(home / "charges.duckdb"), read_only=True)

# %% What each tenant cost, and how many calls have no price yet
by_tenant = entries.sql("""
    SELECT coalesce(tenant, 'unattributed') AS tenant, currency,
           sum(amount) AS amount, sum(calls) AS calls, sum(unpriced) AS unpriced
    FROM entries GROUP BY ALL ORDER BY amount DESC
""")
for tenant, currency, amount, calls, unpriced in by_tenant.fetchall():
    print(
        f"{tenant:<14} {amount.normalize():f} {currency}  {calls} calls, {unpriced} without a price"
    )

# %% By model, as a picture: floats only here, where pixels are made of them
shares = entries.sql("""
    SELECT coalesce(tenant, 'unattributed') AS tenant, coalesce(model, '?') AS model, sum(amount) AS amount
    FROM entries WHERE currency = 'USD' GROUP BY ALL ORDER BY tenant, model
""").fetchall()
tenants = sorted({tenant for tenant, _, _ in shares})
left = dict.fromkeys(tenants, 0.0)
figure, axes = plt.subplots(figsize=(7, 1 + 0.5 * len(tenants)), layout="constrained")
for model in sorted({model for _, model, _ in shares}):
    widths = {tenant: float(amount) for tenant, name, amount in shares if name == model}
    axes.barh(
        tenants,
        [widths.get(tenant, 0.0) for tenant in tenants],
        left=[left[tenant] for tenant in tenants],
        label=model,
    )
    for tenant, width in widths.items():
        left[tenant] += width
axes.set_xlabel("USD")
axes.legend()
figure.savefig(sys.argv[1] if len(sys.argv) > 1 else "costs.png")
