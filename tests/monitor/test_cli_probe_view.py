"""What a probe saw, as a person sees it; by results made by hand, where no server brings them about at will."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from monitor.cli.probe_count import Counted
from monitor.cli.probe_document import document
from monitor.cli.probe_run import Seen
from monitor.cli.probe_steps import events
from monitor.cli.probe_view import Blocks
from probes.engine.exchange import Span, Step
from probes.result import AddressResult, Clock, DnsFacts, Failure, FailureReason, Phase, ProbeResult, TlsSession
from probes.target import Target

RESULT = ProbeResult(
    target="api",
    region="eu",
    kind="http",
    started_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    monotonic_seconds=100.1,
    duration_seconds=0.1,
    phases=((Phase.CONNECT, 0.04), (Phase.PROCESSING, 0.06)),
    address="192.0.2.1",
)
SPANS = (Span(Phase.CONNECT, 100.0, 100.04), Span(Phase.PROCESSING, 100.04, 100.1))


def seen(result: ProbeResult = RESULT, steps: tuple[Step, ...] = (), spans: tuple[Span, ...] = SPANS) -> Seen:
    target = Target(name="api", url="http://api.example/")
    return Seen(target=target, result=result, began_seconds=100.0, spans=spans, steps=steps)


def shown(what: Seen, *, width: int = 80, colour: bool = False, debug: bool = False) -> str:
    file = io.StringIO()
    console = Console(
        file=file, width=width, markup=False, highlight=False, color_system="standard" if colour else None
    )
    Blocks(console, debug).show(what)
    return file.getvalue()


def test_a_suspect_sample_says_so_and_which_clock_it_is_by() -> None:
    assert "kernel: the kernel's receive time" in shown(seen(replace(RESULT, clock=Clock.KERNEL)))
    told = shown(seen(replace(RESULT, suspect=True)), width=120)
    assert "user: when this process read it; suspect" in told
    file = io.StringIO()
    Counted(Console(file=file, width=120), ["api"], None).show(seen(replace(RESULT, suspect=True)))
    assert "suspect" in file.getvalue()


@pytest.mark.parametrize(("days", "style"), [(-1, "\x1b[1;31m"), (3, "\x1b[1;31m"), (14, "\x1b[33m"), (90, "")])
def test_a_certificate_that_ends_soon_stands_out(days: int, style: str) -> None:
    ends = datetime.now(UTC) + timedelta(days=days, hours=1)
    session = TlsSession(version="TLS 1.3", cipher="X", not_after=ends, leaf_sha256="ab" * 32, verified=False)
    told = shown(seen(replace(RESULT, tls=session)), colour=True)
    assert f"TLS 1.3, X, certificate {style}end" in told
    assert "not verified" in told


def test_facts_of_any_kind_are_told() -> None:
    facts = DnsFacts(rcode="NOERROR", answers=2, authority=0, additional=1)
    assert "rcode NOERROR, answers 2, authority 0, additional 1" in shown(seen(replace(RESULT, dns=facts)))
    assert document(seen(replace(RESULT, dns=facts)), steps=False)["dns"] == {
        "rcode": "NOERROR",
        "answers": 2,
        "authority": 0,
        "additional": 1,
    }


def test_each_of_several_addresses_is_told() -> None:
    addresses = (
        AddressResult(ip="192.0.2.1", ok=True, duration_seconds=0.1),
        AddressResult(ip="2001:db8::1", ok=False, reason=FailureReason.REFUSED, duration_seconds=0.002),
    )
    what = seen(replace(RESULT, addresses=addresses))
    told = shown(what)
    assert "192.0.2.1: good after 100.00 ms" in told
    assert "2001:db8::1: refused after 2.00 ms" in told
    assert json.loads(json.dumps(document(what, steps=False)["addresses"]))[1] == {
        "ip": "2001:db8::1",
        "ok": False,
        "reason": "refused",
        "duration_seconds": 0.002,
    }


def test_text_of_a_server_moves_no_cursor_and_tells_no_secret() -> None:
    failed = Failure(FailureReason.BODY, "token=abcdefghij \x1b[2J \u202e and more")
    steps = (Step(100.0, "started"), Step(100.01, "header", "x: \x1b[31m password=abcdefghij"))
    told = shown(seen(replace(RESULT, failure=failed), steps), debug=True)
    assert "abcdefghij" not in told
    assert "\x1b" not in told
    assert "\u202e" not in told
    assert "abcdefghij" not in str(document(seen(replace(RESULT, failure=failed), steps), steps=True))


@pytest.mark.parametrize("width", [40, 80, 120])
def test_it_fits_the_terminal(width: int) -> None:
    steps = (Step(100.0, "started"), Step(100.05, "certificate 1", "CN=" + "very-long-name." * 20))
    told = shown(seen(steps=steps), width=width, debug=True)
    assert max(map(len, told.splitlines())) <= width


def test_phases_and_steps_are_one_timeline() -> None:
    steps = (Step(100.0, "started"), Step(100.05, "sent", "x"), Step(100.1, "good"), Step(100.02, "late"))
    told = [(event.place, event.what) for event in events(seen(steps=steps))]
    assert told == [
        ("begin", "connect"),
        ("inside", "started"),
        ("inside", "late"),
        ("end", "connect"),
        ("begin", "processing"),
        ("inside", "sent"),
        ("end", "processing"),
        ("outside", "good"),
    ]


def test_a_probe_that_never_began_has_no_waterfall() -> None:
    failed = replace(RESULT, phases=(), address=None, failure=Failure(FailureReason.INTERNAL, "no such file"))
    assert shown(seen(failed, spans=())).split("\n")[0] == "api  failed: internal after 100.00 ms"
