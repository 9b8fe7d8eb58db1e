"""What can go wrong with a store, typed by what the caller can do about it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from monitor.errors import UserError


class StoreUnavailable(UserError):
    """The store did not do what it was asked, and may do so later: locked, full, down. Nothing was half written."""

    exit_code = 1

    def __init__(self, place: str, cause: str) -> None:
        super().__init__(f"store: {place}: {cause}")
        self.cause = cause


# Defects of the caller, not of the database: these pass through as they are.
_DEFECTS = (exc.IntegrityError, exc.ProgrammingError, exc.DataError, exc.NotSupportedError)
# What opening a connection raises outside of SQLAlchemy's own errors.
CONNECT_ERRORS = (exc.SQLAlchemyError, OSError, asyncio.TimeoutError)


def cause_of(error: BaseException) -> str:
    """The driver's own words on one line, without the statement and its values."""
    origin = getattr(error, "orig", None) or error
    text = str(origin) or type(origin).__name__
    # the asyncpg adapter puts the class before the message: "<class 'asyncpg....'>: text"
    if text.startswith("<class ") and ">: " in text:
        text = text.split(">: ", 1)[1]
    return " ".join(text.split())[:300]


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Turn the errors of a database that does not work now into StoreUnavailable."""
    try:
        yield
    except _DEFECTS:
        raise
    except (exc.DBAPIError, exc.TimeoutError) as error:
        raise StoreUnavailable(place, cause_of(error)) from None
