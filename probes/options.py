"""The sections of what a user may say of a target. Each field's description is what editors and
`monitor check --schema` show of it."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import dns.exception
import dns.rcode
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    field_validator,
    model_validator,
)

from probes.quantity import Duration, Percent, format_duration

Letter = Literal["A+", "A", "A-", "B", "C", "D", "E", "F"]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")]


class Model(BaseModel):
    """Frozen, and an unknown field is an error: a misspelt setting must never be ignored. Errors never show the input:
    it may be a secret in the wrong place."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, hide_input_in_errors=True)


def _regular_expression(value: str) -> str:
    try:
        re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{value!r} is not a regular expression: {error}") from None
    return value


def _rcode(value: str) -> str:
    try:
        return dns.rcode.to_text(dns.rcode.from_text(value))
    except dns.exception.DNSException:
        raise ValueError(f"{value!r} is not a response code of DNS; write one such as NOERROR or NXDOMAIN") from None


Regex = Annotated[str, AfterValidator(_regular_expression)]
Rcode = Annotated[str, AfterValidator(_rcode)]


class BodyExpect(Model):
    """What the first `max_bytes` of the body, decoded with replacement of what is not text, must match."""

    regex: Regex | None = Field(None, description="a regular expression that must be found in the body")
    not_regex: Regex | None = Field(None, description="a regular expression that must not be found in the body")


class RecordsExpect(Model):
    """What the records of one section of a DNS answer must match: each as text, as it stands in a zone file,
    `example.com. 300 IN A 192.0.2.1`."""

    regex: Regex | None = Field(None, description="a regular expression that must be found in at least one record")
    not_regex: Regex | None = Field(None, description="a regular expression that must not be found in any record")


class DnsExpect(Model):
    """What a good answer of a DNS server looks like."""

    rcode: tuple[Rcode, ...] = Field(("NOERROR",), min_length=1, description="the response codes that are good")
    min_answers: int | None = Field(
        None,
        ge=0,
        le=65535,
        description="at least this many records of the type that was asked for; without it: one where the code is "
        "NOERROR",
    )
    answer: RecordsExpect = Field(RecordsExpect(), description="the records that answer")
    authority: RecordsExpect = Field(RecordsExpect(), description="the records that say who is responsible")
    additional: RecordsExpect = Field(RecordsExpect(), description="the records that come along")


class JsonExpect(Model):
    """What must hold of a value in a JSON body, where it is not one value that is expected."""

    matches: Regex | None = Field(None, description="a regular expression that must be found in it")
    exists: bool | None = Field(None, description="whether it must be there, or must not")
    min: float | None = Field(None, description="it must be a number, and at least this")
    max: float | None = Field(None, description="it must be a number, and at most this")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        others = (self.matches, self.min, self.max) != (None, None, None)
        if self.exists is None and not others:
            raise ValueError("expects nothing; write one of matches, exists, min, max")
        if self.exists is False and others:
            raise ValueError("what must not exist cannot be held to anything else; remove exists, or the rest")
        _check_order(self)
        return self


def _kind_of_expected(value: Any) -> str:
    return "(section)" if isinstance(value, dict | JsonExpect) else "(value)"


Scalar = str | int | float | bool | None
JsonExpected = Annotated[
    Annotated[Scalar, Tag("(value)")] | Annotated[JsonExpect, Tag("(section)")], Discriminator(_kind_of_expected)
]
UNION_TAGS = {"(section)", "(value)"}  # they stand in the places of pydantic's errors; no field is called so


class SizeExpect(Model):
    """How long a body must be, in bytes, after it was unpacked if it came compressed."""

    min: int | None = Field(None, ge=0, description="the body must have at least so many bytes")
    max: int | None = Field(None, ge=0, description="the body must have at most so many bytes")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        _check_order(self)
        return self


def _check_order(limits: JsonExpect | SizeExpect) -> None:
    if limits.min is not None and limits.max is not None and limits.min > limits.max:
        raise ValueError(f"min ({limits.min:g}) is more than max ({limits.max:g}); nothing could be right")


class TlsExpect(Model):
    """What the TLS session of the answer must be."""

    version: Literal["1.0", "1.1", "1.2", "1.3"] | None = Field(None, description="the oldest TLS version that is good")
    expiry: Duration | None = Field(None, description="the certificate must last at least this long from now")


