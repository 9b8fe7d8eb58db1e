"""Every mistake is told at once, each with its place, its field, and what would be right."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
import trustme

from monitor.errors import UserError
from monitor.settings import load

ROUTES = "pagerduty: {routes: {default: {driver: sink, file: p}}}\n"
TARGET = "targets: [{name: api, url: 'http://a'%s}]\n"


def problems(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """The problems of this file, without the folder's path."""
    file = folder / "m.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        load(file, environ=environ or {})
    assert caught.value.exit_code == 2
    return [problem.replace(f"{folder}/", "") for problem in caught.value.problems]


def test_all_mistakes_at_once_each_at_its_line(tmp_path: Path) -> None:
    (tmp_path / "bad.md").write_text("---\nrunbook: 1\nid: x\ntitel: y\n---\n")
    told = problems(
        tmp_path,
        "regoin: eu\n"
        "pagerduty:\n"
        "  routes:\n"
        "    default: {routing_key: env:NOT_SET}\n"
        "    file: {driver: sink}\n"
        "defaults: {every: 10, timeout: 5s}\n"
        "targets:\n"
        "  - name: api\n"
        "    url: htp://a\n"
        "    slo: {availability: '999%'}\n"
        "    route: defualt\n"
        "  - name: api\n"
        "    url: http://a\n"
        "    runbook: missing.md\n"
        "    tls: {grade: a, ca_file: m.yaml}\n"
        "  - name: c\n"
        "    every: 2s\n"
        "    runbook: bad.md\n"
        "    expect: {status: [2000], body: {regex: '['}}\n",
        {"MONITOR_WEB__LISTEN": "here", "MONITOR_LOGS__LEVLE": "info"},
    )
    expected = [
        ("MONITOR_LOGS__LEVLE", "logs.levle: is not a field here; did you mean level?"),
        ("MONITOR_WEB__LISTEN", "web.listen: 'here' is not HOST:PORT; write one such as 127.0.0.1:9780"),
        ("bad.md:4", "titel"),
        ("m.yaml:1", "regoin: is not a field here; did you mean region?"),
        ("m.yaml:4", "pagerduty.routes.default.routing_key: the variable NOT_SET of env:NOT_SET is not set"),
        ("m.yaml:5", "pagerduty.routes.file.file: is missing; a sink needs the path"),
        ("m.yaml:6", "defaults.every: 10 is not a duration; write a number and a unit"),
        ("m.yaml:9", "targets[api].url: the scheme 'htp' cannot be probed; one of http://"),
        ("m.yaml:10", "targets[api].slo.availability: '999%' is not an objective; write a percentage"),
        ("m.yaml:11", "targets[api].route: 'defualt' is not in pagerduty.routes; did you mean default?"),
        ("m.yaml:12", "targets[api].name: 'api' is already the name of the target at m.yaml:8"),
        ("m.yaml:14", "targets[api].runbook: missing.md: there is no such file"),
        ("m.yaml:15", "targets[api].tls.grade: 'a' must be one of 'A+', 'A'"),
        ("m.yaml:15", "targets[api].tls.ca_file: m.yaml holds no certificate in PEM form"),
        ("m.yaml:16", "targets[c].url: is missing; add `url:` here"),
        ("m.yaml:17", "targets[c].every: timeout (5s) must not be longer than every (2s)"),
        ("m.yaml:19", "targets[c].expect.status[0]: 2000 must be 599 or less"),
        ("m.yaml:19", "targets[c].expect.body.regex: '[' is not a regular expression"),
    ]
    missing = [(place, said) for place, said in expected if not any(t.startswith(place) and said in t for t in told)]
    assert missing == []
    places = {place for place, _ in expected}
    assert [problem for problem in told if problem.split(": ")[0] not in places] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "m.yaml: is empty; docs/examples/monitor.yaml shows"),
        ("- a\n", "m.yaml:1: must be fields and their values"),
        ("a: b: c\n", "m.yaml:1:5: is not YAML: mapping values are not allowed here; quote a value that contains ': '"),
        ("a: [1\nb: 2\n", "m.yaml:2:2: is not YAML"),
        ("a:\n\tb: 1\n", "indent with spaces"),
        ("a: 'b\n\nc", "found unexpected end of stream, while scanning a quoted scalar that begins on line 1"),
        ("a: @b\n", "m.yaml:1:4: is not YAML: found character '@' that cannot start any token; indent"),
        ("a: *b\n", "quote a value that begins with *"),
        ("a: !b c\n", "quote a value that begins with !"),
        ("a: 1\n---\nb: 2\n", "only one document a file"),
        ("a: 1\n b: 2\n", "is not YAML"),
        ("a: \x01\n", "m.yaml:1: has the character U+0001, which YAML refuses"),
        ("a: " + "[" * 5000 + "\n", "nested too deeply"),
        ("a: &a [*a]\n", "aliases unfold without end"),
        ("a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
            f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(8)
        ), "aliases unfold without end"),
        ("a: &a\n  <<: [*a, *a]\n", "m.yaml:2: a: `<<` takes one alias"),
        ("? [a]\n: b\n", "a field's name must be plain text"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_yaml_is_told_by_line_and_remedy(tmp_path: Path, text: str, said: str) -> None:
    assert any(said in problem for problem in problems(tmp_path, text))


def test_what_is_not_text_or_too_large_or_not_there_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    for content, said in (
        (b"a: 1\nb: \xff\n", ":2: is not UTF-8 text"),
        (b"#" * 5_000_000, "larger than 4 MiB"),
        (None, "cannot be read: no such file or directory"),
    ):
        file.unlink(missing_ok=True)
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(UserError, match=said):
            load(file, environ={})
    with pytest.raises(UserError, match="cannot be read: is a directory"):
        load(tmp_path, environ={})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("region: on\n", "region: true must be text; on without quotes is true or false in YAML: quote it"),
        ("region: 12\n", "region: 12 must be text; 12 without quotes is a number in YAML"),
        ("region: 2026-01-31\n", "2026-01-31 without quotes is a date in YAML"),
        ("region: 0123\n", "region: 0123 without quotes is a number to base eight in YAML (83)"),
        ("region: 12:30\n", "region: 12:30 without quotes is a number to base sixty in YAML (750)"),
        ("workers: 0\n", "workers: 0 must be 1 or more"),
        ("workers: many\n", "workers: 'many' must be a whole number"),
        ("workers: 1.5\n", "workers: 1.5 must be a whole number"),
        ("web: {expose_page: 7}\n", "web.expose_page: 7 must be true or false"),
        ("web:\n", "web: is empty; write what belongs here, or remove the line"),
        ("web: here\n", "web: must be a section of fields"),
        ("web: {listen: 'a:99999'}\n", "web.listen: 'a:99999' is not HOST:PORT"),
        ("web: {external_url: example.com}\n", "web.external_url: must be an address such as http"),
        ("web: {external_url: 'http://[::1'}\n", "web.external_url: must be an address such as http"),
        ("web: {external_url: 'http://a:99999'}\n", "web.external_url: must be an address such as http"),
        ("dashboards: {url: 'http://a/{target!r}'}\n", "dashboards.url: only {target} can be filled in"),
        ("web: {external_url: 'http://u:p@a'}\n", "a user or password does not belong in this address"),
        ("dashboards: {url: 'http://a/{host}'}\n", "dashboards.url: only {target} can be filled in"),
        ("dashboards: {url: 'http://a/{'}\n", "dashboards.url: has a brace without its pair"),
        ("retention: {results: 1m}\n", "retention.results: must be at least 1h"),
        ("data: m.yaml\n", "data: is not a folder"),
        ("secrets_dir: nowhere\n", "secrets_dir: directory"),
        ("store: {url: mysql://a/b}\n", "store.url: 'mysql' is not a database that monitor can use"),
        ("region: a\nregion: b\n", "m.yaml:2: region: is given twice; the first is on line 1"),
        ("runbook: a.md\n", "runbook: is not a field here; did you mean runbooks?"),
        ("zzz: 1\n", "zzz: is not a field here; known are region, pagerduty"),
        ('"a\\e[31m": 1\n', r"a\x1b[31m: is not a field here"),
    ],
)
def test_a_wrong_value_is_told_in_plain_words(tmp_path: Path, text: str, said: str) -> None:
    told = problems(tmp_path, text + (ROUTES + TARGET % ""))
    assert any(said in problem for problem in told), told
    assert all(problem.isprintable() for problem in told)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (", status: up", "is not a field here"),
        (", expect: {stauts: [200]}", "targets[api].expect.stauts: is not a field here; did you mean status?"),
        (", expect: {status: 200}", "targets[api].expect.status: must be a list; write it as [a, b]"),
        (", expect: {json: {a: 2026-01-31}}", "expect.json.a: must be text, a number, true, false or null; 2026-01-31"),
        (
            ", expect: {json: {a: on}}",
            "expect.json.a: on without quotes is true in YAML; write that, or put it in quotes",
        ),
        (", expect: {json: {a: {b: 1}}}", "expect.json.a.b: is not a field here; known are matches, exists, min, max"),
        (", expect: {json: {a: {matches: '('}}}", "expect.json.a.matches: '(' is not a regular expression"),
        (", expect: {json: {a: {}}}", "expect.json.a: expects nothing; write one of matches, exists, min, max"),
        (", expect: {json: {a: {min: 2, max: 1}}}", "expect.json.a: min (2) is more than max (1)"),
        (", expect: {json: {a: {exists: false, min: 1}}}", "expect.json.a: what must not exist cannot be held"),
        (", expect: {json: {'$.a[': 1}}", "expect.json: '$.a[' is not a JSONPath"),
        (", expect: {json: {a: [1]}}", "expect.json.a: must be text, a number, true, false or null"),
        (", expect: {headers: {Accept: '('}}", "expect.headers.Accept: '(' is not a regular expression"),
        (", expect: {headers: {a b: x}}", "expect.headers.a b: the name must be of the form"),
        (", expect: {http_version: [1.1]}", "1.1 without quotes is a number in YAML"),
        (", expect: {http_version: ['3']}", "'3' must be one of '1.0', '1.1' or '2'"),
        (", expect: {tls: {version: '1.4'}}", "'1.4' must be one of '1.0'"),
        (", expect: {tls: {expiry: soon}}", "expect.tls.expiry: 'soon' is not a duration"),
        (", proxy: proxy.example.com:3128", "proxy: must be an address such as http://proxy.example.com:3128"),
        (", auth: {}", "auth: has nothing; write exactly one of basic, bearer, digest, oauth2"),
        (", tls: {client_key: m.yaml}", "tls: client_key is of no use without client_cert"),
        (", headers: {X-Version: 1}", "targets[api].headers.X-Version: must be text; put it in quotes"),
        (", headers: {'X Version': a}", "'X Version' is not the name of a header"),
        (", timeout: 1m", "targets[api].timeout: timeout (1m) must not be longer than every (10s)"),
        (", tls: {expiry: {page: 30d}}", "targets[api].tls.expiry: page (30d) must not be longer before the end"),
        (", tls: {server_name: a..b}", "targets[api].tls.server_name: 'a..b' is not a host name"),
        (", tls: {ca_file: none.pem}", "targets[api].tls.ca_file: none.pem cannot be read: no such file"),
        (", runbook: .", "targets[api].runbook: "),
        (
            ", ticket_route: tickets",
            "targets[api].ticket_route: 'tickets' is not in pagerduty.routes; known are default",
        ),
    ],
)
def test_a_wrong_field_of_a_target_is_told_by_the_targets_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fields: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    told = problems(tmp_path, ROUTES + TARGET % fields)
    assert len(told) == 1
    assert told[0].startswith("m.yaml:2: ")
    assert said in told[0]


