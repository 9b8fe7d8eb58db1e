"""The sink as a running server: inside another program (tests, the demo) or as the command `monitor pager sink`."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from monitor.errors import UserError
from monitor.http_server import address_of, bind, serve
from monitor.pager_sink.app import sink_app
from monitor.pager_sink.ledger import Alert, Entry, Ledger


class PagerSink:
    """A running sink: where it listens, and what it has got so far."""

    def __init__(self, url: str, ledger: Ledger) -> None:
        self.url = url
        self.ledger = ledger

    @property
    def alerts(self) -> list[Alert]:
        return list(self.ledger.alerts)

    @property
    def entries(self) -> list[Entry]:
        return list(self.ledger.entries)


@contextlib.asynccontextmanager
async def running_sink(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    file: Path | None = None,
    on_entry: Callable[[Entry], None] | None = None,
) -> AsyncIterator[PagerSink]:
    """A sink that listens already; port 0 takes a free one. With `file`, each event is appended to it as a line.

    Raises UserError when the address cannot be bound or the file cannot be written.
    """
    listener = bind(host, port, "--listen")
    with listener, contextlib.ExitStack() as stack:
        listeners = [on_entry] if on_entry else []
        if file is not None:
            listeners.append(_writer(file, stack))

        def tell(entry: Entry) -> None:
            for listen in listeners:
                listen(entry)

        ledger = Ledger()
        async with serve(sink_app(ledger, tell), listener, grace_seconds=1):
            yield PagerSink(address_of(listener), ledger)


def _writer(path: Path, stack: contextlib.ExitStack) -> Callable[[Entry], None]:
    try:
        number = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UserError(
            f"--file: {path} cannot be written: {error.strerror}; name a file in a folder of yours"
        ) from None
    file = stack.enter_context(os.fdopen(number, "a", encoding="utf-8"))

    def write(entry: Entry) -> None:
        file.write(json.dumps(entry.as_json()) + "\n")
        file.flush()

    return write
