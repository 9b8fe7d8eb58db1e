"""prometheus-blackbox-exporter, and a light client that asks it at a steady rate, as Prometheus would."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import httptools
import uvloop

from tests.support.process import Process, program
from tests.support.wait import free_port, listening, until

# More would only wait in the exporter; Prometheus would skip the scrape, and so is it here.
MOST_AT_ONCE = 1000
ANSWER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What one /probe said. `asked_at` is unix time."""

    url: str
    asked_at: float
    text: str

    @property
    def ok(self) -> bool:
        return "\nprobe_success 1" in self.text

    @property
    def processing_seconds(self) -> float:
        return float(self.text.partition('\nprobe_http_duration_seconds{phase="processing"} ')[2].split("\n", 1)[0])


class Blackbox:
    """Use as a context manager; ended by its pid."""

    def __init__(self, folder: Path, ca_file: Path | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        configuration = folder / "blackbox.yml"
        http = {"preferred_ip_protocol": "ip4"} | ({"tls_config": {"ca_file": str(ca_file)}} if ca_file else {})
        configuration.write_text(json.dumps({"modules": {"bench": {"prober": "http", "timeout": "5s", "http": http}}}))
        argv = [program("prometheus-blackbox-exporter"), f"--config.file={configuration}", "--log.level=error"]
        self.process = Process([*argv, f"--web.listen-address=127.0.0.1:{self.port}"], folder / "blackbox.log")
        until(lambda: listening(self.port), what=f"blackbox_exporter: {self.process.output()}")

    @property
    def pid(self) -> int:
        return self.process.pid

    def __enter__(self) -> Blackbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()


class _Channel(asyncio.Protocol):
    """A kept-alive connection: one question at a time."""

    def __init__(self, port: int, answered: Callable[[_Channel, Answer], None]) -> None:
        self._port = port
        self._answered = answered
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def ask(self, url: str) -> None:
        assert self._transport is not None
        self._url, self._asked_at, self._body = url, time.time(), b""
        self._parser = httptools.HttpResponseParser(self)
        path = f"/probe?module=bench&target={url}"
        self._transport.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        self._answered(self, Answer(self._url, self._asked_at, self._body.decode()))

    def close(self) -> None:
        assert self._transport is not None
        self._transport.abort()


class PacedClient:
    """Asks for each address in turn, `rate` times a second, until it is cancelled, and keeps the answers."""

    def __init__(self, port: int, urls: Sequence[str], rate: float) -> None:
        self.answers: list[Answer] = []
        self.skipped = 0  # questions that were due while the exporter owed MOST_AT_ONCE answers
        self._port = port
        self._urls = urls
        self._gap_seconds = 1 / rate
        self._idle: list[_Channel] = []
        self._channels: list[_Channel] = []

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        due, number = loop.time(), 0
        try:
            while True:
                await asyncio.sleep(max(0.0, due - loop.time()))
                await self._ask(self._urls[number % len(self._urls)])
                due, number = due + self._gap_seconds, number + 1
        finally:
            for channel in self._channels:
                channel.close()

    async def _ask(self, url: str) -> None:
        if not self._idle and len(self._channels) == MOST_AT_ONCE:
            self.skipped += 1
            return
        if not self._idle:
            loop = asyncio.get_running_loop()
            _, channel = await loop.create_connection(lambda: _Channel(self._port, self._take), "127.0.0.1", self._port)
            self._channels.append(channel)
            self._idle.append(channel)
        self._idle.pop().ask(url)

    def _take(self, channel: _Channel, answer: Answer) -> None:
        self.answers.append(answer)
        self._idle.append(channel)


def while_asking(client: PacedClient, warm_up_seconds: float, seconds: float, at_edge: Callable[[], None]) -> None:
    """Let the client ask for the warm-up and the seconds after it; `at_edge` is called at both ends of these. Then a
    little longer, so that what was asked last is answered."""

    async def ask() -> None:
        asking = asyncio.create_task(client.run())
        for pause in (warm_up_seconds, seconds):
            await asyncio.wait([asking], timeout=pause)  # returns early only when the client failed
            at_edge()
        await asyncio.wait([asking], timeout=ANSWER_SECONDS)
        asking.cancel()
        await asyncio.wait([asking])
        if not asking.cancelled() and (error := asking.exception()):
            raise error

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(ask())
