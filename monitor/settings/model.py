"""Everything a user can configure: one pydantic model tree."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, PrivateAttr, SecretStr, WithJsonSchema, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from probes.options import Model
from probes.quantity import Duration
from probes.target import Target, TargetOptions

REFERENCE_PATTERN = r"^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$"
PROXY_PATTERN = rf"{REFERENCE_PATTERN}|^https?://[^/@]+/?$"
STORE_URL_PATTERN = rf"{REFERENCE_PATTERN}|^(sqlite|postgres(ql)?)(\+[a-z0-9]+)?://(?![^/]*:[^/]*@)"
Reference = Annotated[SecretStr, WithJsonSchema({"type": "string", "pattern": REFERENCE_PATTERN})]
StoreUrl = Annotated[SecretStr, WithJsonSchema({"type": "string", "pattern": STORE_URL_PATTERN})]
DriverName = Literal["pagerduty", "pagerduty-v1", "sink"]
ROUTE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
REGION_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"


def _http_address(value: str | None) -> str | None:
    if value is not None:
        try:
            parts = urlsplit(value)
            right = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:  # brackets without an address in them, a port that is none
            right = False
        if not right or not value.isprintable() or " " in value:
            raise ValueError("must be an address such as https://example.com or http://127.0.0.1:8080")
        if parts.username is not None or parts.password is not None:
            raise ValueError("a user or password does not belong in this address")
    return value


class Route(Model):
    """One way to reach people: a PagerDuty integration, or a file that takes the pages instead."""

    driver: DriverName = Field("pagerduty", description="pagerduty (usual), pagerduty-v1 (old keys) or sink (a file)")
    routing_key: Reference | None = Field(
        None, description="PagerDuty's integration key, as env:NAME or file:PATH; never the key itself"
    )
    file: Path | None = Field(None, description="sink only: the file to which each page is appended as a JSON line")


class PagerDuty(Model):
    events_url: str = Field("https://events.pagerduty.com", description="where events are sent")
    routes: dict[Annotated[str, Field(pattern=ROUTE_NAME)], Route] = Field(
        default_factory=dict, description="the ways to reach people, by the name that a target's `route` gives"
    )

    _address = field_validator("events_url")(_http_address)


class StoreOptions(Model):
    url: StoreUrl | None = Field(
        None,
        description="postgresql://... or sqlite:///...; with a password: env:NAME or file:PATH. "
        "Default: SQLite in the data folder",
    )


class WebOptions(Model):
    listen: str = Field("127.0.0.1:9780", description="HOST:PORT of metrics, health and page; [::1]:9780 for IPv6")
    external_url: str | None = Field(None, description="how people reach this daemon, for links in pages")
    expose_page: bool = Field(False, description="serve the status page on an address that is not loopback")

    _address = field_validator("external_url")(_http_address)

    @field_validator("listen")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        found = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^\s:\[\]]+):(\d{1,5})", value)
        if not found or int(found[2]) > 65535:
            raise ValueError(f"{value!r} is not HOST:PORT; write one such as 127.0.0.1:9780 or [::1]:9780")
        return value

    @property
    def host(self) -> str:
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.listen.rpartition(":")[2])


class RunbookOptions(Model):
    base_url: str | None = Field(None, description="where people read the runbooks; a runbook's path is added to it")

    _address = field_validator("base_url")(_http_address)


class DashboardOptions(Model):
    url: str | None = Field(None, description="address of a target's dashboard; {target} becomes the target's name")

    _address = field_validator("url")(_http_address)

    @field_validator("url")
    @classmethod
    def _known_placeholders(cls, value: str | None) -> str | None:
        try:
            names = {
                f"{name}{spec}{conversion or ''}"
                for _, name, spec, conversion in Formatter().parse(value or "")
                if name is not None
            }
        except ValueError:
            raise ValueError("has a brace without its pair; only {target} can be filled in") from None
        if names - {"target"}:
            raise ValueError("only {target} can be filled in")
        return value


class Retention(Model):
    results: Duration = Field(timedelta(hours=24), description="how long each single result is kept")
    minutes: Duration = Field(timedelta(days=30), description="how long the sums of each minute are kept")

    @field_validator("results", "minutes")
    @classmethod
    def _at_least_an_hour(cls, value: timedelta) -> timedelta:
        if value < timedelta(hours=1):
            raise ValueError("must be at least 1h")
        return value


class LogOptions(Model):
    level: Literal["debug", "info", "warning", "error"] = Field("info", description="the least that is logged")
    format: Literal["auto", "json", "console"] = Field("auto", description="auto: console on a terminal, else json")


class Settings(BaseSettings):
    """The settings of one daemon, complete: defaults merged into targets, secrets resolved, paths absolute.

    Made by `load_settings` or `settings_of_target_list`; built by hand it reads no environment.
    """

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix="MONITOR_", env_nested_delimiter="__", hide_input_in_errors=True
    )

    region: Annotated[str, Field(pattern=REGION_NAME)] = Field(
        "local", description="where this daemon probes from; part of every result and dedup key"
    )
    pagerduty: PagerDuty = PagerDuty()
    defaults: TargetOptions = Field(TargetOptions(), description="what every target has unless it says otherwise")
    targets: tuple[Target, ...] = Field((), description="what is probed")
    store: StoreOptions = StoreOptions()
    data: Path = Field(Path("data"), description="the folder for everything that the daemon keeps")
    web: WebOptions = WebOptions()
    runbooks: RunbookOptions = RunbookOptions()
    dashboards: DashboardOptions = DashboardOptions()
    retention: Retention = Retention()
    workers: int | None = Field(
        None,
        ge=1,
        le=64,
        description="processes that probe. Default: one a core, but no more than the load needs: one for every 1250 "
        "probes a second, or 250 with TLS",
    )
    logs: LogOptions = LogOptions()
    secrets_dir: Path | None = Field(
        None, description="a folder whose files override settings: pagerduty__routes__default__routing_key"
    )

    _folder: Path = PrivateAttr(default_factory=Path.cwd)

    @field_validator("data")
    @classmethod
    def _no_file(cls, value: Path) -> Path:
        if value.exists() and not value.is_dir():
            raise ValueError("is not a folder; give the path of a folder")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what it is given: `load_settings` lays sources over each other itself, to know each value's origin."""
        return (init_settings,)

    @classmethod
    def of_folder(cls, folder: Path, values: dict[str, Any]) -> Self:
        """The settings of a file in `folder`. Raises pydantic's ValidationError."""
        settings = cls(**values)
        settings._folder = folder.absolute()
        return settings

    @property
    def store_url(self) -> SecretStr:
        """The database's address: as set, or SQLite in the data folder."""
        from monitor.store.address import sqlite_url

        return self.store.url or SecretStr(sqlite_url(self.data / "monitor.sqlite"))

    @property
    def folder(self) -> Path:
        """The settings file's own folder, absolute: where its relative paths begin."""
        return self._folder

    def runbook_name(self, target: Target) -> str | None:
        """The runbook's path as seen from the settings file: what people know it by."""
        if target.runbook is None:
            return None
        inside = target.runbook.is_relative_to(self._folder)
        return (target.runbook.relative_to(self._folder) if inside else Path(target.runbook.name)).as_posix()