@pytest.mark.parametrize(
    ("route", "said"),
    [
        ("{}", "routing_key: is missing; pagerduty needs a key"),
        ("{routing_key: }", "routing_key: is missing; pagerduty needs a key"),
        ("{driver: pagerduty-v1, file: a, routing_key: env:KEY}", "file: pagerduty-v1 writes no file"),
        ("{driver: sink, file: a, routing_key: env:KEY}", "routing_key: a sink sends nothing and needs no key"),
        ("{driver: email}", "driver: must be one of 'pagerduty', 'pagerduty-v1' or 'sink'"),
    ],
)
def test_a_route_must_fit_its_driver(tmp_path: Path, route: str, said: str) -> None:
    text = f"pagerduty:\n  routes:\n    default: {route}\n" + TARGET % ""
    (told,) = problems(tmp_path, text, {"KEY": "long-enough-key"})
    assert told.startswith(f"m.yaml:3: pagerduty.routes.default.{said}")


def test_without_targets_or_routes_there_is_nothing_to_do(tmp_path: Path) -> None:
    assert any("targets: there is nothing to probe; add at least one" in told for told in problems(tmp_path, ROUTES))
    (told,) = problems(tmp_path, TARGET % "")
    assert "pagerduty.routes: there is no route; add `default: {routing_key: env:PD_KEY}`" in told
    (told,) = problems(tmp_path, ROUTES.replace("default", "a b") + TARGET % ", route: a b")
    assert "pagerduty.routes.a b: the name must be of the form" in told


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("MONITOR_REGOIN", "x", "regoin: is not a setting; did you mean MONITOR_REGION?"),
        ("MONITOR_ZZZ__A", "x", "zzz: is not a setting; known are region"),
        ("MONITOR_TARGETS__7__URL", "x", "targets.7: names no item of the list; its targets are 0 to 0, or go by name"),
        ("MONITOR_TARGETS__WEB__URL", "x", "targets.web: names no item of the list"),
        ("MONITOR_TARGETS__API__URL", "ftp://a", "targets[api].url: the scheme 'ftp' cannot be probed"),
        ("MONITOR_TARGETS", "[{", "targets: is not JSON; write the whole field as JSON, or name the field inside it"),
        ("MONITOR_TARGETS__0__EXPECT__STATUS", "[2", "targets.0.expect.status: is not JSON"),
        ("MONITOR_DEFAULTS__EVERY", "10", "defaults.every: '10' is not a duration"),
        ("MONITOR_WORKERS", "x", "workers: 'x' must be a whole number"),
    ],
)
def test_a_wrong_variable_is_told_by_its_name(tmp_path: Path, name: str, value: str, said: str) -> None:
    (told,) = problems(tmp_path, ROUTES + TARGET % "", {name: value})
    assert told.startswith(f"{name}: {said}")


