"""`monitor tls-grade`: the SSL Labs grade of endpoints, with what lifts it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.common import Format, FormatOption
from monitor.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from probes.tls.endpoint import ScanRequest
    from probes.tls.report import Graded
    from probes.tls.workers import ScanWorkers


_COLUMNS = ("GRADE", "TRUST IGNORED", "PROTOCOL", "KEY EXCHANGE", "CIPHER", "TOTAL", "EXPIRES")
_STYLES = {"A": "bold green", "B": "bold yellow", "C": "bold yellow"}  # of a letter; every other is bad

_Hosts = Annotated[
    list[str], typer.Argument(metavar="HOST[:PORT]...", help="What to grade; the port is 443 unless it is given.")
]
_Below = Annotated[
    str | None, typer.Option("--fail-below", metavar="LETTER", help="Exit 1 if any grade is worse: A+ A A- B C D E F.")
]
_Sni = Annotated[
    str | None, typer.Option("--sni", metavar="NAME", help="Ask for this name, and want it in the certificate.")
]
_CaFile = Annotated[
    Path | None, typer.Option("--ca-file", metavar="FILE", help="Trust these authorities (PEM), and no others.")
]
_Timeout = Annotated[float, typer.Option(min=0.1, metavar="SECONDS", help="The most time that one host may take.")]
_Concurrency = Annotated[int, typer.Option(min=1, max=64, help="How many hosts are scanned at once.")]


def tls_grade(
    hosts: _Hosts,
    format_: FormatOption = Format.TABLE,
    fail_below: _Below = None,
    sni: _Sni = None,
    ca_file: _CaFile = None,
    timeout: _Timeout = 60.0,
    concurrency: _Concurrency = 4,
) -> None:
    """Grade TLS endpoints as SSL Labs does, with each reason and what lifts it.

    Exit code 0: graded; 1: a host could not be graded, or is below --fail-below; 2: the command was wrong.
    """
    import asyncio

    from rich.console import Console

    from probes.tls.grade import below

    _known_letter(fail_below)
    requests = _requests(hosts, sni, ca_file, timeout)
    out = Console(soft_wrap=True, highlight=False)
    show = _rows(out, requests) if format_ is Format.TABLE else _nothing
    graded = asyncio.run(_grade_all(requests, timeout, concurrency, show))
    if format_ is Format.JSON:
        _print_json(graded)
    letters = [each.rating.letter if each.rating else None for each in graded]
    if any(letter is None or (fail_below is not None and below(letter, fail_below)) for letter in letters):
        raise typer.Exit(1)


def _known_letter(letter: str | None) -> None:
    from probes.tls.rules import LETTERS

    if letter is not None and letter not in LETTERS:
        raise UserError(f"--fail-below: {letter!r} is not a grade; one of {' '.join(LETTERS)} is expected")


def _requests(hosts: Sequence[str], sni: str | None, ca_file: Path | None, timeout: float) -> list[ScanRequest]:
    """Raises UserError with every problem of the command line at once."""
    from probes.tls.endpoint import ScanRequest, host_name, parse_endpoint

    problems = [] if ca_file is None else _problems_of_ca_file(ca_file)
    server_name = None if sni is None else host_name(sni)
    if sni is not None and server_name is None:
        problems.append(f"--sni: {sni!r} is not a host name; write one such as www.example.com")
    requests = []
    for host in hosts:
        try:
            endpoint = parse_endpoint(host)
        except ValueError as error:
            problems.append(str(error))
            continue
        requests.append(
            ScanRequest(
                endpoint=endpoint,
                server_name=server_name,
                ca_file=None if ca_file is None else str(ca_file.absolute()),
                network_seconds=min(5.0, timeout / 2),
            )
        )
    if problems:
        raise UserError(*problems)
    return requests


def _problems_of_ca_file(path: Path) -> list[str]:
    from cryptography.x509 import load_pem_x509_certificates

    try:
        load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        return [f"--ca-file: {path} cannot be read: {error.strerror}; name a file of PEM certificates"]
    except ValueError:
        return [f"--ca-file: {path} holds no PEM certificate; name a file with -----BEGIN CERTIFICATE----- blocks"]
    return []


async def _grade_all(
    requests: Sequence[ScanRequest], timeout: float, concurrency: int, show: Callable[[Graded], None]
) -> list[Graded]:
    """In the order of the requests; `show` gets each as it comes."""
    import asyncio

    from probes.tls.workers import ScanWorkers

    async with ScanWorkers(concurrency) as workers:
        with _progress(len(requests)) or nullcontext() as progress:

            async def one(request: ScanRequest) -> Graded:
                graded = await _grade(workers, request, timeout)
                _beside(progress, lambda: show(graded))
                return graded

            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(request)) for request in requests]
            return [task.result() for task in tasks]


async def _grade(workers: ScanWorkers, request: ScanRequest, timeout: float) -> Graded:
    from probes.tls.endpoint import ScanError
    from probes.tls.grade import rate
    from probes.tls.report import Graded

    try:
        facts = await workers.scan(request, timeout)
    except ScanError as error:
        return Graded(request.endpoint, error)
    return Graded(request.endpoint, (facts, rate(facts)))


def _progress(count: int) -> Progress | None:
    """A bar on standard error, if that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    err = Console(stderr=True)
    if not err.is_terminal:
        return None
    progress = Progress(console=err, transient=True, redirect_stdout=False, redirect_stderr=False)
    progress.add_task("scanning", total=count)
    return progress


