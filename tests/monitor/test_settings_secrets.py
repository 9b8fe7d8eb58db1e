"""A secret in the wrong place, or of the wrong kind, is refused and repeated nowhere."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from pathlib import Path

import pytest

from monitor.errors import UserError
from monitor.redact import redact
from monitor.settings import load

SECRET = "s3cr3t-Pa55word"  # not one that its look betrays
PD_KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"  # as PagerDuty makes them
TARGET = "targets: [{name: api, url: 'http://a'%s}]\n"
CLIENT = "token_url: 'http://b', client_id: c, "
SINK = "pagerduty: {routes: {default: {driver: sink, file: p}}}\n"


def route(key: str) -> str:
    return f"pagerduty:\n  routes:\n    default:\n      routing_key: {key}\n" + TARGET % ""


def refused(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> str:
    """All that a refusal shows, its traceback included."""
    file = folder / "m.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        load(file, environ=environ or {})
    return "".join(traceback.format_exception(caught.value)) + repr(caught.value)


@pytest.mark.parametrize("secret", [SECRET, PD_KEY])
@pytest.mark.parametrize(
    "text",
    [
        route("%s"),
        route("'%s'"),
        route("[%s]"),
        route("{%s: 1}"),
        route("{env: %s}"),
        route("\n        - %s"),
        route("|\n        %s"),
        route("env:%s!"),
        route("'%s"),
        route('"%s'),
        route("%s: x"),
        route("@%s"),
        route("*%s"),
        route("!%s x"),
        route("!it's%s x"),
        route("&%s [x"),
        route("x\n\t%s"),
        route("!!int %s"),
        route("!!binary %s"),
        route("!!timestamp '%s'"),
        route("x\n      routing_key: %s"),
        route("env:A\n      routing_key: %s"),
        route("env:A\n      routingkey: %s"),
        route("env:A\n      driver: [%s]"),
        "pagerduty: %s\n" + TARGET % "",
        "pagerduty: {routes: %s}\n" + TARGET % "",
        "pagerduty: {routes: {default: %s}}\n" + TARGET % "",
        "pagerduty: {routes: [{routing_key: %s}]}\n" + TARGET % "",
        "pagerduty: {routing_key: %s}\n" + TARGET % "",
        "pagerduty: {events_url: 'https://user:%s@example.com'}\n" + TARGET % "",
        "pagerduty: {events_url: %s}\n" + TARGET % "",
        SINK + TARGET % ", headers: {Authorization: 'Bearer %s'}",
        SINK + TARGET % ", headers: {X-Api-Key: '%s'}",
        SINK + TARGET % ", headers: {X-Anything: 'Basic %s'}",
        SINK + TARGET % ", headers: {Authorization: [%s]}",
        SINK + TARGET % ", headers: [Authorization, %s]",
        SINK + TARGET % ", headers: '%s'",
        SINK + TARGET % ", auth: '%s'",
        SINK + TARGET % ", auth: {basic: {user: a, password: '%s'}}",
        SINK + TARGET % ", auth: {basic: {user: a, password: [%s]}}",
        SINK + TARGET % ", auth: {basic: '%s'}",
        SINK + TARGET % ", auth: {digest: {user: a, password: '%s'}}",
        SINK + TARGET % ", auth: {digest: {user: a, pasword: '%s'}}",
        SINK + TARGET % ", auth: {bearer: {token: '%s'}}",
        SINK + TARGET % ", auth: {bearer: {token: env:A, tokn: '%s'}}",
        SINK + TARGET % (", auth: {oauth2: {" + CLIENT + "client_secret: '%s'}}"),
        SINK + TARGET % ", auth: {oauth2: {token_url: 'http://u:%s@b', client_id: c, client_secret: env:A}}",
        SINK + TARGET % ", auth: {oauth2: {token_url: '%s', client_id: c, client_secret: env:A}}",
        SINK + TARGET % (", auth: {oauth2: {" + CLIENT + "client_secret: env:A, parameters: {api_token: '%s'}}}"),
        SINK + TARGET % (", auth: {oauth2: {" + CLIENT + "client_secret: env:A, scopes: ['a %s']}}"),
        SINK + TARGET % ", auth: {bearer: {token: env:A}}, headers: {Authorization: 'Bearer %s'}",
        SINK + TARGET % ", proxy: 'http://user:%s@proxy:3128'",
        SINK + TARGET % ", proxy: '%s'",
        SINK + TARGET % ", proxy: [%s]",
        SINK + "defaults: {proxy: 'http://user:%s@proxy:3128'}\n" + TARGET % "",
        SINK + TARGET % ", authorization: %s",
        SINK + TARGET % ", headers: {Cookie: \"%s\\r\\nX: y\"}",
        SINK + "targets: [{name: api, url: 'https://user:%s@example.com'}]\n",
        SINK + "targets: [{name: api, url: 'https://%s@example.com'}]\n",
        SINK + "store: {url: 'postgresql://user:%s@db/monitor'}\n" + TARGET % "",
        SINK + "store: {url: 'postgresql://user:%s@[db/monitor'}\n" + TARGET % "",
        SINK + "store: {url: 'mysql://user:%s@db/monitor'}\n" + TARGET % "",
        SINK + "store: {url: '%s'}\n" + TARGET % "",
        SINK + "store: %s\n" + TARGET % "",
    ],
)  # fmt: skip
def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path: Path, text: str, secret: str) -> None:
    shown = refused(tmp_path, text.replace("%s", secret), {"A": "a-good-key"})
    assert secret not in shown
    assert "m.yaml:" in shown


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MONITOR_PAGERDUTY__ROUTES__DEFAULT__ROUTING_KEY", f'["{SECRET}"]\n'),
        ("MONITOR_PAGERDUTY__ROUTES__DEFAULT__ROUTING_KEY__KEY", SECRET),
        ("MONITOR_PAGERDUTY__ROUTES__DEFAULT__ROUTINGKEY", SECRET),
        ("MONITOR_PAGERDUTY__ROUTES__DEFAULT", SECRET),
        ("MONITOR_PAGERDUTY__ROUTES", SECRET),
        ("MONITOR_PAGERDUTY", f'{{"routes": "{SECRET}"'),
        ("MONITOR_PAGERDUTY__ROUTING_KEY", SECRET),
        ("MONITOR_STORE", f"postgresql://u:{SECRET}@db/x"),
        ("MONITOR_STORE__URL", f"mysql://u:{SECRET}@db/x"),
        ("MONITOR_STORE__URL", f"postgresql://u:{SECRET}\n@db/x"),
        ("MONITOR_TARGETS__API__HEADERS__AUTHORIZATION", f"Bearer {SECRET}\r\nX: y"),
        ("MONITOR_TARGETS__API__HEADERS", f"Bearer {SECRET}"),
    ],
)
def test_a_secret_in_a_wrong_variable_is_not_repeated(tmp_path: Path, name: str, value: str) -> None:
    shown = refused(tmp_path, SINK + TARGET % "", {name: value})
    assert SECRET not in shown
    assert name in shown


def test_a_secret_in_a_wrong_secrets_file_is_not_repeated(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "pagerduty__routes__default__routingkey").write_text(SECRET)
    (folder / "pagerduty__routes").write_text(SECRET)
    shown = refused(tmp_path, f"secrets_dir: secrets\n{SINK}" + TARGET % "")
    assert SECRET not in shown
    assert "secrets/pagerduty__routes__default__routingkey: " in shown


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("env:NOT_SET", "the variable NOT_SET of env:NOT_SET is not set; set it where the monitor is started"),
        ("env:EMPTY", "env:EMPTY is empty; put the secret there"),
        ("env:LINES", "env:LINES has a line break or another control character inside"),
        ("env:SHORT", "env:SHORT is too short for a routing key"),
        ("env:SPACE", "env:SPACE has a space or a letter that no routing key has"),
        ("env:", "is not a reference to a secret; after env: comes the name of a variable"),
        ("env:A B", "is not a reference to a secret"),
        ("file:none.key", "file:none.key cannot be read: no such file or directory (looked for "),
        ("file:.", "file:. cannot be read: is a directory"),
        ("file:empty.key", "file:empty.key is empty"),
        ("file:binary.key", "file:binary.key is not UTF-8 text"),
        ("file:large.key", "file:large.key is larger than 64 KiB"),
    ],
)
def test_a_reference_that_leads_nowhere_is_told_with_its_field(tmp_path: Path, reference: str, said: str) -> None:
    (tmp_path / "empty.key").write_text("\n")
    (tmp_path / "binary.key").write_bytes(b"\xff\xfe")
    (tmp_path / "large.key").write_text("x" * 70_000)
    file = tmp_path / "m.yaml"
    file.write_text(route(f"'{reference}'"))
    with pytest.raises(UserError) as caught:
        load(file, environ={"EMPTY": "", "LINES": "a-key\nanother", "SHORT": "abc", "SPACE": "two words"})
    (problem,) = caught.value.problems
    assert problem.startswith(f"{file}:4: pagerduty.routes.default.routing_key: {said}")


def test_what_auth_and_proxy_refer_to_is_looked_up_and_masked(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret-of-a-client\n")
    (tmp_path / "m.yaml").write_text(
        SINK
        + """\
