"""What a scrape of the daemon costs."""

from __future__ import annotations

import http.client
import time
import zlib
from dataclasses import dataclass

from benchmarks.support.daemon import Daemon
from benchmarks.support.processes import cpu_seconds

TIMEOUT_SECONDS = 300.0
# As Prometheus 2.53 asks.
HEADERS = {
    "Accept": "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
    "Accept-Encoding": "gzip",
    "User-Agent": "Prometheus/2.53.0",
}


@dataclass(frozen=True, slots=True)
class Scrape:
    """One answer of /metrics. Times are unix times."""

    began: float
    ended: float
    sent_bytes: int
    text_bytes: int
    targets: int  # that have a probe_success in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Some time of the daemon, with a scrape at its beginning or without."""

    scrape: Scrape | None
    seconds: float
    parent_cpu_seconds: float
    whole_cpu_seconds: float


def scrape(daemon: Daemon) -> Scrape:
    connection = http.client.HTTPConnection(daemon.url.removeprefix("http://"), timeout=TIMEOUT_SECONDS)
    began = time.time()
    connection.request("GET", "/metrics", headers=HEADERS)
    response = connection.getresponse()
    sent = response.read()
    ended = time.time()
    connection.close()
    text = zlib.decompress(sent, wbits=31) if response.headers.get("Content-Encoding") == "gzip" else sent
    targets = text.count(b"\nprobe_success{")
    return Scrape(began=began, ended=ended, sent_bytes=len(sent), text_bytes=len(text), targets=targets)


def span(daemon: Daemon, *, scraped: bool, seconds: float) -> Span:
    """At least so many seconds; longer when the scrape takes longer."""
    began, parent, whole = time.monotonic(), cpu_seconds(daemon.pid), daemon.cpu_seconds()
    done = scrape(daemon) if scraped else None
    time.sleep(max(0.0, began + seconds - time.monotonic()))
    return Span(
        scrape=done,
        seconds=time.monotonic() - began,
        parent_cpu_seconds=cpu_seconds(daemon.pid) - parent,
        whole_cpu_seconds=daemon.cpu_seconds() - whole,
    )
