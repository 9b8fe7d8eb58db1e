"""The committed dashboards, and how Grafana would fill in their variables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

JSON = Path(__file__).parent.parent.parent / "dashboards" / "json"
BOARDS: dict[str, dict[str, Any]] = {path.name: json.loads(path.read_text()) for path in sorted(JSON.glob("*.json"))}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    """Without the rows between them."""
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def variables(board: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = board["templating"]["list"]
    return found


def expressions(board: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(what it belongs to, PromQL with its variables filled in) of every panel's queries."""
    for panel in panels(board):
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", filled(board, target["expr"])


def filled(board: dict[str, Any], text: str) -> str:
    for variable in variables(board):
        if variable["type"] == "query":
            text = text.replace(f"${variable['name']}", variable["allValue"])
    return text.replace("$__rate_interval", "30s")


def label_values(board: dict[str, Any], variable: dict[str, Any]) -> tuple[str, str]:
    """(selector, label) of a `label_values(selector, label)` query."""
    selector, _, label = (
        filled(board, variable["query"]).removeprefix("label_values(").removesuffix(")").rpartition(",")
    )
    return selector, label.strip()
