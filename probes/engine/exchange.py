"""The bounds of one probe and what it showed, as far as it got: phases, address, TLS session."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from probes.options import TlsOptions
from probes.result import Clock, DnsFacts, HttpFacts, Phase, TlsSession


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened in a probe, for people: `at_seconds` on the monotonic clock."""

    at_seconds: float
    what: str  # a few words that are the same at each probe: "connected", "sent the request"
    detail: str = ""  # what was sent or seen; never a secret


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One probe's record. It is given to the transport in `request.extensions["exchange"]` and filled while the
    request goes on, so that a probe that fails still tells what it saw. Redirects share it: their phases add up.
    """

    tls: TlsOptions = field(default_factory=TlsOptions)
    server_name: str | None = None  # to verify and send as SNI, instead of the host of the request
    max_body_bytes: int = 1_048_576
    phases: dict[Phase, float] = field(default_factory=dict)
    address: str | None = None
    session: TlsSession | None = None
    clock: Clock | None = None
    held_up_seconds: float = 0.0  # the longest that this process is known to have been kept from its work
    http: HttpFacts | None = None
    dns: DnsFacts | None = None
    stage: Phase | None = None
    stage_since: float = 0.0  # time.monotonic(); without a stage: when the last one ended
    keep: tuple[str, float] | None = None  # keep the connection under this name, for so many seconds
    steps: list[Step] | None = None  # a list: each step is to be kept, somebody wants to read them

    def enter(self, stage: Phase | None, at: float | None = None) -> None:
        """End the phase that was going on, if any, and begin `stage`; `at` when that was earlier than now."""
        if stage is None and self.stage is None:
            return
        now = time.monotonic() if at is None else at
        if self.stage is not None:
            self.phases[self.stage] = self.phases.get(self.stage, 0.0) + max(0.0, now - self.stage_since)
        self.stage = stage
        self.stage_since = now

    def forget_phases(self) -> None:
        """What was measured led to nothing; what comes is all that counts."""
        self.phases.clear()
        self.stage = None

    def leave_out(self, seconds: float) -> None:
        """So much of the phase that goes on was this process's own time, and does not count."""
        self.stage_since += seconds

    def held_up(self, seconds: float) -> None:
        """A step that takes no time took so long: what was measured around it may be the prober's own slowness."""
        self.held_up_seconds = max(self.held_up_seconds, seconds)

    def note(self, what: str, detail: str = "") -> None:
        """A step for those who watch. Costs nothing when nobody does; a detail that costs to make is made only then."""
        if self.steps is not None:
            self.steps.append(Step(time.monotonic(), what, detail))

    def saw_session(self, session: TlsSession) -> None:
        """Of several sessions (redirects) keep the one that ends first: its end is what breaks the target."""
        if self.session is None or session.not_after < self.session.not_after:
            self.session = session