def test_a_wrong_secret_file_is_told_by_its_path(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "web__listen").write_text("here\n")
    (folder / "web__lisen").write_text("127.0.0.1:1")
    (folder / "some_other_secret").write_text("not ours")
    told = problems(tmp_path, f"secrets_dir: {folder}\n" + ROUTES + TARGET % "")
    assert [problem.partition(";")[0] for problem in told] == [
        "secrets/web__lisen: web.lisen: is not a field here",
        "secrets/web__listen: web.listen: 'here' is not HOST:PORT",
    ]
    (folder / "region").write_bytes(b"\xff")
    told = problems(tmp_path, f"secrets_dir: {folder}\n" + ROUTES + TARGET % "")
    assert told == ["secrets: secrets_dir: holds a file that is not UTF-8 text; remove it"]


def test_a_secrets_folder_without_end_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    with (folder / "region").open("wb") as file:
        os.truncate(file.fileno(), 20 * 2**20)
    (told,) = problems(tmp_path, f"secrets_dir: {folder}\n" + ROUTES + TARGET % "")
    assert "secrets_dir: secrets_dir size is above" in told


def test_one_mistake_in_the_defaults_is_told_once_however_many_targets_have_it(tmp_path: Path) -> None:
    many = "targets: [" + ", ".join(f"{{name: t{n}, url: 'http://a'}}" for n in range(20)) + "]\n"
    text = ROUTES + "defaults: {timeout: 1x, route: other, tls: {ca_file: none.pem}}\n" + many
    assert [problem.partition(":")[2].partition(": ")[2].split(":")[0] for problem in problems(tmp_path, text)] == [
        "defaults.timeout",
        "defaults.route",
        "defaults.tls.ca_file",
    ]