def _beside(progress: Progress | None, print_rows: Callable[[], None]) -> None:
    """Both may be the same terminal: the bar makes room for the rows."""
    if progress is None:
        print_rows()
        return
    progress.stop()
    print_rows()
    progress.advance(progress.task_ids[0])
    progress.start()


def _nothing(_graded: Graded) -> None:
    """The document is printed when all of it is there."""


def _print_json(graded: Sequence[Graded]) -> None:
    import json
    import sys

    from probes.tls.report import document

    json.dump(document(graded), sys.stdout, indent=2)
    sys.stdout.write("\n")


def _rows(out: Console, requests: Sequence[ScanRequest]) -> Callable[[Graded], None]:
    """Print the head now, and give the printer of one result. Widths are known beforehand, so rows come as they may."""
    from rich.text import Text

    width = max(len(str(request.endpoint)) for request in requests)
    out.print(Text("  ".join(("HOST".ljust(width), *_COLUMNS)), style="bold"))

    def show(graded: Graded) -> None:
        place = str(graded.endpoint).ljust(width)
        rating = graded.rating
        if rating is None:
            out.print(Text.assemble(f"{place}  ", ("-", "bold red"), f"  {graded.outcome}"))
            return
        days = graded.days_left()
        cells = (
            rating.letter_trust_ignored,
            *map(str, (rating.scores.protocol, rating.scores.key_exchange, rating.scores.cipher, rating.scores.total)),
            "-" if days is None else f"{days} days",
        )
        row = "  ".join(cell.ljust(len(head)) for cell, head in zip(cells, _COLUMNS[1:], strict=True))
        letter = Text(rating.letter.ljust(len(_COLUMNS[0])), style=_style(rating.letter))
        out.print(Text.assemble(f"{place}  ", letter, f"  {row.rstrip()}"))
        for finding in rating.findings:
            cap = Text((finding.cap or "").ljust(2), style=_style(finding.cap or "A"))
            out.print(Text.assemble("    ", cap, f"  {finding.summary} ({finding.id})\n        fix: {finding.fix}"))
        gaps = len(rating.not_tested)
        out.print(Text(f"        {gaps} checks were not made; --format json lists them", style="dim"))

    return show


def _style(letter: str) -> str:
    return _STYLES.get(letter[0], "bold red")
