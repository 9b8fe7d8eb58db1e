"""The bounds of one probe and what it showed, as far as it got: phases, address, TLS session."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from probes.engine.resolve import EITHER_IP, Pinned
from probes.options import IpOptions, TlsOptions
from probes.result import Clock, DnsFacts, GrpcFacts, HttpFacts, IcmpFacts, Phase, TlsSession

MAX_STEPS = 1000
MAX_STEP_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened in a probe, for people: `at_seconds` on the monotonic clock."""

    at_seconds: float
    what: str  # a few words that are the same at each probe: "connected", "sent the request"
    detail: str = ""  # what was sent or seen; never a secret
    later: Callable[[], str] | None = None  # makes the detail, if that takes time

    def told(self) -> str:
        """The detail; call it when the probe is over."""
        return self.later()[:MAX_STEP_CHARACTERS] if self.later else self.detail


@dataclass(frozen=True, slots=True)
class Span:
    """One time that a phase went on, on the monotonic clock; with redirects there are several of a phase."""

    phase: Phase
    since_seconds: float
    until_seconds: float


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One probe's record. It is given to the transport in `request.extensions["exchange"]` and filled while the
    request goes on, so that a probe that fails still tells what it saw. Redirects share it: their phases add up.
    """

    tls: TlsOptions = field(default_factory=TlsOptions)
    server_name: str | None = None  # to verify and send as SNI, instead of the host of the request
    max_body_bytes: int = 1_048_576
    http2: bool = False  # offer HTTP/2 where there is TLS
    ip: IpOptions = EITHER_IP
    afresh: bool = False  # names are asked for anew, whatever is known of them
    pinned: Pinned | None = None  # of a name with several addresses this probe is of one
    phases: dict[Phase, float] = field(default_factory=dict)
    address: str | None = None
    session: TlsSession | None = None
    sessions: tuple[TlsSession, ...] = ()
    clock: Clock | None = None
    user_timed: bool = False  # some moment between the phases, or in one, is by this process's own clock after all
    held_up_seconds: float = 0.0  # the longest that this process is known to have been kept from its work
    http: HttpFacts | None = None
    dns: DnsFacts | None = None
    icmp: IcmpFacts | None = None
    grpc: GrpcFacts | None = None
    stage: Phase | None = None
    stage_since: float = 0.0  # time.monotonic(); without a stage: when the last one ended
    keep: tuple[str, float] | None = None  # keep the connection under this name, for so many seconds
    awaited: Callable[[], str] | None = None  # what is waited for, where the phase alone does not tell it
    aside_seconds: float = 0.0  # what was done meanwhile that is no part of the service's answer
    steps: list[Step] | None = None  # a list: each step is to be kept, somebody wants to read them
    spans: list[Span] | None = None  # a list: when each phase went on is to be kept, too

    def enter(self, stage: Phase | None, at: float | None = None) -> None:
        """End the phase that was going on, if any, and begin `stage`; `at` when that was earlier than now."""
        if stage is None and self.stage is None:
            return
        now = time.monotonic() if at is None else at
        if self.stage is not None:
            self.phases[self.stage] = self.phases.get(self.stage, 0.0) + max(0.0, now - self.stage_since)
            if self.spans is not None and len(self.spans) < MAX_STEPS:
                self.spans.append(Span(self.stage, self.stage_since, max(self.stage_since, now)))
        self.stage = stage
        self.stage_since = now

    def forget_phases(self) -> None:
        """What was measured led to nothing; what comes is all that counts."""
        self.phases.clear()
        self.stage = None
        self.session, self.sessions = None, ()

    def of_one_address(self, pinned: Pinned) -> Exchange:
        """A record of its own for one of the addresses of the name that was resolved in this one."""
        keep = self.keep and (f"{self.keep[0]} {pinned.address.ip}", self.keep[1])
        return replace(self, pinned=pinned, keep=keep, phases=dict(self.phases), stage=None, stage_since=0.0)

    def leave_out(self, seconds: float) -> None:
        """So much of the phase that goes on was this process's own time, and does not count."""
        self.stage_since += seconds

    def held_up(self, seconds: float) -> None:
        """A step that takes no time took so long: what was measured around it may be the prober's own slowness."""
        self.held_up_seconds = max(self.held_up_seconds, seconds)

    def set_aside(self, since: float, phases: dict[Phase, float]) -> None:
        """What was asked since then counts for nothing: it was refused, and is asked again in another way. `phases` are
        those from before it."""
        self.enter(None)
        self.phases = phases
        self.aside_seconds += time.monotonic() - since
        if self.spans is not None:
            self.spans[:] = [span for span in self.spans if span.since_seconds < since]

    def note(self, what: str, detail: str | Callable[[], str] = "", at: float | None = None) -> None:
        """A step for those who watch; `at` when it was earlier than now. Costs nothing when nobody watches. A detail
        that takes time to make is given as a function: it is called when the probe is over, and delays no phase.
        """
        if self.steps is None or len(self.steps) >= MAX_STEPS:
            return
        now = time.monotonic() if at is None else at
        if self.pinned is not None:  # steps of other addresses stand between
            detail = _of_address(self.pinned.address.ip, detail)
        step = Step(now, what, detail[:MAX_STEP_CHARACTERS]) if isinstance(detail, str) else Step(now, what, "", detail)
        self.steps.append(step)

    def saw_session(self, session: TlsSession) -> None:
        """Of several sessions (redirects) `session` is the one that ends first: its end is what breaks the target."""
        self.sessions += (session,)
        if self.session is None or session.not_after < self.session.not_after:
            self.session = session


def _of_address(ip: str, detail: str | Callable[[], str]) -> str | Callable[[], str]:
    return f"{ip}: {detail}" if isinstance(detail, str) else lambda: f"{ip}: {detail()}"


def listed(items: Sequence[object], most: int = 8) -> str:
    """The first of them, and how many more there are: `a, b and 3 more`."""
    text = ", ".join(map(str, items[:most]))
    return text if len(items) <= most else f"{text} and {len(items) - most} more"
