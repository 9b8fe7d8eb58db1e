"""The certificate that the target presents is about to end, or has ended."""

from __future__ import annotations

from alerts.rules.rule import Rule
from alerts.rules.stance import Evidence, Stance, above
from alerts.rules.steady_wall import SLEW_SECONDS, SteadyWall
from alerts.rules.stream_clock import StreamClock
from alerts.rules.words import span
from alerts.verdict import Level, Verdict
from probes.result import ProbeResult, TlsSession
from probes.target import Target

# A fleet that is half renewed shows its old and its new certificate in turn: one sight of the new one ends nothing.
LEAST_GOOD_SIGHTS = 10

# Whoever resolves the incident by hand knows of it: the same certificate is brought up again a day later, not with
# the next probe. A ticket that becomes a page is brought up at once.
REMIND_SECONDS = 86400.0


class Certificate:
    """Judges the earliest end in the chain of every TLS session that a probe shows, whether the probe failed or not.

    A probe that fails because of the certificate, and shows no session, is the outage rule's business. A stripped
    result has lost its session, and is no good answer without TLS.
    """

    __slots__ = (
        "_answered",
        "_answered_at",
        "_clock",
        "_good_sights",
        "_good_since",
        "_least_sights",
        "_page_seconds",
        "_recovery_seconds",
        "_stance",
        "_ticket_seconds",
        "_wall",
    )

    def __init__(self, target: Target) -> None:
        self._ticket_seconds = target.tls.expiry.ticket.total_seconds()
        self._page_seconds = target.tls.expiry.page.total_seconds()
        self._least_sights = max(target.recovery.successes, LEAST_GOOD_SIGHTS)
        self._recovery_seconds = target.recovery.for_.total_seconds()
        self._stance = Stance("certificate", target.name)
        self._clock = StreamClock()
        self._wall = SteadyWall()
        self._good_sights = 0
        self._good_since = 0.0
        self._answered: Level | None = None
        self._answered_at = 0.0

    @property
    def name(self) -> str:
        return self._stance.rule

    def observe(self, result: ProbeResult) -> Verdict | None:
        if result.kind == "tls_grade" or result.stripped:
            return None
        if result.tls is None and self._stance.level is None and self._answered is None:
            return None  # the usual case without TLS: there is nothing to end
        if not self._clock.advance(result.monotonic_seconds):
            return None
        now = self._wall.at(result.started_at, self._clock.now)
        if result.tls is None:
            return self._good(result) if result.ok else None
        left_seconds = result.tls.not_after.timestamp() - now
        level = self._level(left_seconds)
        if level is not None:
            self._good_sights = 0
            return self._bad(level, left_seconds, result.tls)
        # Just above the threshold a clock that is put right gently could go to and fro.
        return self._good(result) if left_seconds >= self._ticket_seconds + SLEW_SECONDS else None

    def restore(self, level: Level) -> None:
        self._stance.level = level
        self._good_sights = 0

    def reset(self) -> None:
        if self._stance.level is not None:
            self._answered, self._answered_at = self._stance.level, self._clock.now
        self._stance.level = None
        self._good_sights = 0

    def _level(self, left_seconds: float) -> Level | None:
        if left_seconds <= 0 or left_seconds < self._page_seconds:
            return Level.PAGE
        return Level.TICKET if left_seconds < self._ticket_seconds else None

    def _bad(self, level: Level, left_seconds: float, session: TlsSession) -> Verdict | None:
        reminding = self._clock.now - self._answered_at >= REMIND_SECONDS
        if not reminding and not above(level, self._answered):
            return None
        self._answered = None
        under = self._page_seconds if level is Level.PAGE else self._ticket_seconds
        left = f"ends in {span(left_seconds)}" if left_seconds > 0 else f"ended {span(-left_seconds)} ago"
        return self._stance.fire(
            level,
            self._clock.monotonic(self._clock.now),
            f"the certificate {left}",
            (
                ("expected", f"at least {span(under)} left"),
                ("ends", session.not_after.isoformat(timespec="seconds")),
                ("leaf sha256", session.leaf_sha256),
            ),
        )

    def _good(self, result: ProbeResult) -> Verdict | None:
        """A certificate with time left, or a good answer without any: an address may have become plain HTTP."""
        if self._good_sights == 0:
            self._good_since = self._clock.now
        self._good_sights += 1
        lasted = self._clock.now - self._good_since
        if self._good_sights < self._least_sights or lasted < self._recovery_seconds:
            return None
        self._answered = None
        seen: Evidence = () if result.tls is None else (("ends", result.tls.not_after.isoformat(timespec="seconds")),)
        summary = "the certificate was renewed" if result.tls else "no certificate is presented any more"
        return self._stance.recover(self._clock.monotonic(self._good_since), summary, seen)


def build(target: Target) -> tuple[Rule, ...]:
    return (Certificate(target),)
