"""The first dashboard an on-call engineer opens: what is wrong now, how the services do, and how the monitor does."""

from __future__ import annotations

from dashboards.panels import GREEN, ORANGE, RED, Panel, Query, Row

UID = "monitor-overview"
TITLE = "Monitor / Overview"
DESCRIPTION = "What is degraded now, success and latency of every target, TLS, and the monitor's own health."

_ANY_IS_BAD = ((None, GREEN), (1.0, RED))
_ANY_IS_ODD = ((None, GREEN), (1.0, ORANGE))
_DAY = 86_400.0

NOW = Row(
    "Now",
    (
        Panel(
            kind="stat",
            title="Failing targets",
            description="Targets whose newest probe failed.",
            unit="short",
            queries=(Query('sum(monitor_target_state{<T>, state="failing"})', "failing"),),
            width=4,
            height=4,
            steps=_ANY_IS_BAD,
        ),
        Panel(
            kind="stat",
            title="Unknown targets",
            description="Targets without a fresh result. No data is not health.",
            unit="short",
            queries=(Query('sum(monitor_target_state{<T>, state="unknown"})', "unknown"),),
            width=4,
            height=4,
            steps=_ANY_IS_ODD,
        ),
        Panel(
            kind="stat",
            title="Open incidents",
            description="Incidents that nobody has resolved, those that woke somebody and those that wait.",
            unit="short",
            queries=(Query("sum by (level) (monitor_incidents_open{<D>})", "{{level}}"),),
            width=6,
            height=4,
            steps=_ANY_IS_BAD,
        ),
        Panel(
            kind="stat",
            title="Success ratio",
            description="Share of all probes that found what was expected. Our own faults are not counted.",
            unit="percentunit",
            queries=(
                Query(
                    'sum(rate(monitor_probes_total{<T>, outcome="success"}[$__rate_interval]))'
                    ' / sum(rate(monitor_probes_total{<T>, outcome=~"success|failure"}[$__rate_interval]))',
                    "success",
                ),
            ),
            width=5,
            height=4,
            steps=((None, RED), (0.99, ORANGE), (0.999, GREEN)),
            maximum=1,
            no_value="no probe",
        ),
        Panel(
            kind="stat",
            title="Pages not delivered",
            description="Page events that wait for the pager, and those it refused for good: a person must look.",
            unit="short",
            queries=(
                Query("sum(monitor_outbox_pending{<D>})", "waiting"),
                Query("sum(monitor_outbox_parked{<D>})", "refused"),
            ),
            width=5,
            height=4,
            steps=_ANY_IS_BAD,
        ),
        Panel(
            kind="table",
            title="Degraded now",
            description="Every target that fails or gives no fresh result.",
            unit="short",
            queries=(
                Query('max by (target, region, state) (monitor_target_state{<T>, state=~"failing|unknown"}) == 1', ""),
            ),
            width=12,
            columns=(("target", "Target"), ("region", "Region"), ("state", "State")),
        ),
        Panel(
            kind="table",
            title="Targets with an open incident",
            description="When the incident was opened, and whether somebody has acknowledged it.",
            unit="dateTimeFromNow",
            queries=(
                Query(
                    "max by (target, region, level, state)"
                    " (monitor_target_incident_opened_timestamp_seconds{<T>}) * 1000",
                    "",
                ),
            ),
            width=12,
            columns=(
                ("target", "Target"),
                ("region", "Region"),
                ("level", "Level"),
                ("state", "State"),
                ("Value", "Opened"),
            ),
        ),
    ),
)

SERVICES = Row(
    "Services",
    (
        Panel(
            kind="timeseries",
            title="Success ratio by target",
            description="Share of each target's probes that found what was expected.",
            unit="percentunit",
            queries=(
                Query(
                    'sum by (target) (rate(monitor_probes_total{<T>, outcome="success"}[$__rate_interval]))'
                    " / sum by (target)"
                    ' (rate(monitor_probes_total{<T>, outcome=~"success|failure"}[$__rate_interval]))',
                    "{{target}}",
                ),
            ),
            width=12,
            minimum=0,
            maximum=1,
        ),
        Panel(
            kind="timeseries",
            title="Failed probes by reason",
            description="Failed probes a second. `internal` is the monitor's own fault, never the service's.",
            unit="cps",
            queries=(
                Query("sum by (reason) (rate(monitor_probe_failures_total{<T>}[$__rate_interval])) > 0", "{{reason}}"),
            ),
            width=12,
            minimum=0,
            stacked=True,
        ),
        Panel(
            kind="timeseries",
            title="Median latency",
            description="p50 of every probe that succeeded, not of the last one at each scrape.",
            unit="s",
            queries=(
                Query(
                    "histogram_quantile(0.5,"
                    " sum by (le, target) (rate(monitor_probe_duration_seconds_bucket{<T>}[$__rate_interval])))",
                    "{{target}}",
                ),
            ),
            width=12,
            minimum=0,
        ),
        Panel(
            kind="timeseries",
            title="p99 latency",
            description="p99 of every probe that succeeded, not of the last one at each scrape.",
            unit="s",
            queries=(
                Query(
                    "histogram_quantile(0.99,"
                    " sum by (le, target) (rate(monitor_probe_duration_seconds_bucket{<T>}[$__rate_interval])))",
                    "{{target}}",
                ),
            ),
            width=12,
            minimum=0,
        ),
        Panel(
            kind="timeseries",
            title="Where the time goes",
            description="Mean time of each phase of a probe that succeeded.",
            unit="s",
            queries=(
                Query(
                    "sum by (phase) (rate(monitor_probe_phase_seconds_total{<T>}[$__rate_interval]))"
                    " / on () group_left ()"
                    " sum(rate(monitor_probe_duration_seconds_count{<T>}[$__rate_interval]))",
                    "{{phase}}",
                ),
            ),
            width=12,
            minimum=0,
            stacked=True,
        ),
        Panel(
            kind="timeseries",
            title="Error budget burn rate",
            description="1 spends exactly the error budget over its window; 14 spends a month's in two days.",
            unit="short",
            queries=(
                Query(
                    'sum by (target, slo) (rate(monitor_slo_probes_total{<T>, verdict="bad"}[$__rate_interval]))'
                    " / sum by (target, slo) (rate(monitor_slo_probes_total{<T>}[$__rate_interval]))"
                    " / (1 - max by (target, slo) (monitor_slo_objective_ratio{<T>}))",
                    "{{target}} {{slo}}",
                ),
            ),
            width=12,
            minimum=0,
            steps=((None, GREEN), (1.0, ORANGE), (14.0, RED)),
        ),
    ),
)