class Expect(Model):
    """What a good answer looks like. `json` maps a path to the value it must have, or to what must hold of it."""

    status: tuple[Annotated[int, Field(ge=100, le=599)], ...] = Field(
        (), description="the HTTP statuses that are good; empty: any 2xx"
    )
    headers: dict[HeaderName, Regex] = Field(
        default_factory=dict,
        description="headers that must be there, each with a regular expression for its value",
    )
    not_headers: dict[HeaderName, Regex] = Field(
        default_factory=dict, description="headers in whose value, if they are there, the expression must not be found"
    )
    body: BodyExpect = Field(BodyExpect(), description="what the body must or must not match")
    json_: dict[str, JsonExpected] = Field(
        default_factory=dict,
        alias="json",
        description="for a JSON body: dotted path, such as checks.0.status, or JSONPath, such as $.checks[*].status, "
        "to the value that must stand there, or to {matches, exists, min, max}",
    )
    size: SizeExpect = Field(SizeExpect(), description="how long the body must be")
    http_version: tuple[Literal["1.0", "1.1", "2"], ...] = Field(
        (), description="the HTTP versions that are good; empty: any"
    )
    tls: TlsExpect = Field(TlsExpect(), description="what TLS the answer must come over")
    dns: DnsExpect = Field(DnsExpect(), description="what an answer of DNS must be")

    @field_validator("json_")
    @classmethod
    def _paths(cls, value: dict[str, JsonExpected]) -> dict[str, JsonExpected]:
        for path in value:
            if path.startswith("$"):
                from probes.engine.jsonpath import compiled  # a library that few need

                try:
                    compiled(path)
                except ValueError as error:
                    raise ValueError(f"{path!r} is not a JSONPath: {error}") from None
        return value


class LatencyObjective(Model):
    """`p99: 400ms`: 99 % of the good answers come within 400 ms."""

    p50: Duration | None = Field(None, description="half of the good answers come within this time")
    p90: Duration | None = Field(None, description="90 % of the good answers come within this time")
    p95: Duration | None = Field(None, description="95 % of the good answers come within this time")
    p99: Duration | None = Field(None, description="99 % of the good answers come within this time")
    p999: Duration | None = Field(None, description="99.9 % of the good answers come within this time")

    def objectives(self) -> tuple[tuple[str, float, float], ...]:
        """(name, share of answers that must be in time, threshold in seconds) of those that are set."""
        shares = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999}
        return tuple(
            (name, share, getattr(self, name).total_seconds())
            for name, share in shares.items()
            if getattr(self, name) is not None
        )


class Slo(Model):
    """The objectives of a target over a sliding window."""

    availability: Percent | None = Field(None, description="the share of probes that must succeed, such as 99.9%")
    latency: LatencyObjective = Field(LatencyObjective(), description="how soon answers must come")
    window: Duration = Field(timedelta(days=30), description="the time over which the error budget is counted")


class ExpiryThresholds(Model):
    """How long before a certificate's end a ticket is opened, and a person is paged."""

    ticket: Duration = Field(timedelta(days=21), description="open a ticket this long before the certificate ends")
    page: Duration = Field(timedelta(days=7), description="page a person this long before the certificate ends")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.page > self.ticket:
            page, ticket = format_duration(self.page), format_duration(self.ticket)
            raise ValueError(f"page ({page}) must not be longer before the end than ticket ({ticket})")
        return self


class TlsOptions(Model):
    """How a target's certificate is verified and its TLS graded."""

    grade: Letter | None = Field(None, description="the grade that must be reached; without it nothing is graded")
    every: Duration = Field(timedelta(hours=6), description="how often the endpoint is graded")
    expiry: ExpiryThresholds = Field(ExpiryThresholds(), description="when an ending certificate is reported")
    verify: bool = Field(True, description="whether an invalid certificate makes the probe fail")
    ca_file: Path | None = Field(None, description="a PEM file with the authorities to trust instead of the system's")
    server_name: str | None = Field(None, description="the name asked for and verified, if not the address's host")
    client_cert: Path | None = Field(
        None, description="a PEM file with the certificate that the prober shows (mTLS), its issuers after it"
    )
    client_key: Path | None = Field(
        None, description="a PEM file with its private key, without a passphrase, if not in client_cert"
    )

    @model_validator(mode="after")
    def _key_of_a_certificate(self) -> Self:
        if self.client_key is not None and self.client_cert is None:
            raise ValueError("client_key is of no use without client_cert")
        return self


def _ip_version(value: Any) -> Any:
    """A variable has text."""
    return int(value) if value in ("4", "6") else value


IpVersion = Annotated[Literal[4, 6], BeforeValidator(_ip_version)]


class IpOptions(Model):
    """Which of a name's addresses are used. An address in place of a name is used as it is."""

    prefer: IpVersion | None = Field(None, description="4 or 6: the IP version that is tried first")
    fallback: bool = Field(True, description="whether addresses of the other version are used, too")


class DnsOptions(Model):
    """How a DNS server is asked."""

    recursion: bool = Field(True, description="whether the server is asked to ask others for what it does not know")


class OutageOptions(Model):
    """When failing probes become an outage."""

    failures: int = Field(3, ge=1, description="this many failing probes in a row")
    for_: Duration = Field(timedelta(seconds=60), alias="for", description="and failing at least this long")


class RecoveryOptions(Model):
    """When an outage is over."""

    successes: int = Field(3, ge=1, description="this many good probes in a row")
    for_: Duration = Field(timedelta(seconds=30), alias="for", description="and good at least this long")


class IcmpOptions(Model):
    """The echo request of an icmp:// target."""

    size: int = Field(56, ge=16, le=65507, description="bytes of payload, besides the headers")
    ttl: int | None = Field(None, ge=1, le=255, description="how many hops it may take; default: the system's")
    dont_fragment: bool = Field(False, description="whether no router may take it apart: finds paths with a small MTU")
