"""What a user may say of a target. Each field's description is what editors and `monitor check --schema` show of it."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    Field,
    SecretStr,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from probes.credentials import Auth
from probes.dialogue import DialogueStep, StartTls, mistake_in_dialogue
from probes.options import (
    DnsOptions,
    Expect,
    IcmpOptions,
    IpOptions,
    Model,
    OutageOptions,
    RecoveryOptions,
    Slo,
    TlsOptions,
)
from probes.quantity import Duration, format_duration

KIND_OF_SCHEME = {
    "http": "http",
    "https": "http",
    "tcp": "tcp",
    "tls": "tls",
    "dns": "dns",
    "dns+tcp": "dns",
    "dns+tls": "dns",
    "icmp": "icmp",
    "grpc": "grpc",
    "grpcs": "grpc",
    "ws": "websocket",
    "wss": "websocket",
}
TLS_SCHEMES = {"https", "tls", "dns+tls", "grpcs", "wss"}
NEEDS_PORT = {"tcp": 5432, "grpc": 50051, "grpcs": 443}  # and one for an example
Severity = Literal["critical", "error", "warning", "info"]
LONGEST_TIMEOUT = timedelta(seconds=5)  # of a target that does not set its own
SHORTEST = timedelta(milliseconds=100)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SUBPROTOCOL = f"^{_HEADER_NAME.pattern}$"  # RFC 6455 4.1: the same alphabet
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class TargetOptions(Model):
    """What may stand under `defaults:` and, for one target, beside its name."""

    every: Duration = Field(timedelta(seconds=10), description="how often the target is probed")
    failing_every: Duration | None = Field(
        None,
        description="how soon a failing target is probed again, beside its schedule, so that an outage is sure sooner; "
        "at most `every`, which means not at all. Default: a fifth of `every`, at least 1s",
    )
    timeout: Duration = Field(
        default_factory=lambda fields: min(LONGEST_TIMEOUT, fields.get("every", LONGEST_TIMEOUT)),
        description="when a probe is given up; at most `every`. Default: 5s, or `every` where that is shorter",
    )
    outage: OutageOptions = Field(OutageOptions(), description="when failing probes become an outage")
    recovery: RecoveryOptions = Field(RecoveryOptions(), description="when an outage is over")
    slo: Slo | None = Field(None, description="objectives; without them only outages are judged")
    tls: TlsOptions = Field(TlsOptions(), description="certificate and TLS grade")
    resolve: Literal["cached", "afresh"] = Field(
        "cached",
        description="cached: the address's name is asked for when what is known of it ends; afresh: at each probe",
    )
    ip: IpOptions = Field(IpOptions(), description="which of a name's addresses are used")
    addresses: Literal["first", "all"] = Field(
        "first",
        description="first: the first of a name's addresses that takes a connection; all: each, up to 16",
    )
    dns: DnsOptions = Field(DnsOptions(), description="how a DNS server is asked")
    expect: Expect = Field(Expect(), description="what a good answer looks like")
    reuse: bool = Field(
        False,
        description="whether the connection is kept open from one probe to the next, which then has no connect and tls",
    )
    http2: bool = Field(False, description="https:// only: speak HTTP/2 where the server agrees, else HTTP/1.1")
    icmp: IcmpOptions = Field(IcmpOptions(), description="the echo request of icmp:// targets")
    max_body_bytes: int = Field(1_048_576, ge=0, description="how much of a body is read")
    max_redirects: int = Field(5, ge=0, le=20, description="how many redirects are followed; 0: none")
    proxy: SecretStr | None = Field(
        None,
        description="http:// or https:// address of a proxy; with a password as env:NAME or file:PATH",
    )
    runbook: Path | None = Field(None, description="the Markdown runbook of this target's incidents")
    severity: Severity = Field("critical", description="the severity of its pages")
    route: str = Field("default", description="the route of pagerduty.routes that is paged")
    ticket_route: str | None = Field(
        None, description="the route that is told of tickets; without it a ticket is an incident that pages nobody"
    )

    @field_validator("proxy")
    @classmethod
    def _proxy_address(cls, value: SecretStr | None) -> SecretStr | None:
        """Never shows the value: it may hold a password."""
        if value is not None and not value.get_secret_value().startswith(("env:", "file:")):
            try:
                parts = urlsplit(value.get_secret_value())
                right = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
            except ValueError:
                right = False
            if not right or parts.path not in ("", "/") or parts.query or parts.fragment:
                raise ValueError("must be an address such as http://proxy.example.com:3128")
        return value

    @field_validator("every", "timeout", "failing_every")
    @classmethod
    def _long_enough(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and value < SHORTEST:
            raise ValueError(f"{format_duration(value)} is too short; it must be at least {format_duration(SHORTEST)}")
        return value

    @field_validator("failing_every")
    @classmethod
    def _not_slower(cls, value: timedelta | None, others: ValidationInfo) -> timedelta | None:
        every = others.data.get("every")
        if value is not None and every is not None and value > every:
            raise ValueError(
                f"failing_every ({format_duration(value)}) must not be longer than every ({format_duration(every)})"
            )
        return value

    @field_validator("timeout")
    @classmethod
    def _within_interval(cls, value: timedelta, others: ValidationInfo) -> timedelta:
        every = others.data.get("every")
        if every is not None and value > every:
            raise PydanticCustomError(
                "timeout_over_every",
                "timeout ({timeout}) must not be longer than every ({every}): probes of one target would overlap",
                {"timeout": format_duration(value), "every": format_duration(every)},
            )
        return value


class Target(TargetOptions):
    """One thing to probe, with all its options. Picklable: probe workers get it from another process."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,199}$")] = Field(
        description="what incidents and metrics call it; incidents belong to the name, so keep it"
    )
    url: str = Field(
        description="http://, https://, tcp:// with a port, tls://, dns://, dns+tcp://, dns+tls://, icmp://, "
        "grpc:// or grpcs:// with a port, ws:// or wss:// address to probe"
    )
    method: Annotated[str, StringConstraints(pattern=r"^[A-Z]+$")] = Field("GET", description="the HTTP method")
    headers: dict[str, SecretStr] = Field(
        default_factory=dict,
        description="headers, or metadata of gRPC, to send; a secret one only as env:NAME or file:PATH",
    )
    subprotocols: tuple[Annotated[str, StringConstraints(pattern=_SUBPROTOCOL)], ...] = Field(
        (), description="WebSocket subprotocols to ask for; the server must agree to one of them"
    )
    body: str | None = Field(None, description="what to send as body; not a place for secrets")
    auth: Auth | None = Field(None, description="how its requests are authorised: basic, bearer, digest or oauth2")
    starttls: StartTls | None = Field(
        None, description="the protocol in which TLS is asked for before it begins, on tcp:// and tls://"
    )
    dialogue: tuple[DialogueStep, ...] = Field(
        (),
        description="tcp://, tls://, ws:// and wss://: what is expected and sent, a list of steps with expect, send, "
        "starttls",
    )

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            port = parts.port
        except ValueError as error:
            text = str(error)
            raise ValueError(
                f"is not an address: {text[:1].lower()}{text[1:]}; write one such as https://example.com:8443/"
            ) from None
        known = ", ".join(f"{scheme}://" for scheme in KIND_OF_SCHEME)
        if "://" not in value:
            raise ValueError(f"the address has no scheme; one of {known} is expected, such as https://example.com/")
        if parts.scheme not in KIND_OF_SCHEME:
            raise ValueError(f"the scheme {parts.scheme!r} cannot be probed; one of {known} is expected")
        if not parts.hostname and KIND_OF_SCHEME[parts.scheme] != "dns":
            raise ValueError("the address has no host")
        if re.search(r"[\s\x00-\x1f\x7f]", value):
            raise ValueError("the address has a space or a control character; write them as %20 and the like")
        if port is None and parts.scheme in NEEDS_PORT:
            example = f"{parts.scheme}://db.example.com:{NEEDS_PORT[parts.scheme]}"
            raise ValueError(f"a {parts.scheme} target needs a port, such as {example}")
        if port is not None and parts.scheme == "icmp":
            raise ValueError("an icmp target has no port; remove it")
        if parts.username is not None or parts.password is not None:
            raise ValueError("a user or password does not belong in an address; use auth")
        return value

    @field_validator("headers")
    @classmethod
    def _sendable(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        """Never shows a value: it may be a secret."""
        for name, content in value.items():
            if not _HEADER_NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not the name of a header; it takes letters, digits and hyphens")
            if _CONTROL.search(content.get_secret_value()):
                raise ValueError(f"the value of {name} has a line break or another control character")
        if len({name.lower() for name in value}) < len(value):
            raise ValueError("a header is given twice; names of headers have no case")
        return value

    @field_validator("dialogue")
    @classmethod
    def _speakable(cls, value: tuple[DialogueStep, ...], others: ValidationInfo) -> tuple[DialogueStep, ...]:
        scheme = urlsplit(others.data.get("url", "")).scheme
        if scheme in ("ws", "wss") and any(step.starttls for step in value):
            raise ValueError("TLS cannot begin within a WebSocket; write wss:// in place of starttls")
        begins_with_tls = scheme == "tls" or bool(others.data.get("starttls"))
        if mistake := mistake_in_dialogue(value, tls=begins_with_tls):
            raise ValueError(mistake)
        return value

    @model_validator(mode="after")
    def _authorised_once(self) -> Self:
        if self.auth is not None and any(name.lower() == "authorization" for name in self.headers):
            raise ValueError("headers has Authorization, and auth would set it, too; remove one of them")
        return self

    @property
    def kind(self) -> str:
        """The probe that measures it: a key of probes.PROBES."""
        return KIND_OF_SCHEME[self.url.partition(":")[0].lower()]  # urlsplit, 10 us, has been through it already

    @property
    def failing_every_seconds(self) -> float:
        """From the end of a probe that failed to the next; infinite when that is not to be sooner than usual."""
        every = self.every.total_seconds()
        soon = self.failing_every.total_seconds() if self.failing_every else max(1.0, every / 5)
        return soon if soon < every else math.inf

    @property
    def with_tls(self) -> bool:
        """Whether a handshake is part of its probe."""
        return self.starttls is not None or self.url.partition("://")[0].lower() in TLS_SCHEMES

    @property
    def graded(self) -> bool:
        """Whether its TLS is graded: `defaults` may ask for a grade where there is no TLS."""
        return self.tls.grade is not None and urlsplit(self.url).scheme == "https"

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
