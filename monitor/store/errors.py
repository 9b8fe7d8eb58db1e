"""What can go wrong with a store, typed by what the caller can do about it."""

from __future__ import annotations

import asyncio
import sqlite3
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
# The same by the class of their SQLSTATE, for asyncpg does not tell them apart: data, integrity, syntax, raised by us.
_DEFECT_CLASSES = frozenset({"22", "23", "42", "P0"})
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
    except (exc.DBAPIError, exc.TimeoutError) as error:
        if _is_defect(error):
            raise
        raise StoreUnavailable(place, cause_of(error)) from None
    except sqlite3.Error as error:  # the driver's own, as it is
        raise StoreUnavailable(place, cause_of(error)) from None
    except TimeoutError:  # the driver's own, which SQLAlchemy passes through
        raise StoreUnavailable(place, "no answer in time") from None
    except OSError as error:
        raise StoreUnavailable(place, cause_of(error)) from None


def _is_defect(error: exc.DBAPIError | exc.TimeoutError) -> bool:
    origin = getattr(error, "orig", None)
    sqlstate = getattr(origin, "sqlstate", None) or ""
    refused_by_driver = isinstance(getattr(origin, "__cause__", None), ValueError)  # a value that it cannot encode
    return isinstance(error, _DEFECTS) or sqlstate[:2] in _DEFECT_CLASSES or refused_by_driver