def test_an_address_that_cannot_be_asked_is_told_before_the_first_probe(tmp_path: Path) -> None:
    text = ROUTES + "targets:\n- {name: a, url: 'dns:///example.com?type=AAAAA'}\n- {name: b, url: 'http://a..b/'}\n"
    first, second = problems(tmp_path, text)
    assert "targets[a].url: cannot ask for AAAAA" in first
    assert "targets[b].url: 'a..b' is not a host" in second


def test_what_a_target_says_without_effect_is_told_but_not_what_defaults_say_for_others(tmp_path: Path) -> None:
    told = problems(
        tmp_path,
        ROUTES + "defaults: {tls: {grade: A}, expect: {status: [200]}, http2: true}\n"
        "targets:\n"
        "  - {name: a, url: 'http://a', tls: {grade: B}}\n"
        "  - {name: b, url: 'tcp://b:1', expect: {body: {regex: ok}}, method: POST}\n"
        "  - {name: c, url: 'tcp://c:1', tls: {verify: true}}\n"
        "  - {name: d, url: 'https://d', tls: {grade: B}, method: POST, http2: true}\n"
        "  - {name: e, url: 'http://e', http2: true, subprotocols: [x]}\n"
        "  - {name: f, url: 'ws://f', headers: {Accept: x}, subprotocols: [x]}\n"
        "  - {name: g, url: 'grpc://g:1', headers: {Accept: x}, body: x}\n",
    )
    assert told == [
        "m.yaml:4: targets[a].tls.grade: has no effect on http://, only on https://; remove it",
        "m.yaml:5: targets[b].expect.body: has no effect on tcp://, only on http:// or https://; remove it",
        "m.yaml:5: targets[b].method: has no effect on tcp://, only on http:// or https://; remove it",
        "m.yaml:8: targets[e].http2: has no effect on http://, only on https://; remove it",
        "m.yaml:8: targets[e].subprotocols: has no effect on http://, only on ws:// or wss://; remove it",
        "m.yaml:10: targets[g].body: has no effect on grpc://, only on http:// or https://; remove it",
    ]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("url: 'icmp://a', tls: {verify: false}", "tls.verify: has no effect on icmp://"),
        ("url: 'icmp://a', dialogue: [{send: a}]", "dialogue: has no effect on icmp://, only on tcp:// or tls://"),
        ("url: 'http://a', starttls: smtp", "starttls: has no effect on http://, only on tcp:// or tls://"),
        ("url: 'tcp://a:1', icmp: {ttl: 3}", "icmp: has no effect on tcp://, only on icmp://; remove it"),
        ("url: 'icmp://a..b'", "url: 'a..b' is not a host"),
        ("url: 'tls://a..b'", "url: 'a..b' is not a host"),
        ("url: 'icmp://a', icmp: {size: 8}", "icmp.size: 8 must be 16 or more"),
        ("url: 'tcp://a:1', starttls: smpt", "starttls: 'smpt' must be one of 'smtp', 'imap'"),
        ("url: 'tcp://a:1', dialogue: [{expect: '('}]", "dialogue[0].expect: '(' is not a regular expression"),
        ("url: 'tcp://a:1', dialogue: [{}]", "dialogue[0]: says nothing; a step has expect, send or starttls: true"),
        ("url: 'tcp://a:1', dialogue: [{sent: a}]", "dialogue[0].sent: is not a field here; did you mean send?"),
        ("url: 'tcp://a:1', dialogue: {send: a}", "dialogue: must be a list"),
        ("url: 'tls://a', dialogue: [{starttls: true}]", "dialogue: step 1 has starttls, but TLS has begun before"),
    ],
)
def test_mistakes_of_tcp_tls_and_icmp_targets(tmp_path: Path, target: str, said: str) -> None:
    (told,) = problems(tmp_path, f"{ROUTES}targets: [{{name: t, {target}}}]\n")
    assert told.startswith(f"m.yaml:2: targets[t].{said}")


