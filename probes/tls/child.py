"""The child process that scans: `python -m probes.tls.child`. One JSON request a line in, one JSON answer a line out.

sslyze starts threads that cannot be stopped, and feeds bytes from anyone to old TLS libraries. In a process of its
own a scan can be ended at its deadline, and neither a crash nor a leak reaches the program.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterable, Iterator
from queue import SimpleQueue
from threading import Thread
from typing import TextIO

from pydantic import TypeAdapter

from probes.result import FailureReason
from probes.tls.endpoint import ScanError, ScanRequest
from probes.tls.facts import TlsFacts
from probes.tls.reach import reach
from probes.tls.text import printable
from probes.tls.wire import Answer, Refusal

_MAX_MEMORY_BYTES = 2 * 1024**3  # address space; a scan takes some 0.3 GB of it, most of it the stacks of threads


def main() -> None:
    # Nothing but answers may reach the parent: whatever prints, prints elsewhere.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY_BYTES, _MAX_MEMORY_BYTES))
    serve(_requests(), answers)


def _requests() -> Iterator[str]:
    """The lines of standard input. Its end ends the process, in the middle of a scan too: the parent is gone."""
    lines: SimpleQueue[str] = SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line)
        os._exit(0)

    Thread(target=read, daemon=True).start()
    while True:
        yield lines.get()


def serve(requests: Iterable[str], answers: TextIO) -> None:
    """Answer each request with a line."""
    read, write = TypeAdapter(ScanRequest), TypeAdapter(Answer)
    for line in requests:
        answer = _answer(read.validate_json(line))
        answers.write(write.dump_json(answer).decode() + "\n")
        answers.flush()


def _answer(request: ScanRequest) -> TlsFacts | Refusal:
    try:
        address = reach(request)
        # Late: sslyze takes half a second to load, which a host that is down need not cost.
        from probes.tls.scan import scan

        return scan(request, address)
    except ScanError as error:
        return Refusal(reason=error.reason, detail=error.detail)
    except Exception as error:  # a server can make sslyze fail in any way; that must not end the scans of others
        detail = f"{request.endpoint}: the scan failed: {type(error).__name__}: {error}"
        return Refusal(reason=FailureReason.INTERNAL, detail=printable(detail))


if __name__ == "__main__":
    main()
