"""A JSON Schema of the settings file, with which editors complete and check it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from monitor.redact import SECRET_HEADER_WORDS
from monitor.settings.merge import section_of
from monitor.settings.model import PROXY_PATTERN, REFERENCE_PATTERN, Settings
from monitor.settings.references import SECRETS_OF_AUTH
from probes.credentials import Auth
from probes.quantity import format_duration

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _AsWritten(GenerateJsonSchema):
    """Defaults in the spelling of the file, and no titles that only repeat a field's name."""

    def encode_default(self, dft: Any) -> Any:
        if isinstance(dft, timedelta):
            return format_duration(dft)
        return dft.model_dump(mode="json", by_alias=True) if isinstance(dft, BaseModel) else super().encode_default(dft)

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False


def schema_of_settings() -> dict[str, Any]:
    """What the file alone can be held to: names, types and forms; not what needs the disk or the environment."""
    schema = Settings.model_json_schema(schema_generator=_AsWritten)
    parts = schema["$defs"]
    named = {
        "additionalProperties": {"type": "string"},
        "patternProperties": {_any_case(SECRET_HEADER_WORDS): {"type": "string", "pattern": REFERENCE_PATTERN}},
    }
    parts["Target"]["properties"]["headers"] |= named
    parts["OAuth2Credentials"]["properties"]["parameters"] |= named
    for (section, field), kind in SECRETS_OF_AUTH:
        model = section_of(Auth, section)
        assert model is not None
        described = parts[model.__name__]["properties"][field]
        described["pattern"] = REFERENCE_PATTERN if kind == "secret" else "."
        del described["format"], described["writeOnly"]  # what is written here is no password
    for options in ("TargetOptions", "Target"):
        parts[options]["properties"]["proxy"]["anyOf"][0] = {"type": "string", "pattern": PROXY_PATTERN}
    parts["Auth"] |= {"minProperties": 1, "maxProperties": 1}
    parts["Route"] |= {
        "if": {"properties": {"driver": {"const": "sink"}}, "required": ["driver"]},
        "then": {"required": ["file"], "properties": {"routing_key": False}},
        "else": {"required": ["routing_key"], "properties": {"file": False}},
    }
    parts["PagerDuty"]["properties"]["routes"]["additionalProperties"] = False
    schema["properties"]["targets"]["minItems"] = 1
    return {"$schema": DIALECT, **schema, "title": "Settings of monitor", "required": ["pagerduty", "targets"]}


def _any_case(words: tuple[str, ...]) -> str:
    """A pattern of any of these words: the expressions of JSON Schema have no flag for it."""
    return "|".join("".join(f"[{letter.upper()}{letter}]" for letter in word) for word in words)
