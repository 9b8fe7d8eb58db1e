"""Fixtures for every room."""

from __future__ import annotations

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