TLS = Row(
    "TLS",
    (
        Panel(
            kind="table",
            title="TLS grades",
            description="The letter of the newest scan; the objective as a number is monitor_tls_grade_objective.",
            unit="short",
            queries=(Query("max by (target, region, grade) (monitor_tls_grade_info{<T>})", ""),),
            width=12,
            columns=(("target", "Target"), ("region", "Region"), ("grade", "Grade")),
        ),
        Panel(
            kind="bargauge",
            title="Time to the certificate's end",
            description="Until the first certificate of the chain expires, as it was last seen.",
            unit="s",
            queries=(
                Query("min by (target) (monitor_certificate_expiry_timestamp_seconds{<T>}) - time()", "{{target}}"),
            ),
            width=12,
            minimum=0,
            steps=((None, RED), (7 * _DAY, ORANGE), (21 * _DAY, GREEN)),
            no_value="no certificate seen",
        ),
    ),
)

ITSELF = Row(
    "The monitor itself",
    (
        Panel(
            kind="stat",
            title="Workers probing",
            description="Probe worker processes that run, of those that should.",
            unit="percentunit",
            queries=(Query("sum(monitor_workers_alive{<D>}) / sum(monitor_workers{<D>})", "workers"),),
            width=6,
            height=6,
            steps=((None, RED), (1.0, GREEN)),
            maximum=1,
            no_value="not told",
        ),
        Panel(
            kind="stat",
            title="Settings",
            description="Whether the last reload was taken. A bad file leaves the old settings in force.",
            unit="short",
            queries=(Query("min(monitor_config_last_reload_successful{<D>})", "settings"),),
            width=6,
            height=6,
            steps=((None, RED), (1.0, GREEN)),
            mappings=(("1", "in force", GREEN), ("0", "last reload refused", RED)),
            no_value="not told",
        ),
        Panel(
            kind="timeseries",
            title="Probes late, results lost, workers restarted",
            description="Each a second. All three are 0 while the monitor keeps up.",
            unit="cps",
            queries=(
                Query("sum(rate(monitor_probes_late_total{<D>}[$__rate_interval]))", "late probes"),
                Query(
                    "sum by (stage) (rate(monitor_results_dropped_total{<D>}[$__rate_interval]))", "lost in {{stage}}"
                ),
                Query("sum(rate(monitor_worker_restarts_total{<D>}[$__rate_interval]))", "worker restarts"),
            ),
            width=12,
            height=6,
            minimum=0,
        ),
        Panel(
            kind="timeseries",
            title="Age of the oldest page not sent",
            description="How long somebody has been waiting to be told.",
            unit="s",
            queries=(Query("max(monitor_outbox_oldest_pending_seconds{<D>})", "oldest"),),
            width=8,
            minimum=0,
            steps=((None, GREEN), (30.0, ORANGE), (120.0, RED)),
        ),
        Panel(
            kind="timeseries",
            title="Tries to page by outcome",
            description="Tries a second to hand an event to a pager.",
            unit="cps",
            queries=(Query("sum by (outcome) (rate(monitor_pages_total{<D>}[$__rate_interval]))", "{{outcome}}"),),
            width=8,
            minimum=0,
        ),
        Panel(
            kind="timeseries",
            title="CPU of the daemon",
            description="Cores used by the daemon's own process, without its probe workers.",
            unit="percentunit",
            queries=(
                Query("sum by (instance) (rate(process_cpu_seconds_total{<D>}[$__rate_interval]))", "{{instance}}"),
            ),
            width=8,
            minimum=0,
        ),
    ),
)

ROWS = (NOW, SERVICES, TLS, ITSELF)
