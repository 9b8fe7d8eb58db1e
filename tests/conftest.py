"""Fixtures for every room."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.support.logs import logging_as_before  # noqa: F401
from tests.support.stores import (  # noqa: F401
    empty_url,
    postgres,
    postgres_template,
    sqlite_template,
    store,
    store_kind,
    store_url,
)

# Machines are shared and noisy: how long an example takes says nothing of the code.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")
