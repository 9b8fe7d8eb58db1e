"""Where a store is: what a user may write as its URL, and how it is named in messages, never with the password."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from monitor.errors import UserError

_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
_REMEDY = "write sqlite:///FOLDER/monitor.sqlite or postgresql://USER:PASSWORD@HOST/DATABASE"


@dataclass(frozen=True, slots=True)
class Address:
    """`place` names the store to people; `path` is the file of an SQLite store."""

    url: URL
    place: str
    path: Path | None


def sqlite_url(path: Path) -> str:
    """The URL of the SQLite store in the file `path`."""
    return f"sqlite:///{quote(str(path.absolute()))}"


def parse_address(text: str) -> Address:
    """Raises UserError for a URL that names no store; the text of the URL is not repeated: it may hold a password."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise UserError(f"store.url: this is not the URL of a database; {_REMEDY}") from None
    scheme = url.drivername.split("+")[0]
    if url.drivername not in (*_DRIVERS, *_DRIVERS.values()):
        raise UserError(f"store.url: {url.drivername!r} is not a database that monitor can use; {_REMEDY}")
    url = url.set(drivername=_DRIVERS[scheme])
    return _sqlite(url) if scheme == "sqlite" else _postgresql(url)


def _sqlite(url: URL) -> Address:
    if not url.database or url.database == ":memory:":
        raise UserError("store.url: an SQLite store needs a file, because it must outlive the process; " + _REMEDY)
    if url.query:
        raise UserError(f"store.url: an SQLite store takes no options ({', '.join(url.query)}); {_REMEDY}")
    path = Path(url.database).absolute()
    return Address(url.set(database=str(path)), str(path), path)


def _postgresql(url: URL) -> Address:
    if not url.database:
        raise UserError(f"store.url: the name of the database is missing; {_REMEDY}")
    if "sslmode" in url.query:  # libpq's name for it, which people know; asyncpg's is ssl
        url = url.set(query={("ssl" if key == "sslmode" else key): value for key, value in url.query.items()})
    return Address(url, url.set(query={}, drivername="postgresql").render_as_string(hide_password=True), None)