defaults: {proxy: env:PROXY}
targets:
  - name: a
    url: http://a
    auth:
      oauth2: {token_url: 'http://b', client_id: env:ID, client_secret: file:secret, parameters: {key: env:KEY, x: y}}
  - {name: b, url: 'http://b', proxy: null, auth: {basic: {user: prober, password: env:PASSWORD}}}
"""
    )
    values = {"PROXY": "http://u:pass-of-proxy@p:1", "ID": "id-of-client", "KEY": "key-one", "PASSWORD": "pass-of-b"}
    a, b = load(tmp_path / "m.yaml", environ=values).settings.targets
    assert a.proxy is not None
    assert a.proxy.get_secret_value() == values["PROXY"]
    assert a.auth is not None
    assert a.auth.oauth2 is not None
    assert a.auth.oauth2.client_id.get_secret_value() == "id-of-client"
    assert a.auth.oauth2.client_secret.get_secret_value() == "secret-of-a-client"
    assert {name: each.get_secret_value() for name, each in a.auth.oauth2.parameters.items()} == {
        "key": "key-one",
        "x": "y",
    }
    assert b.proxy is None
    assert b.auth is not None
    assert b.auth.basic is not None
    assert b.auth.basic.user.get_secret_value() == "prober"
    told = "pass-of-proxy id-of-client secret-of-a-client key-one pass-of-b prober"
    assert redact(told) == "*** *** *** *** *** prober"
    assert not any(secret in repr((a, b)) for secret in told.split()[:-1])


def test_what_is_read_as_a_secret_is_masked_from_then_on(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(
        "pagerduty: {routes: {default: {routing_key: env:KEY}}}\nstore: {url: env:URL}\n"
        + TARGET % ", headers: {Authorization: env:AUTH, Accept: text/unmasked}"
    )
    values = {"KEY": "routing-key-one", "AUTH": "Bearer token-two", "URL": "postgresql://u:pass%2Fthree@db/monitor"}
    load(tmp_path / "m.yaml", environ=values)
    text = redact("a routing-key-one b token-two c pass%2Fthree d pass/three e text/unmasked")
    assert text == "a *** b *** c *** d *** e text/unmasked"


@pytest.mark.parametrize("url", ["postgresql://user@db/monitor", "sqlite:///kept.sqlite"])
def test_an_address_without_password_may_stand_in_the_file(tmp_path: Path, url: str) -> None:
    (tmp_path / "m.yaml").write_text(SINK + f"store: {{url: '{url}'}}\n" + TARGET % "")
    assert load(tmp_path / "m.yaml", environ={}).settings.store_url.get_secret_value() == url


def dialogue(send: str) -> str:
    return SINK + "targets:\n- name: mail\n  url: tcp://a:25\n  dialogue:\n  - send: " + send + "\n"


def test_a_dialogue_takes_secrets_by_reference(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    (tmp_path / "pw").write_text("of-the-file$1\n")
    environ = {"LOGIN": "AUTH PLAIN b64-of-the-variable"}
    for send, sent in (
        ("env:LOGIN", "AUTH PLAIN b64-of-the-variable\n"),
        ("file:pw", "of-the-file$1\n"),
        (r'"PASS ${file:pw}\r"', "PASS of-the-file$1\r\n"),
        (r'"A ${env:LOGIN} $$ ${file:pw}"', "A AUTH PLAIN b64-of-the-variable $ of-the-file$1\n"),
    ):
        file.write_text(dialogue(send))
        (target,) = load(file, environ=environ).settings.targets
        step = target.dialogue[0]
        assert step.send is not None
        assert step.send.filled(None) == sent
        assert "of-the" not in f"{target!r} {step.send}"
    assert redact("AUTH PLAIN b64-of-the-variable, of-the-file$1") == "***, ***"
    file.write_text(dialogue("env:NOT_HERE"))
    load(file, environ={}, resolve_secrets=False)


@pytest.mark.parametrize(
    ("send", "said"),
    [
        ("env:NOT_SET", "targets[mail].dialogue[0].send: the variable NOT_SET of env:NOT_SET is not set"),
        ("'PASS ${env:NOT_SET}'", "the variable NOT_SET of env:NOT_SET is not set"),
        ("'PASS ${file:gone}'", "file:gone cannot be read"),
        ("'PASS ${env:}'", "has a reference to no secret; after env: comes the name of a variable"),
        ("'PASS ${env:A B}'", "has a reference to no secret"),
        ("env:A-B", "is not a reference to a secret; within a text write it as ${env:NAME}"),
        (f"[{SECRET}]", "must be text"),
        ("on", "must be text; the value without quotes is true or false in YAML"),
    ],
)
def test_a_wrong_reference_in_a_dialogue_is_told(tmp_path: Path, send: str, said: str) -> None:
    shown = refused(tmp_path, dialogue(send))
    assert said in shown
    assert SECRET not in shown
