"""Probers whose cost or error is known, for the benchmarks' checks of themselves.

    python -m benchmarks.support.stand_in FILE MICROSECONDS

A child of this process asks each address of FILE once a second, in turn, and burns CPU until it has used up so many
microseconds for each probe that it made, by its own clock.
"""

from __future__ import annotations

import http.client
import os
import socket
import sys
import time
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit


def ask(url: str, body: bytes | None = None) -> int:
    """The answer's status; POST with a body, else GET."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    connection.request("GET" if body is None else "POST", parts.path, body)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


def ask_until_failing(url: str, failures: int) -> None:
    """Until so many answers in a row were bad."""
    row = 0
    while row < failures:
        time.sleep(0.02)
        row = row + 1 if ask(url) >= 500 else 0


def timed_ask(url: str, error_seconds: float) -> tuple[float, float]:
    """(unix time of the start, seconds from request to answer), with a clock that is read `error_seconds` too late."""
    parts, started_at = urlsplit(url), time.time()
    with socket.create_connection((parts.hostname, parts.port)) as sock:
        began = time.monotonic()
        sock.send(f"GET {parts.path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        sock.recv(65536)
        time.sleep(error_seconds)
        return started_at, time.monotonic() - began


def probe(urls: list[str], cost_seconds: float, parent: int) -> None:
    due, spent = time.monotonic(), time.process_time()
    for url in cycle(urls):
        if os.getppid() != parent:
            return
        time.sleep(max(0.0, due - time.monotonic()))
        ask(url)
        due, spent = due + 1 / len(urls), spent + cost_seconds
        while time.process_time() < spent:
            pass


def main() -> None:
    urls, cost_seconds = Path(sys.argv[1]).read_text().split(), int(sys.argv[2]) / 1e6
    parent = os.getpid()
    if os.fork() == 0:
        probe(urls, cost_seconds, parent)
    else:
        os.wait()


if __name__ == "__main__":
    main()
