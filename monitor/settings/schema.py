"""A JSON Schema of the settings file, with which editors complete and check it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from monitor.redact import SECRET_HEADER_WORDS
from monitor.settings.model import REFERENCE_PATTERN, Settings
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
    parts["Target"]["properties"]["headers"] |= {
        "additionalProperties": {"type": "string"},
        "patternProperties": {_any_case(SECRET_HEADER_WORDS): {"type": "string", "pattern": REFERENCE_PATTERN}},
    }
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
