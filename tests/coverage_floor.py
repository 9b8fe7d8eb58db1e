"""The pure cores keep at least 95 % of their branches tested: `python tests/coverage_floor.py coverage.json`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

FLOOR_PERCENT = 95.0
CORES = {
    "rules": ("alerts/rules/", "alerts/correlate.py"),
    "incident": ("alerts/incident.py", "alerts/lifecycle.py"),
    "grade": ("probes/tls/grade.py", "probes/tls/rules.py", "probes/tls/conditions.py", "probes/tls/score.py"),
}


def main(report_path: str) -> int:
    files = json.loads(Path(report_path).read_text())["files"]
    failed = False
    for core, prefixes in CORES.items():
        summaries = [entry["summary"] for name, entry in files.items() if name.startswith(prefixes)]
        branches = sum(summary["num_branches"] for summary in summaries)
        covered = sum(summary["covered_branches"] for summary in summaries)
        percent = 100 * covered / branches if branches else 0.0  # no branch seen: the core was not even loaded
        print(f"{core}: {covered} of {branches} branches tested, {percent:.1f} % (floor {FLOOR_PERCENT:.0f} %)")
        failed |= percent < FLOOR_PERCENT
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
