"""The schema agrees with `monitor check`, on the example and on files with one mistake each."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from monitor.errors import UserError
from monitor.settings import Settings, load
from monitor.settings.schema import schema_of_settings
from probes.options import OutageOptions

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "monitor.yaml"
SCHEMA = schema_of_settings()
VALIDATOR = Draft202012Validator(SCHEMA)


@pytest.fixture
def example() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text())
    return read


def test_the_schema_is_one_and_the_example_fits_it(example: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert list(VALIDATOR.iter_errors(example)) == []


def test_the_example_shows_every_section(example: dict[str, Any]) -> None:
    assert set(Settings.model_fields) - set(example) == {"secrets_dir"}


def test_defaults_stand_in_the_schema_as_people_write_them() -> None:
    parts = SCHEMA["$defs"]
    assert parts["OutageOptions"]["properties"]["for"]["default"] == "1m"
    assert parts["TargetOptions"]["properties"]["outage"]["default"] == {"failures": 3, "for": "1m"}
    assert OutageOptions.model_validate(parts["TargetOptions"]["properties"]["outage"]["default"]) == OutageOptions()
    sections = [SCHEMA, *parts.values()]
    silent = [name for part in sections for name, field in part["properties"].items() if not described(field)]
    assert silent == []


def described(field: dict[str, Any]) -> bool:
    return "description" in field or "$ref" in field


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("region",), "eu west"),
        (("regoin",), "eu"),
        (("targets",), []),
        (("targets",), None),
        (("workers",), 0),
        (("defaults", "every"), 10),
        (("defaults", "every"), "10"),
        (("defaults", "timeout"), "5 s"),
        (("targets", 0, "retries"), 1),
        (("targets", 0, "slo", "availability"), 99.9),
        (("targets", 0, "slo", "availability"), "99.9"),
        (("targets", 0, "tls", "grade"), "a"),
        (("targets", 0, "expect", "status"), 200),
        (("targets", 0, "expect", "status"), [20]),
        (("targets", 0, "headers", "Authorization"), "Bearer abc"),
        (("targets", 0, "headers", "x-api-key"), "abc"),
        (("targets", 0, "headers", "Accept"), 1),
        (("targets", 0, "auth"), {}),
        (("targets", 0, "auth"), {"bearer": {"token": "abc"}}),
        (("targets", 0, "auth"), {"bearer": {"token": "env:A"}, "basic": {"user": "a", "password": "env:B"}}),
        (("targets", 0, "auth"), {"basic": {"user": "a", "password": "b"}}),
        (("targets", 0, "auth"), {"oauth2": {"token_url": "http://a", "client_id": "a", "client_secret": "b"}}),
        (("targets", 0, "auth"), {"kerberos": {}}),
        (("targets", 0, "proxy"), "http://user:s3cr3t-of-a-proxy@proxy:3128"),
        (("targets", 0, "proxy"), "socks5://proxy:1080"),
        (("defaults", "proxy"), "proxy:3128"),
        (("targets", 0, "expect", "json", "a"), {"mtaches": "a"}),
        (("targets", 0, "expect", "json", "a"), ["a"]),
        (("targets", 0, "expect", "headers"), {"A": 1}),
        (("targets", 0, "expect", "size"), {"max": -1}),
        (("targets", 0, "expect", "http_version"), ["3"]),
        (("targets", 0, "expect", "tls"), {"version": 1.2}),
        (("pagerduty", "routes", "default", "routing_key"), "0123456789abcdef0123456789abcdef"),
        (("pagerduty", "routes", "default"), {}),
        (("pagerduty", "routes", "default", "driver"), "email"),
        (("pagerduty", "routes", "tickets"), {"driver": "sink"}),
        (("pagerduty", "routes", "a b"), {"driver": "sink", "file": "a"}),
        (("store", "url"), "postgresql://user:not-a-word-of-others@db/monitor"),
        (("store", "url"), "mysql://db/monitor"),
        (("logs", "level"), "loud"),
        (("retention", "results"), 24),
    ],
)
def test_a_mistake_is_one_for_the_schema_and_for_the_check(
    tmp_path: Path, example: dict[str, Any], path: tuple[str | int, ...], value: Any
) -> None:
    wrong = copy.deepcopy(example)
    wrong["targets"][0].pop("runbook")
    place: Any = wrong
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert not VALIDATOR.is_valid(wrong)
    (tmp_path / "m.yaml").write_text(yaml.safe_dump(wrong))
    with pytest.raises(UserError):
        load(tmp_path / "m.yaml", environ={}, resolve_secrets=False)


def fields_of(path: str, part: dict[str, Any]) -> list[str]:
    """The path of every field that holds a value."""
    found: list[str] = []
    for name, field in part["properties"].items():
        sections = [choice["$ref"] for choice in (field, *field.get("anyOf", [])) if "$ref" in choice]
        below = SCHEMA["$defs"][sections[0].rpartition("/")[2]] if sections else None
        found += fields_of(f"{path}{name}.", below) if below else [f"{path}{name}"]
    return found


def test_the_manual_names_every_field_and_no_other() -> None:
    parts = SCHEMA["$defs"]
    common = parts["TargetOptions"]["properties"]
    own = {name: field for name, field in parts["Target"]["properties"].items() if name not in common}
    known = [*fields_of("", SCHEMA), *fields_of("", {"properties": own}), *parts["Route"]["properties"]]
    manual = (EXAMPLE.parents[1] / "settings.md").read_text().partition("## Fields")[2]
    assert re.findall(r"^\| `([^`]+)`", manual, re.MULTILINE) == known
