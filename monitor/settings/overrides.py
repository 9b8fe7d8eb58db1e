"""Settings from `MONITOR_...` variables and from the files of a secrets folder.

pydantic-settings takes names apart and decodes values; it is asked one name at a time, so that each value keeps its
origin and all mistakes are found.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource, NestedSecretsSettingsSource, SecretsSettingsSource, SettingsError

from monitor.settings.model import Settings
from monitor.settings.node import Node, Origin, Source, node_of
from monitor.settings.problem import Problem

PREFIX = "MONITOR_"


class _OneName(EnvSettingsSource):
    """Besides what its parent knows, an item of a list may be named: MONITOR_TARGETS__0__URL."""

    def next_field(
        self, field: FieldInfo | Any | None, key: str, case_sensitive: bool | None = None
    ) -> FieldInfo | None:
        annotation = field.annotation if isinstance(field, FieldInfo) else field
        if get_origin(annotation) in (tuple, list):
            item: FieldInfo | None = get_args(annotation)[0]
            return item
        return super().next_field(field, key, case_sensitive)

    def read(self, name: str, value: str) -> dict[str, Any]:
        self.env_vars = {name.lower(): value}
        return self()


def from_environment(environ: Mapping[str, str]) -> tuple[list[Node], list[Problem]]:
    """One tree for each variable that names a setting."""
    found = {name: value for name, value in environ.items() if name.upper().startswith(PREFIX)}
    return _read_each(found, PREFIX, "variable", {name: name for name in found})


def from_secrets_folder(folder: Path) -> tuple[list[Node], list[Problem]]:
    """One tree for each file whose name is that of a setting: `pagerduty__routes__default__routing_key`."""
    try:
        source = NestedSecretsSettingsSource(
            SecretsSettingsSource(Settings, None), folder, secrets_dir_missing="error", secrets_prefix=""
        )
    except SettingsError as error:
        return [], [Problem(str(folder), "secrets_dir", f"{error}; put right the folder or the setting")]
    except UnicodeDecodeError:
        return [], [Problem(str(folder), "secrets_dir", "holds a file that is not UTF-8 text; remove it")]
    except OSError as error:
        return [], [Problem(str(error.filename or folder), "secrets_dir", f"cannot be read: {error.strerror}")]
    found = {name: value for name, value in source.env_vars.items() if value is not None}
    return _read_each(found, "", "secrets file", {name: str(folder / name) for name in found})


def _read_each(
    found: Mapping[str, str], prefix: str, source: Source, places: Mapping[str, str]
) -> tuple[list[Node], list[Problem]]:
    reader = _OneName(Settings, env_prefix=prefix, env_nested_delimiter="__")
    trees: list[Node] = []
    problems: list[Problem] = []
    for name, value in sorted(found.items()):
        top, nested, _ = name[len(prefix) :].lower().partition("__")
        if top not in Settings.model_fields:
            problems.extend(_unknown(top, bool(nested), prefix, places[name]))
            continue
        try:
            trees.append(node_of(reader.read(name, value), Origin(places[name], source=source)))
        except (SettingsError, ValueError):
            text = "is not JSON; write the whole field as JSON, or name the field inside it after two underscores"
            problems.append(Problem(places[name], name[len(prefix) :].lower().replace("__", "."), text))
    return trees, problems


def _unknown(top: str, nested: bool, prefix: str, place: str) -> list[Problem]:
    """Kubernetes sets MONITOR_PORT and the like beside a service called monitor: only what looks meant is a mistake."""
    near = difflib.get_close_matches(top, Settings.model_fields, n=1, cutoff=0.6 if nested else 0.8)
    if not near and not nested:
        return []
    known = f"did you mean {_spelt(near[0], prefix)}?" if near else f"known are {', '.join(Settings.model_fields)}"
    return [Problem(place, top, f"is not a setting; {known}")]


def _spelt(field: str, prefix: str) -> str:
    return f"{prefix}{field.upper()}" if prefix else field


def secrets_folder_of(environ: Mapping[str, str], document: Node, base: Path) -> Path | None:
    """MONITOR_SECRETS_DIR, or else the file's `secrets_dir`: known before the layers are merged."""
    from_variable = next((value for name, value in environ.items() if name.upper() == f"{PREFIX}SECRETS_DIR"), None)
    node = document.child("secrets_dir")
    written = from_variable or (node.value if node and isinstance(node.value, str) else None)
    return base / written if written else None
