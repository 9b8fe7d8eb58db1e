"""Which targets `monitor probe` is asked for, and with what changed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path

from monitor.errors import UserError
from monitor.settings import load_settings, target_of_url
from monitor.settings.files import FILE_CHECKS
from monitor.settings.model import REGION_NAME, Settings
from monitor.settings.problem import shown
from probes.quantity import format_duration, parse_duration
from probes.target import SHORTEST, Target, TargetOptions

_MOST_NAMES = 10


def chosen(what: Sequence[str], config: Path | None, region: str | None) -> tuple[list[Target], str]:
    """The targets, each once and in the order in which they were asked for, and the region. Of the secrets in the
    settings only those of these targets are looked up. Raises UserError with every mistake at once."""
    settings = None
    if config is not None:
        settings = load_settings(config, resolve_secrets=lambda name: any(_is_meant(name, each) for each in what))
    found: dict[str, Target] = {}
    problems: list[str] = []
    for each in what:
        try:
            found |= {target.name: target for target in _targets(each, settings, config)}
        except UserError as error:
            problems += error.problems
    region = region or (settings.region if settings else "local")
    if not re.fullmatch(REGION_NAME, region):
        problems.append(f"--region: {shown(region)} must be of the form {REGION_NAME}")
    if problems:
        raise UserError(*problems)
    return list(found.values()), region


def _is_meant(name: str, asked: str) -> bool:
    """An address is no pattern: its [::1] and ? mean themselves."""
    return name == asked if "://" in asked else fnmatchcase(name, asked)


def _targets(asked: str, settings: Settings | None, config: Path | None) -> list[Target]:
    known = settings.targets if settings else ()
    if meant := [target for target in known if _is_meant(target.name, asked)]:
        return meant
    if "://" in asked:
        return [target_of_url(asked, settings.defaults if settings else TargetOptions())]
    if settings is None:
        raise UserError(
            f"{shown(asked)} is no address; give the settings file that has it with -c FILE, "
            "or an address such as https://example.com/health"
        )
    names = [target.name for target in known]
    near = difflib.get_close_matches(asked, names, n=1)
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    remedy = f"did you mean {near[0]}?" if near else f"known are {', '.join(names[:_MOST_NAMES])}{more}"
    raise UserError(f"{shown(asked)} is no target of {config}; {remedy}")


def changed(targets: Sequence[Target], *, timeout: timedelta | None, ca_file: Path | None) -> list[Target]:
    """The targets as the flags want them; `every` bounds no timeout here, where nothing is scheduled."""
    if ca_file is not None:
        ca_file = ca_file.absolute()
        if problems := [f"--ca-file: {text}" for _, text in FILE_CHECKS["tls", "ca_file"](ca_file)]:
            raise UserError(*problems)
    changes = {} if timeout is None else {"timeout": timeout}
    tls = {} if ca_file is None else {"ca_file": ca_file}
    return [target.model_copy(update={**changes, "tls": target.tls.model_copy(update=tls)}) for target in targets]


def duration_of(flag: str, text: str) -> timedelta:
    try:
        value = parse_duration(text)
    except ValueError as error:
        raise UserError(f"{flag}: {error}") from None
    if value < SHORTEST:
        raise UserError(f"{flag}: {shown(text)} is too short; it must be at least {format_duration(SHORTEST)}")
    return value
