"""Log lines as they come out: redacted whatever was logged, by whomever, in either format."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import threading
import warnings
from typing import Any, Literal, get_args

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.logs import Format, configure_logs
from monitor.redact import register_secret

SECRET = "hunter2-'quoted'-\\slash\"-é"
register_secret(SECRET)


def logged(format: Format = "json", level: Literal["debug", "info", "warning", "error"] = "info") -> io.StringIO:
    stream = io.StringIO()
    configure_logs(level, format, stream=stream)
    return stream


def test_a_line_is_json_with_time_level_and_values() -> None:
    stream = logged()
    structlog.get_logger().info("page sent", incident=7, dedup_key="monitor:eu:1:1")
    line = json.loads(stream.getvalue())
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "page sent", "level": "info", "incident": 7, "dedup_key": "monitor:eu:1:1"}


@pytest.mark.parametrize("format", ["json", "console"])
def test_other_libraries_lines_and_exceptions_are_redacted_too(format: Format) -> None:
    stream = logged(format)
    log = structlog.get_logger()
    logging.getLogger("uvicorn.access").info('%s - "GET /x?token=%s" %d', "127.0.0.1", "sesame", 200)
    logging.getLogger("some.library").warning("connecting to %s", "postgresql://user:sesame@db/x")
    log.info("asked", headers={"Authorization": "Bearer sesame", "X-Api-Key": "sesame"}, password="sesame")
    try:
        raise ValueError(f"no such key: {SECRET}") from KeyError(SECRET)
    except ValueError:
        log.exception("failed", value=SECRET)
        logging.getLogger("some.library").exception("failed with %r", SECRET)
    text = stream.getvalue()
    assert "sesame" not in text
    assert "hunter2" not in text
    assert text.count("Traceback") == 2
    assert "ValueError: no such key: ***" in text


values = st.none() | st.integers() | st.floats() | st.text(max_size=8) | st.just(SECRET) | st.binary(max_size=5)
anything = st.recursive(
    values | st.builds(ValueError, st.just(SECRET)),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.just(SECRET), inner, max_size=3)
    ),
    max_leaves=6,
)
names = (st.text(max_size=8) | st.just(SECRET)).filter(lambda name: name not in {"event", "exc_info", "stack_info"})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.sampled_from(["json", "console"]),
    st.text(max_size=20),
    st.text(max_size=20),
    st.dictionaries(names, anything, max_size=4),
    st.booleans(),
)
def test_a_known_secret_is_in_no_line_whatever_is_logged(
    format: Format, before: str, after: str, fields: dict[str, Any], raised: bool
) -> None:
    stream = logged(format)
    error = ValueError(SECRET, {"key": SECRET}) if raised else None
    structlog.get_logger().warning(before + SECRET + after, **fields, exc_info=error)
    logging.getLogger("some.library").error("%s %r", SECRET, fields, exc_info=error)
    text = stream.getvalue()
    for form in (SECRET, json.dumps(SECRET)[1:-1], repr(SECRET)[1:-1], json.dumps(SECRET, ensure_ascii=False)[1:-1]):
        assert form not in text
    assert text.count("\n") >= 2
    if format == "json":
        assert len([json.loads(line) for line in text.splitlines()]) == 2


def test_a_line_that_cannot_be_written_is_told_without_its_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    logged()
    logging.getLogger("some.library").warning("%d", SECRET)
    told = capsys.readouterr().err
    assert told.startswith("a log line of some.library (line ")
    assert "hunter2" not in told


def test_what_others_send_forges_no_line_on_a_terminal() -> None:
    stream = logged("console")
    logging.getLogger("some.library").warning("%s", "a\n2026-01-01 [info] forged \x1b[2J")
    structlog.get_logger().warning("refused", address="\x1b[2Jgone", path=["\x9b2J"], said="a\nforged")
    text = stream.getvalue()
    assert text.count("\n") == 2
    assert not {"\x1b", "\x9b"} & set(text)


def test_levels_and_the_chatter_of_libraries() -> None:
    stream = logged(level="warning")
    structlog.get_logger().info("not this")
    structlog.get_logger().warning("but this")
    configure_logs("debug", "json", stream=stream)
    logging.getLogger("httpx").info("HTTP Request")
    structlog.get_logger().debug("and this")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["but this", "and this"]


def test_warnings_and_errors_of_threads_are_lines() -> None:
    stream = logged()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        warnings.warn(f"deprecated {SECRET}", stacklevel=1)

    def fail() -> None:
        raise ValueError(SECRET)

    thread = threading.Thread(target=fail, name="worker")
    thread.start()
    thread.join()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["event"].split(" ")[0] for line in lines[1:]] == ["a"]
    assert "deprecated ***" in lines[0]["event"]
    assert lines[1]["thread"] == "worker"
    assert "ValueError: ***" in lines[1]["exception"]


ENDS_BADLY = """
import sys
from monitor.logs import configure_logs
from monitor.redact import register_secret
register_secret("hunter2-and-more")
configure_logs("info", sys.argv[1])
class Leaves:
    def __del__(self):
        raise RuntimeError("hunter2-and-more")
Leaves()
raise KeyError("postgresql://u:hunter2-and-more@db")
"""


@pytest.mark.parametrize("format", get_args(Format))
def test_an_error_that_ends_the_process_is_a_line_on_stderr(format: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", ENDS_BADLY, format], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "ended by an error that nothing caught" in ended.stderr
    assert "RuntimeError: ***" in ended.stderr
    assert "hunter2" not in ended.stderr
    assert ended.stderr.startswith("{") is (format != "console")  # no terminal: auto is json
