"""Builds the dashboards: `python -m tests.monitoring.boards.build` writes what is kept in
`monitoring/grafana`. The types of Grafana's own library are those of its schema; it needs Python 3.11."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from tests.monitoring.boards.panel import PanelOf
from tests.monitoring.boards.prometheus import PANELS
from tests.monitoring.boards.sql import CLICKHOUSE, CURRENCIES, POSTGRESQL, Dialect, panels

__all__ = ["FOLDER", "built", "write"]

FOLDER: Final = Path(__file__).resolve().parents[3] / "monitoring" / "grafana"
_BUILDERS: Final[Mapping[str, Any]] = {
    "stat": stat.Panel,
    "bars": timeseries.Panel,
    "lines": timeseries.Panel,
    "table": table.Panel,
}
_STRETCHES: Final = "hour,day,week,month"
_BY: Final = "tenant,feature,workflow,agent,action,service,provider,model,operation"
_DECIMALS: Final = 6


def built() -> dict[str, str]:
    """The files, by their place in the folder."""
    found: dict[str, str] = {}
    for one in (POSTGRESQL, CLICKHOUSE):
        found[f"dashboards/ledger-{one.name}.json"] = _text(_of_entries(one))
    found["dashboards/prometheus.json"] = _text(_of_metrics())
    return found


def write() -> None:
    """Write them."""
    for place, text in built().items():
        (FOLDER / place).write_text(text, encoding="utf-8")


def _text(board: Any) -> str:
    return json.dumps(board.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def _board(uid: str, title: str, about: str, plugin: str) -> Any:
    source = dashboard.DatasourceVariable("datasource").label("Data source").type(plugin)
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(about)
        .tags(["genai-cost"])
        .readonly()
        .with_variable(source)
    )


def _of_entries(dialect: Dialect) -> Any:
    board = _board(
        f"genai-cost-{dialect.name}",
        f"GenAI cost: the ledger in {dialect.name}",
        "Sums over the ledger's entries: what `genai-cost report` says of the same period, zone and currency.",
        dialect.plugin,
    )
    board.time("now/M", "now/M").refresh("5m")
    for variable in _variables():
        board.with_variable(variable)
    for number, one in enumerate(panels(dialect), 1):
        query = _Sql(one.query, one.look, dialect)
        board.with_panel(_panel(one, query, dialect.plugin).id(number))
    return board


def _of_metrics() -> Any:
    board = _board(
        "genai-cost-prometheus",
        "GenAI cost: now",
        "What is spent, and how journals, ledger, sinks and gates are doing, from Prometheus.",
        "prometheus",
    )
    board.time("now-24h", "now").refresh("1m")
    for number, one in enumerate(PANELS, 1):
        query = prometheus.Dataquery().expr(one.query).ref_id("A").legend_format(one.legend)
        if one.look in ("stat", "table"):
            shape = PromQueryFormat.TABLE if one.look == "table" else PromQueryFormat.TIME_SERIES
            query.instant().format(shape)
        else:
            query.range()
        board.with_panel(_panel(one, query, "prometheus").id(number))
    return board


def _variables() -> Iterator[Any]:
    yield (
        dashboard.QueryVariable("currency")
        .label("Currency")
        .datasource(models.DataSourceRef(uid="${datasource}"))
        .query(CURRENCIES)
        .refresh(models.VariableRefresh.ON_DASHBOARD_LOAD)
    )
    for name, label, values, first in (
        ("stretch", "Stretch", _STRETCHES, "day"),
        ("by", "By", _BY, "tenant"),
    ):
        yield (
            dashboard.CustomVariable(name)
            .label(label)
            .values(values)
            .current(models.VariableOption(True, first, first))
            .options([models.VariableOption(one == first, one, one) for one in values.split(",")])
        )
    for name, label, first in (("zone", "Zone", "UTC"), ("tenant", "Tenant", "")):
        yield (
            dashboard.TextBoxVariable(name)
            .label(label)
            .default_value(first)
            .current(models.VariableOption(True, first, first))
        )


class _Sql:
    """A query in SQL: the library has none of these two plug-ins."""

    def __init__(self, text: str, look: str, dialect: Dialect) -> None:
        self._text, self._is_series, self._dialect = text, look == "bars", dialect

    def build(self) -> Any:
        return self

    def to_json(self) -> dict[str, object]:
        """As the plug-in of the data source reads it."""
        own: dict[str, object] = {"editorMode": "code", "rawQuery": True}
        shape: object = "time_series" if self._is_series else "table"
        if self._dialect is CLICKHOUSE:
            own = {"editorType": "sql", "queryType": "timeseries" if self._is_series else "table"}
            shape = 0 if self._is_series else 1
        source = {"type": self._dialect.plugin, "uid": "${datasource}"}
        return {**own, "datasource": source, "format": shape, "rawSql": self._text, "refId": "A"}


def _panel(one: PanelOf, query: Any, plugin: str) -> Any:
    made = (
        _BUILDERS[one.look]()
        .title(one.title)
        .description(one.about)
        .datasource(models.DataSourceRef(plugin, "${datasource}"))
        .span(one.width)
        .height(one.height)
        .with_target(query)
        .no_value("-")
    )
    if one.unit:
        made.unit(one.unit)
    _LOOKS[one.look](made)
    return made


def _stat(made: Any) -> None:
    made.graph_mode(kinds.BigValueGraphMode.NONE).reduce_options(
        common.ReduceDataOptions().calcs(["lastNotNull"]).fields("/.*/").values(False)
    )


def _bars(made: Any) -> None:
    legend = common.VizLegendOptions().show_legend(True).placement(kinds.LegendPlacement.RIGHT)
    stacked = common.StackingConfig().mode(kinds.StackingMode.NORMAL).group("A")
    made.draw_style(kinds.GraphDrawStyle.BARS).fill_opacity(80).line_width(0)
    made.stacking(stacked).legend(legend.display_mode(kinds.LegendDisplayMode.LIST))


def _lines(made: Any) -> None:
    made.draw_style(kinds.GraphDrawStyle.LINE).fill_opacity(10).span_nulls(False)


def _table(made: Any) -> None:
    made.show_header(True).override_by_regexp(
        "^(Cost|Price|Left|Before|Change|A call|1,000 tokens)$",
        [models.DynamicConfigValue("decimals", _DECIMALS)],
    )
    made.override_by_name(
        "Tenant",
        [
            models.DynamicConfigValue(
                "links",
                [
                    {
                        "title": "This tenant alone",
                        "url": "/d/${__dashboard.uid}?var-tenant=${__value.text:percentencode}&${__url_time_range}",
                    }
                ],
            )
        ],
    )


_LOOKS: Final[Mapping[str, Any]] = {"stat": _stat, "bars": _bars, "lines": _lines, "table": _table}

if __name__ == "__main__":
    write()
