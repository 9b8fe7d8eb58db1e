"""Logs on stderr: JSON for machines, plain lines on a terminal, secrets masked in both.

Lines of the standard library's loggers (uvicorn, sqlalchemy, httpx ...) and exceptions that nobody caught take the same
way. A server with a logging configuration of its own must be told not to use it: `uvicorn.Config(log_config=None)`.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Literal, TextIO, TypeAlias

import structlog
from structlog.typing import EventDict, Processor

from monitor.redact import redact_event, without_known_secrets

Level: TypeAlias = Literal["debug", "info", "warning", "error"]
Format: TypeAlias = Literal["auto", "json", "console"]

# Their own chatter repeats every request, or every query with its values.
_QUIET = ("aiosqlite", "alembic", "asyncio", "httpcore", "httpx", "markdown_it", "sqlalchemy", "sslyze")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
)


def configure_logs(level: Level = "info", format: Format = "auto", *, stream: TextIO | None = None) -> None:
    """From here on every log line of this process goes to `stream` (stderr) redacted. May be called again."""
    stream = stream or sys.stderr
    threshold = logging.getLevelNamesMapping()[level.upper()]
    console = format == "console" or (format == "auto" and stream.isatty())
    handler = _Handler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *_SHARED],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                redact_event,
                *([_one_line] if console else []),
                _without_secrets(_renderer(console, stream)),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(threshold)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    logging.captureWarnings(True)
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """The library's own way prints the message's arguments, secrets included."""
        error = sys.exc_info()[0]
        kind = error.__name__ if error else "an error"
        sys.stderr.write(f"a log line of {record.name} (line {record.lineno}) could not be written: {kind}\n")


def _renderer(console: bool, stream: TextIO) -> Processor:
    if not console:
        return structlog.processors.JSONRenderer(default=repr)
    colors = stream.isatty() and not os.environ.get("NO_COLOR")
    return structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)


def _without_secrets(render: Processor) -> Callable[[Any, str, EventDict], str]:
    """The rendered line once more: a secret may have been put together from parts."""

    def rendered(logger: Any, method: str, event: EventDict) -> str:
        return without_known_secrets(str(render(logger, method, event)))

    return rendered


def _one_line(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """What others send cannot move the cursor of a terminal or forge a line."""
    event["event"] = str(event.get("event", "")).replace("\n", "\\n")
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = _CONTROL.sub(lambda found: repr(found.group())[1:-1], value)
    return event


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    structlog.get_logger().critical("ended by an error that nothing caught", exc_info=(kind, error, trace))


def _uncaught_in_thread(said: threading.ExceptHookArgs) -> None:
    name = said.thread.name if said.thread else None
    error = said.exc_value or said.exc_type()
    structlog.get_logger().error(
        "a thread ended by an error", thread=name, exc_info=(said.exc_type, error, said.exc_traceback)
    )


def _unraisable(said: Any) -> None:
    error = said.exc_value or said.exc_type()
    structlog.get_logger().error(
        "an error where none can be raised", exc_info=(said.exc_type, error, said.exc_traceback)
    )