def test_a_certificate_and_a_key_that_do_not_belong_together_are_told(tmp_path: Path) -> None:
    authority = trustme.CA()
    for name in ("a", "b"):
        issued = authority.issue_cert(f"{name}.example")
        issued.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
        issued.private_key_pem.write_to_path(tmp_path / f"{name}.key")
        issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / f"{name}.both")
    (tmp_path / "text").write_text("not PEM")
    for tls, said in {
        "client_cert: a.pem, client_key: b.key": "tls.client_key: the key in b.key is not that of the certificate in a",
        "client_cert: a.pem": "tls.client_cert: a certificate and its private key, without a passphrase, in PEM form",
        "client_cert: text, client_key: a.key": "are not to be had from text and a.key",
        "client_cert: none.pem, client_key: a.key": "tls.client_cert: none.pem cannot be read: no such file",
        "client_cert: a.pem, client_key: none.key": "tls.client_key: none.key cannot be read: no such file",
    }.items():
        (told,) = problems(tmp_path, ROUTES + TARGET % f", tls: {{{tls}}}")
        assert said in told
    own = "{client_cert: b.both, client_key: null}"
    (tmp_path / "m.yaml").write_text(
        f"{ROUTES}defaults: {{tls: {{client_cert: a.pem, client_key: a.key}}}}\n"
        f"targets: [{{name: a, url: 'https://a'}}, {{name: b, url: 'https://b', tls: {own}}}]\n"
    )
    a, b = load(tmp_path / "m.yaml", environ={}).settings.targets
    assert (a.tls.client_cert, a.tls.client_key) == (tmp_path / "a.pem", tmp_path / "a.key")
    assert (b.tls.client_cert, b.tls.client_key) == (tmp_path / "b.both", None)
