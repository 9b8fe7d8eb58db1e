"""`python -m dashboards.generate`: write what is generated, the dashboards' JSON and docs/metrics.md."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from dashboards import overview
from dashboards.grafana import generate
from dashboards.reference import reference

_REPOSITORY = Path(__file__).parent.parent


def generated() -> Mapping[Path, str]:
    """The text of every generated file, by its place in the repository."""
    return {
        Path("dashboards/json/overview.json"): generate(
            overview.UID, overview.TITLE, overview.DESCRIPTION, overview.ROWS
        ),
        Path("docs/metrics.md"): reference(),
    }


def main() -> None:
    for place, text in generated().items():
        (_REPOSITORY / place).write_text(text, encoding="utf-8")
        sys.stdout.write(f"wrote {place}\n")


if __name__ == "__main__":
    main()
