"""Panels as data to Grafana's dashboard JSON. Needs grafana-foundation-sdk, which is a development dependency."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from dashboards.panels import Panel, Query, Row

with warnings.catch_warnings():
    # The SDK would rather have schema v2, which Grafana before 12 cannot import; the classic one is read by all.
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as models
from grafana_foundation_sdk.models import dashboard as dashboard_models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

DAEMON = 'job=~"$job", instance=~"$instance"'
TARGET = f'{DAEMON}, region=~"$region", target=~"$target"'
DATASOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
SCHEMA_VERSION = 39

VARIABLES = (
    ("job", "Job", "label_values(monitor_build_info, job)"),
    ("instance", "Monitor", 'label_values(monitor_build_info{job=~"$job"}, instance)'),
    ("region", "Region", f"label_values(monitor_target_info{{{DAEMON}}}, region)"),
    ("target", "Target", f'label_values(monitor_target_info{{{DAEMON}, region=~"$region"}}, target)'),
)
"""(name, label, query) of each variable after the data source; each narrows by those before it."""


def generate(uid: str, title: str, description: str, rows: tuple[Row, ...]) -> str:
    """The dashboard as JSON text, the same for the same input."""
    board = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["monitor", "generated"])
        .readonly()
        .timezone("browser")
        .time("now-6h", "now")
        .refresh("30s")
        .tooltip(dashboard_models.DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    )
    for variable in VARIABLES:
        board = board.with_variable(_variable(*variable))
    number = 0
    for row in rows:
        number += 1
        board = board.with_row(dashboard.Row(row.title).id(number))
        for panel in row.panels:
            number += 1
            board = board.with_panel(_panel(panel).id(number))
    built = board.build()
    built.schema_version = SCHEMA_VERSION
    return json.dumps(built, cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def _variable(name: str, label: str, query: str) -> Any:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query(query)
        .definition(query)
        .refresh(dashboard_models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard_models.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".+")
        .current(dashboard_models.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def _panel(panel: Panel) -> Any:
    built = (
        _KINDS[panel.kind](panel)
        .title(panel.title)
        .description(panel.description)
        .datasource(DATASOURCE)
        .unit(panel.unit)
        .no_value(panel.no_value)
        .span(panel.width)
        .height(panel.height)
        .thresholds(_thresholds(panel))
        .mappings(_mappings(panel))
    )
    if panel.minimum is not None:
        built = built.min(panel.minimum)
    if panel.maximum is not None:
        built = built.max(panel.maximum)
    for letter, query in zip("ABCDEF", panel.queries, strict=False):
        built = built.with_target(_query(letter, query, panel.kind))
    return built


def _query(letter: str, query: Query, kind: str) -> Any:
    expr = query.expr.replace("<T>", TARGET).replace("<D>", DAEMON)
    built = prometheus.Dataquery().ref_id(letter).datasource(DATASOURCE).expr(expr)
    built = built.legend_format(query.legend or "__auto")
    if kind == "timeseries":
        return built.range()
    return built.instant().format(PromQueryFormat.TABLE) if kind == "table" else built.instant()


def _thresholds(panel: Panel) -> Any:
    steps = [dashboard_models.Threshold(value=value, color=colour) for value, colour in panel.steps]
    return dashboard.ThresholdsConfig().mode(dashboard_models.ThresholdsMode.ABSOLUTE).steps(steps)


def _mappings(panel: Panel) -> list[Any]:
    if not panel.mappings:
        return []
    options = {
        value: dashboard_models.ValueMappingResult(text=text, color=colour, index=index)
        for index, (value, text, colour) in enumerate(panel.mappings)
    }
    return [dashboard_models.ValueMap(options=options)]


def _stat(_: Panel) -> Any:
    return (
        stat.Panel()
        .color_mode(models.BigValueColorMode.VALUE)
        .graph_mode(models.BigValueGraphMode.NONE)
        .text_mode(models.BigValueTextMode.AUTO)
        .reduce_options(_last())
    )


def _bargauge(_: Panel) -> Any:
    return (
        bargauge.Panel()
        .orientation(models.VizOrientation.HORIZONTAL)
        .display_mode(models.BarGaugeDisplayMode.BASIC)
        .reduce_options(_last())
    )


def _last() -> Any:
    return common.ReduceDataOptions().calcs(["lastNotNull"])


def _timeseries(panel: Panel) -> Any:
    legend = (
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(models.LegendDisplayMode.LIST)
        .placement(models.LegendPlacement.BOTTOM)
    )
    tooltip = common.VizTooltipOptions().mode(models.TooltipDisplayMode.MULTI).sort(models.SortOrder.DESCENDING)
    built = timeseries.Panel().legend(legend).tooltip(tooltip).fill_opacity(10).span_nulls(False)
    if len(panel.steps) > 1:
        style = common.GraphThresholdsStyleConfig().mode(models.GraphThresholdsStyleMode.DASHED)
        built = built.thresholds_style(style)
    if panel.stacked:
        built = built.stacking(common.StackingConfig().mode(models.StackingMode.NORMAL))
    return built


def _table(panel: Panel) -> Any:
    """Only the columns that are named, under their headings and in their order."""
    names = [name for name, _ in panel.columns]
    organise = {
        "excludeByName": {name: True for name in ("Time", "Value") if name not in names},
        "indexByName": {name: index for index, name in enumerate(names)},
        "renameByName": dict(panel.columns),
    }
    return table.Panel().with_transformation(
        dashboard_models.DataTransformerConfig(id_val="organize", options=organise)
    )


_KINDS: Mapping[str, Callable[[Panel], Any]] = MappingProxyType(
    {"stat": _stat, "bargauge": _bargauge, "timeseries": _timeseries, "table": _table}
)
