"""What must be seen for the demo to have worked, what was, and how a person acts in it."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")
POLL_SECONDS = 0.1


def own_environment() -> dict[str, str]:
    """For what the demo starts. A MONITOR_CONFIG of the user's would have it act on the user's own incidents."""
    return {name: value for name, value in os.environ.items() if not name.upper().startswith("MONITOR_")}


async def command(*arguments: str, data: Path) -> None:
    """A `monitor` command, as a person types it, on the store in `data`. Raises NotSeen with what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "monitor", *arguments, "--data", str(data)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=own_environment(),
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise NotSeen(f"monitor {' '.join(arguments)}: {output.decode(errors='replace').strip()}")


class NotSeen(Exception):
    """A stage did not come about in time."""


class Story:
    """Tells what happens, with the seconds since the start, and keeps which stages were seen."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.seen: list[tuple[str, str]] = []
        self._started = time.monotonic()

    def tell(self, text: str, style: str = "") -> None:
        self.console.print(f"{time.monotonic() - self._started:5.1f} s  {text}", style=style)

    def saw(self, stage: str, how: str) -> None:
        """`how` says where it was read back from."""
        self.seen.append((stage, how))
        self.tell(f"✔ {stage}: {how}", "green")

    async def until(self, what: str, condition: Callable[[], Awaitable[T | None]], seconds: float = 30.0) -> T:
        """Poll until the condition is truthy, and return what it gave. Raises NotSeen."""
        deadline = time.monotonic() + seconds
        while not (value := await condition()):
            if time.monotonic() > deadline:
                raise NotSeen(f"{what}: not seen within {seconds:g} s")
            await asyncio.sleep(POLL_SECONDS)
        return value
