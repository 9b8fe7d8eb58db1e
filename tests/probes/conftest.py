"""One nginx for the tests of this folder that only ask it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.nginx import Nginx


@pytest.fixture(scope="session")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with Nginx(tmp_path_factory.mktemp("nginx")) as server:
        yield server
