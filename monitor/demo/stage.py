"""What must be seen for the demo to have worked, and what was."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.console import Console

T = TypeVar("T")
POLL_SECONDS = 0.1


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
