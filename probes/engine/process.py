"""Where a worker process begins. Its parent needs no more of it than this: what probes stays out of its memory."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from probes.engine.tally import Tally


def main(sock: socket.socket, region: str, niceness: int, tally: Tally | None) -> None:
    from probes.engine.worker import main as work

    work(sock, region, niceness, tally)
