"""The rules of grafana/dashboard-linter, and those of our own, for every committed dashboard."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dashboards.boards import BOARDS, panels, variables

pytestmark = pytest.mark.parametrize("board", BOARDS.values(), ids=list(BOARDS))


def test_the_dashboard_itself(board: dict[str, Any]) -> None:
    assert board["uid"].startswith("monitor-")
    assert len(board["uid"]) <= 40
    assert board["title"]
    assert board["description"]
    assert "monitor" in board["tags"]
    assert board["schemaVersion"] >= 36
    assert board["editable"] is False
    assert board["refresh"]
    assert "id" not in board, "a number of one Grafana's database"


def test_the_data_source_is_a_variable(board: dict[str, Any]) -> None:
    first = variables(board)[0]
    assert (first["type"], first["name"], first["label"], first["query"]) == (
        "datasource",
        "datasource",
        "Data source",
        "prometheus",
    )
    wanted = {"type": "prometheus", "uid": "${datasource}"}
    used = [panel["datasource"] for panel in panels(board)]
    used += [target["datasource"] for panel in panels(board) for target in panel["targets"]]
    used += [variable["datasource"] for variable in variables(board)[1:]]
    assert all(source == wanted for source in used)


def test_job_instance_region_and_target_are_variables(board: dict[str, Any]) -> None:
    rest = {variable["name"]: variable for variable in variables(board)[1:]}
    assert list(rest) == ["job", "instance", "region", "target"]
    for variable in rest.values():
        assert variable["multi"] is True
        assert variable["includeAll"] is True
        assert variable["allValue"] == ".+"
        assert variable["label"]
        assert variable["refresh"] == 2, "new targets show when the time range is refreshed"
        assert variable["current"]["value"] == ["$__all"]


def test_panels_say_what_they_show(board: dict[str, Any]) -> None:
    for panel in panels(board):
        assert panel["title"]
        assert panel["description"].endswith(".")
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"]
        assert defaults["noValue"] != "0", "no data is not zero"
        assert panel["targets"]
    titles = [panel["title"] for panel in panels(board)]
    assert len(set(titles)) == len(titles)


def test_series_have_legends(board: dict[str, Any]) -> None:
    for panel in panels(board):
        if panel["type"] == "timeseries":
            assert panel["options"]["legend"]["showLegend"] is True
        if panel["type"] != "table":
            assert all(target["legendFormat"] not in {"", "__auto"} for target in panel["targets"]), panel["title"]


def test_rates_fit_the_scrape_interval(board: dict[str, Any]) -> None:
    for panel in panels(board):
        for target in panel["targets"]:
            assert target["expr"].count("[") == target["expr"].count("[$__rate_interval]")


def test_instant_panels_ask_for_one_moment(board: dict[str, Any]) -> None:
    for panel in panels(board):
        over_time = panel["type"] == "timeseries"
        assert all((target["range"], target["instant"]) == (over_time, not over_time) for target in panel["targets"])


def test_identifiers_are_unique(board: dict[str, Any]) -> None:
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(set(numbers)) == len(numbers)
    for panel in panels(board):
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters)


def test_panels_fill_24_columns_without_overlap(board: dict[str, Any]) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, f"{panel['title']} lies over {taken[x, y]}"
                taken[x, y] = panel["title"]
    rows = {y for _, y in taken}
    assert rows == set(range(max(rows) + 1))
    assert all((x, y) in taken for y in rows for x in range(24)), "a hole in the grid"
