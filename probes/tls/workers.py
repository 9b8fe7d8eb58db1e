"""Run scans in child processes, each scan with a total deadline."""

from __future__ import annotations

import asyncio
import sys
from types import TracebackType
from typing import Self

from pydantic import TypeAdapter, ValidationError

from probes.result import FailureReason
from probes.tls.endpoint import ScanError, ScanRequest
from probes.tls.facts import TlsFacts
from probes.tls.wire import Answer, Refusal

_COMMAND = (sys.executable, "-P", "-W", "ignore", "-m", "probes.tls.child")
_MAX_ANSWER_BYTES = 16 * 1024**2  # a server may send long chains, a hundred suites for each of five protocols
_REQUEST = TypeAdapter(ScanRequest)
_ANSWER: TypeAdapter[TlsFacts | Refusal] = TypeAdapter(Answer)


class ScanWorkers:
    """At most `count` scans at once, each in a process that the next scan uses again. An async context manager."""

    def __init__(self, count: int = 1) -> None:
        self._slots = asyncio.Semaphore(count)
        self._idle: list[asyncio.subprocess.Process] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        while self._idle:
            await _end(self._idle.pop())

    async def scan(self, request: ScanRequest, seconds: float) -> TlsFacts:
        """Raises ScanError, after `seconds` at the latest (waiting for a free process does not count)."""
        async with self._slots:
            process = self._idle.pop() if self._idle else await _start()
            try:
                async with asyncio.timeout(seconds):
                    answer = await _ask(process, request)
            except TimeoutError:
                await _end(process)
                detail = f"the scan of {request.endpoint} did not end within {seconds:g} s"
                raise ScanError(FailureReason.TIMEOUT, detail) from None
            except BaseException:
                await _end(process)
                raise
            self._idle.append(process)
        if isinstance(answer, Refusal):
            raise ScanError(answer.reason, answer.detail)
        return answer


async def _start() -> asyncio.subprocess.Process:
    pipe, nowhere = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    return await asyncio.create_subprocess_exec(
        *_COMMAND, stdin=pipe, stdout=pipe, stderr=nowhere, limit=_MAX_ANSWER_BYTES
    )


async def _ask(process: asyncio.subprocess.Process, request: ScanRequest) -> TlsFacts | Refusal:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(_REQUEST.dump_json(request) + b"\n")
        await process.stdin.drain()
        line = await process.stdout.readline()
        return _ANSWER.validate_json(line)
    except (ConnectionError, ValidationError, ValueError):
        # A crash in a TLS library, or memory that ran out.
        raise ScanError(FailureReason.INTERNAL, f"the process that scanned {request.endpoint} died") from None


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill, and wait until its pipes are closed as well: an idle one has nothing to lose."""
    if process.returncode is None:
        process.kill()
    await process.communicate()
