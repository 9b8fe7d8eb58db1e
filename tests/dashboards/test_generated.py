from __future__ import annotations

import re
from pathlib import Path

import promql_parser
import pytest

from dashboards import catalogue
from dashboards.generate import generated
from tests.dashboards.boards import BOARDS, expressions, label_values, variables

REPOSITORY = Path(__file__).parent.parent.parent
SUFFIX = re.compile(r"_(bucket|sum|count)$")
SCRAPE_LABELS = {"job", "instance"}


@pytest.mark.parametrize("place", generated(), ids=str)
def test_what_is_committed_is_what_the_code_generates(place: Path) -> None:
    assert (REPOSITORY / place).read_text() == generated()[place], "run: python -m dashboards.generate"


def selectors(expr: str) -> list[promql_parser.VectorSelector]:
    found: list[promql_parser.VectorSelector] = []

    def see(node: promql_parser.Expr) -> bool:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)
        return True

    promql_parser.walk(promql_parser.parse(expr), see)
    return found


def metric(name: str | None) -> catalogue.Metric:
    assert name is not None
    stem = SUFFIX.sub("", name)
    return catalogue.BY_NAME[stem if stem in catalogue.BY_NAME else name]


ALL = [(name, title, expr) for name, board in BOARDS.items() for title, expr in expressions(board)]


@pytest.mark.parametrize(("board", "title", "expr"), ALL, ids=[title for _, title, _ in ALL])
def test_a_query_asks_for_metrics_and_labels_of_the_catalogue(board: str, title: str, expr: str) -> None:
    found = selectors(expr)
    assert len(found) == expr.count("{")
    for selector in found:
        known = set(metric(selector.name).labels) | SCRAPE_LABELS
        used = {matcher.name for matcher in selector.matchers.matchers}
        assert used <= known, selector.name
        wanted = SCRAPE_LABELS | ({"target", "region"} & set(metric(selector.name).labels))
        assert wanted <= used, f"{selector.name} is not narrowed by every variable that it could be"


@pytest.mark.parametrize(("board", "title", "expr"), ALL, ids=[title for _, title, _ in ALL])
def test_counters_are_asked_for_as_rates_and_gauges_are_not(board: str, title: str, expr: str) -> None:
    rates = re.findall(r"(?:rate|increase)\((\w+)\{", expr)
    for selector in selectors(expr):
        counts = metric(selector.name).type in {"counter", "histogram"}
        assert (selector.name in rates) == counts, selector.name


@pytest.mark.parametrize("board", BOARDS)
def test_variables_ask_for_labels_that_there_are(board: str) -> None:
    for variable in variables(BOARDS[board]):
        if variable["type"] == "query":
            selector, label = label_values(BOARDS[board], variable)
            (parsed,) = selectors(selector)
            assert label in {*metric(parsed.name).labels, *SCRAPE_LABELS}


def test_every_label_of_the_catalogue_is_explained() -> None:
    used = {label for metric in catalogue.CATALOGUE for label in metric.labels}
    assert used == set(catalogue.LABELS)


def test_names_follow_the_conventions() -> None:
    for found in catalogue.CATALOGUE:
        assert found.name.startswith(("probe_", "monitor_", "process_"))
        assert (found.type == "counter") == found.name.endswith("_total"), found.name
        assert not {"url", "error", "incident", "id"} & set(found.labels), found.name
        assert found.help.endswith(".")
