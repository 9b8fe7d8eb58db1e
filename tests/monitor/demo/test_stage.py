from __future__ import annotations

from pathlib import Path

import pytest

from monitor.demo.stage import NotSeen, command
from monitor.store import open_store, sqlite_url


async def test_a_command_acts_on_the_demo_s_store_whatever_the_user_has_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await (await open_store(sqlite_url(tmp_path / "monitor.sqlite"))).close()
    monkeypatch.setenv("MONITOR_CONFIG", str(tmp_path / "the-users-own.yaml"))
    monkeypatch.setenv("monitor_store__url", "sqlite:////nowhere/of-the-user")
    await command("incidents", "list", data=tmp_path)
    with pytest.raises(NotSeen, match="monitor incidents ack 7: there is no incident 7"):
        await command("incidents", "ack", "7", data=tmp_path)
