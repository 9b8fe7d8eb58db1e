"""docs/metrics.md, written from the catalogue."""

from __future__ import annotations

from dashboards.catalogue import (
    DAEMON_METRICS,
    LABELS,
    LATENCY_BUCKETS_SECONDS,
    PROBE_METRICS,
    PROCESS_METRICS,
    TARGET_METRICS,
    Metric,
)

_INTRODUCTION = """\
# Metrics

`python -m dashboards.generate` writes this page from `dashboards/catalogue.py`; do not edit it.

Scrape `/metrics` with `honor_labels: true`: the `probe_*` series bring their own `job` and `instance`, as
blackbox_exporter's dashboards and alerts expect them, and keep them only so.

```yaml
scrape_configs:
  - job_name: monitor
    honor_labels: true
    static_configs: [{targets: ["127.0.0.1:9780"]}]
```

Both the text format and OpenMetrics are served, as the `Accept` header asks, and compressed for who takes gzip.
Durations are in seconds, times in Unix seconds. No URL, error text or incident number is ever a label.

The outcomes of a target are counted from 0 on, so that a rate of `monitor_probes_total` shows the very first failure.
What may never happen to a target has no series before it happens: each failure reason, each phase, suspect and late
probes, a certificate. Counters go on when a probe worker dies, and over a reload; they begin anew with the daemon.
Series of a target that a reload removed vanish; at another address it keeps its counters, and what its newest probe
said is absent until the next one.
"""

_SECTIONS = (
    (
        "As blackbox_exporter names them",
        "Of the newest probe. Absent while the target's state is unknown (no result for three intervals and a timeout,"
        " or the newest one was our own fault), and where the kind of probe does not have them.",
        PROBE_METRICS,
    ),
    (
        "Of each target",
        f"The latency histogram counts every probe that succeeded, in buckets up to"
        f" {', '.join(f'{bound:g}' for bound in LATENCY_BUCKETS_SECONDS)} seconds."
        " A probe during which the prober itself was held up is suspect: how long it took may be our own slowness, so"
        " it counts as an outcome, but not in the histogram, the phases and the latency objectives. A re-probe of a"
        " failing target is seen in the series of the newest probe and counted nowhere: else failing times would weigh"
        " more than good ones.",
        TARGET_METRICS,
    ),
    ("Of the daemon", "A number that the daemon has not been told yet is absent.", DAEMON_METRICS),
    ("Of the process", "By prometheus_client, on Linux.", PROCESS_METRICS),
)


def reference() -> str:
    parts = [_INTRODUCTION]
    for title, text, metrics in _SECTIONS:
        parts.append(f"\n## {title}\n\n{text}\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n")
        parts += [_row(metric) for metric in metrics]
    parts.append("\n## Labels\n\n| label | values |\n|---|---|\n")
    parts += [f"| `{name}` | {meaning} |\n" for name, meaning in LABELS.items()]
    return "".join(parts)


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.type} | {labels} | {metric.help} |\n"
