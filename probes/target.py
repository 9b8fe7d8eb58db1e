"""What a user may say of a target."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from probes.quantity import Duration, Percent

KIND_OF_SCHEME = {"http": "http", "https": "http", "tcp": "tcp", "dns": "dns"}
Letter = Literal["A+", "A", "A-", "B", "C", "D", "E", "F"]
Severity = Literal["critical", "error", "warning", "info"]


class Model(BaseModel):
    """Frozen, and an unknown field is an error: a misspelt setting must never be ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class BodyExpect(Model):
    """What the first `max_bytes` of the body, decoded with replacement of what is not text, must match."""

    regex: str | None = None
    not_regex: str | None = None

    @field_validator("regex", "not_regex")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                re.compile(value)
            except re.error as error:
                raise ValueError(f"{value!r} is not a regular expression: {error}") from None
        return value


class Expect(Model):
    """What a good answer looks like. `json` maps a dotted path (`checks.0.status`) to the value it must have."""

    status: tuple[Annotated[int, Field(ge=100, le=599)], ...] = ()  # empty: any 2xx
    body: BodyExpect = BodyExpect()
    json_: dict[str, str | int | float | bool | None] = Field(default_factory=dict, alias="json")


class LatencyObjective(Model):
    """`p99: 400ms`: 99 % of the good answers come within 400 ms."""

    p50: Duration | None = None
    p90: Duration | None = None
    p95: Duration | None = None
    p99: Duration | None = None
    p999: Duration | None = None

    def objectives(self) -> tuple[tuple[str, float, float], ...]:
        """(name, share of answers that must be in time, threshold in seconds) of those that are set."""
        shares = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}
        return tuple(
            (name, share, getattr(self, name).total_seconds())
            for name, share in shares.items()
            if getattr(self, name) is not None
        )


class Slo(Model):
    availability: Percent | None = None
    latency: LatencyObjective = LatencyObjective()
    window: Duration = timedelta(days=30)


class ExpiryThresholds(Model):
    """How long before a certificate's end a ticket is opened, and a person is paged."""

    ticket: Duration = timedelta(days=21)
    page: Duration = timedelta(days=7)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.page > self.ticket:
            raise ValueError("page must not be longer before the end than ticket")
        return self


class TlsOptions(Model):
    grade: Letter | None = None  # the objective; None: the endpoint is not graded
    every: Duration = timedelta(hours=6)
    expiry: ExpiryThresholds = ExpiryThresholds()
    verify: bool = True
    ca_file: Path | None = None
    server_name: str | None = None


class OutageOptions(Model):
    failures: int = Field(default=3, ge=1)
    for_: Duration = Field(default=timedelta(seconds=60), alias="for")


class RecoveryOptions(Model):
    successes: int = Field(default=3, ge=1)
    for_: Duration = Field(default=timedelta(seconds=30), alias="for")


class TargetOptions(Model):
    """What may stand under `defaults:` and, for one target, beside its name."""

    every: Duration = timedelta(seconds=10)
    timeout: Duration = timedelta(seconds=5)
    outage: OutageOptions = OutageOptions()
    recovery: RecoveryOptions = RecoveryOptions()
    slo: Slo | None = None
    tls: TlsOptions = TlsOptions()
    expect: Expect = Expect()
    max_body_bytes: int = Field(default=1_048_576, ge=0)
    max_redirects: int = Field(default=5, ge=0, le=20)
    runbook: Path | None = None
    severity: Severity = "critical"
    route: str = "default"
    ticket_route: str | None = None  # None: a ticket opens an incident, and pages nobody

    @field_validator("every", "timeout")
    @classmethod
    def _positive(cls, value: timedelta) -> timedelta:
        if value < timedelta(milliseconds=100):
            raise ValueError("must be at least 100ms")
        return value


class Target(TargetOptions):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,199}$")]
    url: str
    method: Annotated[str, Field(pattern=r"^[A-Z]+$")] = "GET"
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    body: str | None = None

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in KIND_OF_SCHEME:
            known = ", ".join(f"{scheme}://" for scheme in KIND_OF_SCHEME)
            raise ValueError(f"the scheme {parts.scheme!r} cannot be probed; one of {known} is expected")
        if not parts.hostname and parts.scheme != "dns":
            raise ValueError("the address has no host")
        if parts.scheme == "tcp" and parts.port is None:
            raise ValueError("a tcp target needs a port, such as tcp://db.example.com:5432")
        if parts.password is not None:
            raise ValueError("a password does not belong in an address; use headers with env: or file:")
        return value

    @model_validator(mode="after")
    def _timeout_within_interval(self) -> Self:
        if self.timeout > self.every:
            raise ValueError("timeout must not be longer than every: probes of one target would overlap")
        return self

    @property
    def kind(self) -> str:
        return KIND_OF_SCHEME[urlsplit(self.url).scheme]

    def with_defaults(self, defaults: TargetOptions) -> Target:
        """This target with every option that it does not set itself taken from `defaults`."""
        return self.model_validate(_merge(defaults, self))


def _merge(under: BaseModel, over: BaseModel) -> dict[str, Any]:
    merged: dict[str, Any] = {name: getattr(under, name) for name in under.model_fields_set}
    for name in over.model_fields_set:
        value = getattr(over, name)
        below = merged.get(name)
        merged[name] = type(value)(**_merge(below, value)) if isinstance(value, BaseModel) and below else value
    return merged
