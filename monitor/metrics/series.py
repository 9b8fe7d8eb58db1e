"""What is held of one target seen from one region, beside what a tally counts: labels, and what seldom changes."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from alerts.incident import Incident
from monitor.metrics.labels import escaped, escaped_once, printable, probe_labels, target_labels
from probes.engine.tally import NOBODY, Tally
from probes.engine.tally_columns import mark_of
from probes.result import AddressResult, GradeFacts, ProbeResult
from probes.target import Target

if TYPE_CHECKING:
    from monitor.metrics.settled import Settled


class TargetSeries:
    """`tally` and `row` are where its results are counted: NOBODY's row until there is one."""

    __slots__ = (
        "addresses",
        "certificate",
        "cipher",
        "grade",
        "graded_at",
        "incident",
        "labels",
        "owner",
        "probe_labels",
        "region",
        "row",
        "settled",
        "tally",
        "target",
        "tls_version",
    )

    def __init__(self, target: Target, region: str, tally: Tally) -> None:
        self.target = target
        self.region = printable(region)
        self.tally = tally
        self.row = NOBODY
        self.owner = mark_of(target.name)
        self.labels = target_labels(target.name, region)
        self.probe_labels = probe_labels(target.name, region)
        self.certificate = self.tls_version = self.cipher = b""  # of the newest TLS session, as label values
        self.addresses: tuple[AddressResult, ...] = ()  # of the newest result
        self.grade: GradeFacts | None = None
        self.graded_at: datetime | None = None
        self.incident: Incident | None = None
        self.settled: Settled | None = None  # once it was rendered

    def retarget(self, target: Target) -> None:
        """Its settings changed. Another URL has another certificate."""
        if target.url != self.target.url:
            self.certificate, self.addresses = b"", ()
        self.target = target

    def take(self, result: ProbeResult) -> None:
        """What of it no tally can hold."""
        if result.grade is not None:
            self.take_grade(result.grade, result.started_at)
        if result.kind == "tls_grade":
            return
        self.addresses = result.addresses
        if result.tls is not None:
            self.certificate = escaped(result.tls.leaf_sha256)
            self.tls_version, self.cipher = escaped_once(result.tls.version), escaped_once(result.tls.cipher)

    def take_grade(self, grade: GradeFacts, at: datetime) -> None:
        self.grade, self.graded_at = grade, at
        self.changed()

    def changed(self) -> None:
        """What was rendered of what seldom changes is no longer so."""
        if self.settled is not None:
            self.settled.forget()
