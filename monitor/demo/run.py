"""Sets the stage: the sample service and the pager sink in this process, the daemon in its own, as a user runs it."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
from rich.console import Console
from rich.table import Table

from monitor.demo.certificates import Authority
from monitor.demo.play import Play
from monitor.demo.sample import SampleService
from monitor.demo.settings import write_settings
from monitor.demo.stage import NotSeen, Story, own_environment
from monitor.demo.watch import Watch
from monitor.pager_sink import running_sink
from monitor.store import Store, open_store, sqlite_url

EXPIRING_DAYS = 5
LIMIT_SECONDS = 115.0


async def run_demo(*, keep: bool) -> int:
    """0 when every stage was really seen, else 1."""
    folder = Path(tempfile.mkdtemp(prefix="monitor-demo-"))
    console = Console(highlight=False, soft_wrap=True)
    story = Story(console)
    try:
        return await _on_stage(folder, story, keep=keep)
    finally:
        if keep:
            console.print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


async def _on_stage(folder: Path, story: Story, *, keep: bool) -> int:
    authority = Authority.create()
    authority.write(folder / "ca.pem")
    port = _free_port()
    story.tell("starting a sample service, a pager that wakes nobody, and the daemon")
    async with running_sink(file=folder / "pages.jsonl") as sink, SampleService() as service:
        await service.start(authority.issue(folder, EXPIRING_DAYS))
        config = write_settings(folder, events_url=sink.url, port=port, ports=service.ports)
        async with _daemon(config, folder, story) as daemon, httpx.AsyncClient(trust_env=False) as client:
            url = f"http://127.0.0.1:{port}"
            await story.until("the daemon ready", lambda: _ready(client, url, daemon), seconds=40)
            store = await open_store(sqlite_url(folder / "data" / "monitor.sqlite"), create=False)
            try:
                play = Play(story, Watch(url, sink, store, client), service, authority, folder)
                async with asyncio.timeout(LIMIT_SECONDS):
                    await play.run()
                if keep:
                    await _wait_for_end(story, url, sink.url, config)
                await _drained(story, daemon, store)
            except (NotSeen, TimeoutError) as missing:
                return _fail(story, str(missing) or f"the story was not over after {LIMIT_SECONDS:g} s", folder)
            finally:
                await store.close()
    _summarise(story)
    return 0


@asynccontextmanager
async def _daemon(config: Path, folder: Path, story: Story) -> AsyncIterator[asyncio.subprocess.Process]:
    """`monitor run` in a process of its own, with a routing key that is made up for this run."""
    with (folder / "daemon.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "monitor", "run", "-c", str(config)),
            stdout=log,
            stderr=log,
            env=own_environment() | {"PD_KEY": secrets.token_hex(16)},
            start_new_session=True,  # Ctrl-C is for the demo, which ends the daemon itself
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(20):
                    await process.wait()
            except TimeoutError:
                story.tell("the daemon did not end in time", "red")
                process.kill()
                await process.wait()


async def _ready(client: httpx.AsyncClient, url: str, daemon: asyncio.subprocess.Process) -> bool:
    if daemon.returncode is not None:
        raise NotSeen(f"the daemon running: it ended with {daemon.returncode}")
    try:
        return (await client.get(f"{url}/-/ready")).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


async def _wait_for_end(story: Story, url: str, sink_url: str, config: Path) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    story.tell("it goes on running until Ctrl-C; look at")
    for what, address in (
        ("page", f"{url}/"),
        ("metrics", f"{url}/metrics"),
        ("pager", f"{sink_url}/alerts"),
        ("settings", str(config)),
        ("incidents", f"monitor incidents list --all -c {config}"),
    ):
        story.console.print(f"         {what:<10} {address}")
    await stop.wait()


async def _drained(story: Story, daemon: asyncio.subprocess.Process, store: Store) -> None:
    daemon.send_signal(signal.SIGTERM)
    async with asyncio.timeout(20):
        code = await daemon.wait()
    left = await store.outbox_stats(datetime.now(UTC))
    if code != 0 or left.pending or left.parked:
        raise NotSeen(f"a clean end: exit code {code}, {left.pending} pages not sent, {left.parked} parked")
    story.saw("ended", "the daemon drained on SIGTERM with exit code 0, and left nothing in its outbox")


def _fail(story: Story, missing: str, folder: Path) -> int:
    story.tell(f"✘ {missing}", "bold red")
    log = (folder / "daemon.log").read_text(errors="replace").splitlines()
    story.console.print("the end of the daemon's log:", *log[-15:], sep="\n")
    return 1


def _summarise(story: Story) -> None:
    table = Table(title="seen, and read back from store, pager and /metrics", title_justify="left")
    table.add_column("stage")
    table.add_column("how")
    for stage, how in story.seen:
        table.add_row(stage, how, style="green")
    story.console.print(table)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
