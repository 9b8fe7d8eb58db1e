"""nginx for large fleets, with a log that tells when each address was asked."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Self

from tests.support.nginx import Nginx

FORMAT = "log_format asked '$msec $uri';"


class LoggingNginx(Nginx):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._log = folder / "asked.log"
        file = folder / "nginx.conf"
        text = file.read_text()
        for usual, larger in (
            ("worker_connections 4096", "worker_connections 16384"),
            ("worker_rlimit_nofile 8192", "worker_rlimit_nofile 20000"),
            (f"access_log {folder}/access.log;", f"{FORMAT} access_log {self._log} asked buffer=64k flush=1s;"),
        ):
            assert usual in text, usual
            text = text.replace(usual, larger)
        file.write_text(text)

    def __enter__(self) -> Self:
        self.start()
        return self

    def asked(self) -> dict[str, list[float]]:
        """The unix times, to the millisecond, of each address's requests; complete once it has ended."""
        times: dict[str, list[float]] = defaultdict(list)
        for line in self._log.read_text().splitlines():
            at, uri = line.split(" ", 1)
            times[uri].append(float(at))
        return times
