"""How requests are authorised. In the settings file secrets are references, which monitor.settings looks up."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, field_validator, model_validator

from probes.options import Model

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCOPE = r"^[\x21\x23-\x5b\x5d-\x7e]+$"  # RFC 6749 A.4
OWN_PARAMETERS = ("grant_type", "client_id", "client_secret", "scope", "audience")


def _one_line(value: SecretStr) -> SecretStr:
    """Never shows the value."""
    if not value.get_secret_value() or _CONTROL.search(value.get_secret_value()):
        raise ValueError("must be one line of text without control characters")
    return value


Secret = Annotated[SecretStr, AfterValidator(_one_line)]


class UserPassword(Model):
    user: Secret = Field(description="the user's name; env:NAME or file:PATH if it is not to stand in the file")
    password: Secret = Field(description="the password, as env:NAME or file:PATH; never the password itself")


class BasicCredentials(UserPassword):
    """RFC 7617: sent with each request."""

    @field_validator("user")
    @classmethod
    def _no_colon(cls, value: SecretStr) -> SecretStr:
        if ":" in value.get_secret_value():
            raise ValueError("the user's name must have no colon: it ends at the first one")
        return value


class DigestCredentials(UserPassword):
    """RFC 7616: the password itself is never sent."""


class BearerCredentials(Model):
    """RFC 6750: a token that does not change."""

    token: Secret = Field(description="the token alone, as env:NAME or file:PATH; never the token itself")


class OAuth2Credentials(Model):
    """RFC 6749 4.4, client credentials: a token from `token_url`, kept until shortly before it ends."""

    token_url: str = Field(description="the address that gives tokens")
    client_id: Secret = Field(description="the client's name; env:NAME or file:PATH if it is not to stand in the file")
    client_secret: Secret = Field(description="the client's secret, as env:NAME or file:PATH; never the secret itself")
    scopes: tuple[Annotated[str, StringConstraints(pattern=_SCOPE)], ...] = Field(
        (), description="what the token is to be good for"
    )
    audience: str | None = Field(None, description="whom the token is meant for, where the token's server asks for it")
    parameters: dict[str, Secret] = Field(
        default_factory=dict, description="what else to send to token_url; a secret one only as env:NAME or file:PATH"
    )
    client_auth: Literal["basic", "post"] = Field(
        "basic", description="how the client is proven: basic (a header, usual) or post (in the form)"
    )

    @field_validator("token_url")
    @classmethod
    def _http_address(cls, value: str) -> str:
        """Never shows the value: a secret may stand in it by mistake."""
        try:
            parts = urlsplit(value)
            right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
            right = right and parts.username is None and parts.password is None
        except ValueError:
            right = False
        if not right or not value.isascii() or not value.isprintable() or " " in value:
            raise ValueError("must be an address such as https://login.example.com/oauth2/token, without a user in it")
        return value

    @field_validator("parameters")
    @classmethod
    def _not_our_own(cls, value: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name in value:
            if name in OWN_PARAMETERS:
                raise ValueError(f"{name} is sent already; it has a field of its own")
        return value


class Auth(Model):
    """One way to be authorised."""

    basic: BasicCredentials | None = Field(None, description="user and password with each request")
    bearer: BearerCredentials | None = Field(None, description="a token that does not change")
    digest: DigestCredentials | None = Field(None, description="user and password by challenge and response")
    oauth2: OAuth2Credentials | None = Field(None, description="a token by the client credentials grant")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        said = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(said) != 1:
            told = " and ".join(said) or "nothing"
            raise ValueError(f"has {told}; write exactly one of {', '.join(type(self).model_fields)}")
        return self
