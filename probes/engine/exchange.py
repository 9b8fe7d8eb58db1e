"""The bounds of one probe and what it showed, as far as it got: phases, address, TLS session."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from probes.result import Phase, TlsSession
from probes.target import TlsOptions


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
    stage: Phase | None = None
    stage_since: float = 0.0  # time.monotonic()

    def enter(self, stage: Phase | None) -> None:
        """End the phase that was going on, if any, and begin `stage`."""
        now = time.monotonic()
        if self.stage is not None:
            self.phases[self.stage] = self.phases.get(self.stage, 0.0) + now - self.stage_since
        self.stage = stage
        self.stage_since = now

    def saw_session(self, session: TlsSession) -> None:
        """Of several sessions (redirects) keep the one that ends first: its end is what breaks the target."""
        if self.session is None or session.not_after < self.session.not_after:
            self.session = session
