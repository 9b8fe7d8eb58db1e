"""What a right file, its environment, its secrets folder and flags come to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from monitor.settings import Settings, load, load_settings
from monitor.settings.merge import with_defaults
from monitor.settings.node import Node, Origin, node_of
from probes.target import Target, TargetOptions

KEY = "0123456789abcdef0123456789abcdef"
EXAMPLE = """\
region: eu-west
pagerduty: {events_url: https://events.pagerduty.com, routes: {default: {routing_key: env:PD_KEY}}}
defaults: {every: 10s, timeout: 5s, outage: {failures: 3, for: 60s}, recovery: {successes: 3, for: 30s}}
targets:
  - name: api
    url: https://api.example.com/health
    expect: {status: [200], body: {regex: ok}, json: {status: up}}
    slo: {availability: 99.9%, latency: {p99: 400ms}, window: 30d}
    tls: {grade: A, every: 6h}
    runbook: runbooks/api.md
    severity: critical
    route: default
    headers: {Accept: text/html, X-Api-Key: env:API_KEY}
  - {name: db.main, url: "tcp://db:5432", every: 2s, timeout: 1s}
"""
Loader = Callable[..., Settings]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks" / "api.md").write_text("# The API\n\n- [ ] Look\n")
    (tmp_path / "monitor.yaml").write_text(EXAMPLE)
    return tmp_path


@pytest.fixture
def loaded(folder: Path) -> Loader:
    def read(environ: Mapping[str, str] | None = None, **options: Any) -> Settings:
        own = {"PD_KEY": KEY, "API_KEY": "api-key-value"} | dict(environ or {})
        return load(folder / "monitor.yaml", environ=own, **options).settings

    return read


def secret(settings: Settings, route: str = "default") -> str:
    key = settings.pagerduty.routes[route].routing_key
    assert key is not None
    return key.get_secret_value()


def test_the_file_of_the_issue_is_read_as_it_stands(loaded: Loader, folder: Path) -> None:
    settings = loaded()
    api, db = settings.targets
    assert (settings.region, secret(settings)) == ("eu-west", KEY)
    assert (api.timeout, api.outage.for_) == (timedelta(seconds=5), timedelta(seconds=60))
    assert (api.expect.status, api.expect.body.regex, api.expect.json_) == ((200,), "ok", {"status": "up"})
    assert api.slo is not None
    assert (api.slo.availability, api.slo.latency.p99) == (0.999, timedelta(milliseconds=400))
    assert {name: value.get_secret_value() for name, value in api.headers.items()} == {
        "Accept": "text/html",
        "X-Api-Key": "api-key-value",
    }
    assert (db.every, db.timeout, db.outage.failures) == (timedelta(seconds=2), timedelta(seconds=1), 3)
    assert (api.runbook, settings.data) == (folder / "runbooks/api.md", folder / "data")


def test_what_is_not_set_has_a_default(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(
        "targets: [{name: a, url: 'http://a'}]\npagerduty: {routes: {default: {driver: sink, file: pages.jsonl}}}\n"
    )
    settings = load_settings(tmp_path / "m.yaml")
    assert (settings.region, settings.web.host, settings.web.port) == ("local", "127.0.0.1", 9780)
    assert settings.pagerduty.routes["default"].file == tmp_path / "pages.jsonl"
    assert settings.store_url.get_secret_value() == f"sqlite:///{tmp_path}/data/monitor.sqlite"
    assert settings.targets[0] == Target(name="a", url="http://a")


def test_flags_over_variables_over_secret_files_over_the_file(loaded: Loader, folder: Path) -> None:
    secrets = folder / "secrets"
    secrets.mkdir()
    (secrets / "region").write_text("from-file\n")
    (secrets / "web__listen").write_text("127.0.0.1:2")
    (secrets / "pagerduty__routes__default__routing_key").write_text("key-from-a-secret-file\n")
    environ = {"MONITOR_SECRETS_DIR": "secrets"}
    settings = loaded(environ)
    assert (settings.region, settings.web.port, secret(settings)) == ("from-file", 2, "key-from-a-secret-file")
    environ |= {"MONITOR_REGION": "from-env", "MONITOR_WEB__LISTEN": "127.0.0.1:3"}
    settings = loaded(environ)
    assert (settings.region, settings.web.port) == ("from-env", 3)
    assert loaded(environ, listen="127.0.0.1:4").web.port == 4


@pytest.mark.parametrize(
    ("name", "value", "seen"),
    [
        ("MONITOR_PAGERDUTY__ROUTES__DEFAULT__ROUTING_KEY", "a-literal-key", lambda s: secret(s) == "a-literal-key"),
        ("MONITOR_PAGERDUTY__ROUTES__DEFAULT__ROUTING_KEY", "env:API_KEY", lambda s: secret(s) == "api-key-value"),
        ("MONITOR_PAGERDUTY__ROUTES__TEAM__ROUTING_KEY", "another-key", lambda s: secret(s, "team") == "another-key"),
        ("MONITOR_DEFAULTS__OUTAGE__FOR", "5s", lambda s: s.targets[1].outage.for_ == timedelta(seconds=5)),
        ("MONITOR_DEFAULTS", '{"every": "20s"}', lambda s: s.targets[0].every == timedelta(seconds=20)),
        ("MONITOR_TARGETS__1__URL", "tcp://db:1", lambda s: s.targets[1].url == "tcp://db:1"),
        ("MONITOR_TARGETS__DB_MAIN__URL", "tcp://db:1", lambda s: s.targets[1].url == "tcp://db:1"),
        ("MONITOR_TARGETS__API__EXPECT__STATUS", "[204]", lambda s: s.targets[0].expect.status == (204,)),
        ("MONITOR_TARGETS__API__TLS__VERIFY", "false", lambda s: s.targets[0].tls.verify is False),
        ("monitor_targets__api__slo__availability", "99%", lambda s: s.targets[0].slo.availability == 0.99),
        (
            "MONITOR_TARGETS__API__HEADERS__X_API_KEY",
            "literal-value",
            lambda s: s.targets[0].headers["X-Api-Key"].get_secret_value() == "literal-value",
        ),
        ("MONITOR_TARGETS", '[{"name": "b", "url": "http://b"}]', lambda s: [t.name for t in s.targets] == ["b"]),
        ("MONITOR_TARGETS__2", '{"name": "b", "url": "http://b"}', lambda s: s.targets[2].name == "b"),
        ("MONITOR_STORE__URL", "sqlite:///a.db", lambda s: s.store_url.get_secret_value() == "sqlite:///a.db"),
        ("MONITOR_DATA", "elsewhere", lambda s: s.data.name == "elsewhere" and s.data.is_absolute()),
        ("MONITOR_WORKERS", "3", lambda s: s.workers == 3),
    ],
)
def test_a_variable_overrides_any_field(
    loaded: Loader, name: str, value: str, seen: Callable[[Settings], bool]
) -> None:
    assert not seen_before(seen, loaded())
    assert seen(loaded({name: value}))


def seen_before(seen: Callable[[Settings], bool], settings: Settings) -> bool:
    try:
        return seen(settings)
    except (KeyError, IndexError):
        return False


def test_a_secret_that_kubernetes_mounts_is_a_secrets_folder(loaded: Loader, folder: Path) -> None:
    """Each file is a link into a hidden folder, which is replaced as a whole."""
    mounted = folder / "mounted"
    (mounted / "..2026_11_01").mkdir(parents=True)
    (mounted / "..2026_11_01" / "pagerduty__routes__default__routing_key").write_text("key-of-the-mount\n")
    (mounted / "..data").symlink_to("..2026_11_01")
    (mounted / "pagerduty__routes__default__routing_key").symlink_to("..data/pagerduty__routes__default__routing_key")
    assert secret(loaded({"MONITOR_SECRETS_DIR": str(mounted)})) == "key-of-the-mount"


def test_what_kubernetes_puts_beside_a_service_called_monitor_is_no_setting(loaded: Loader) -> None:
    environ = {
        "MONITOR_PORT": "tcp://10.0.0.1:9780",
        "MONITOR_PORT_9780_TCP_ADDR": "10.0.0.1",
        "MONITOR_SERVICE_HOST": "10.0.0.1",
        "MONITOR_CONFIG": "monitor.yaml",
    }
    assert loaded(environ) == loaded()


def test_what_overrode_the_file_is_told_by_name(folder: Path) -> None:
    environ = {"PD_KEY": KEY, "API_KEY": "api-key", "MONITOR_REGION": "x"}
    told = load(folder / "monitor.yaml", listen="127.0.0.1:1", data=Path("d"), environ=environ).overrides
    assert told == ("MONITOR_REGION", "--listen", "--data")


def test_a_data_folder_given_as_a_flag_begins_where_the_caller_stands(
    loaded: Loader, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.chdir(folder / "runbooks")
    assert loaded(data=Path("kept")).data == folder / "runbooks" / "kept"


def test_references_to_files_begin_at_the_settings_file_and_lose_the_last_line_end(folder: Path) -> None:
    (folder / "pd.key").write_text("key-in-a-file\n")
    (folder / "monitor.yaml").write_text(EXAMPLE.replace("env:PD_KEY", "file:pd.key"))
    assert secret(load(folder / "monitor.yaml", environ={"API_KEY": "api-key"}).settings) == "key-in-a-file"


def test_a_file_can_be_checked_without_its_secrets(folder: Path) -> None:
    settings = load(folder / "monitor.yaml", environ={}, resolve_secrets=False).settings
    assert secret(settings) == "env:PD_KEY"


def test_a_runbook_is_known_by_its_path_from_the_settings_file(loaded: Loader, folder: Path) -> None:
    settings = loaded()
    api, db = settings.targets
    assert settings.folder == folder
    assert (settings.runbook_name(api), settings.runbook_name(db)) == ("runbooks/api.md", None)
    assert settings.runbook_name(api.model_copy(update={"runbook": Path("/elsewhere/a.md")})) == "a.md"


def test_aliases_and_merge_keys_save_words(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(
        "pagerduty: {routes: {default: {driver: sink, file: p}}}\n"
        "targets:\n"
        "- &first {name: a, url: 'http://a', slo: &slo {availability: 99%}}\n"
        "- {<<: *first, name: b}\n"
        "- {name: c, url: 'http://c', slo: *slo}\n"
    )
    a, b, c = load(tmp_path / "m.yaml", environ={}).settings.targets
    assert b == a.model_copy(update={"name": "b"})
    assert c.slo == a.slo


def test_settings_made_by_hand_read_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONITOR_REGION", "from-env")
    assert Settings().region == "local"


def test_settings_do_not_show_secrets(loaded: Loader) -> None:
    settings = loaded()
    for text in (repr(settings), str(settings), settings.model_dump_json()):
        assert KEY not in text
        assert "api-key-value" not in text


options = st.fixed_dictionaries(
    {},
    optional={
        "outage": st.fixed_dictionaries({}, optional={"failures": st.integers(1, 9), "for": st.just("7s")}),
        "tls": st.fixed_dictionaries(
            {}, optional={"verify": st.booleans(), "expiry": st.sampled_from([{}, {"page": "1d"}, {"ticket": "8d"}])}
        ),
        "slo": st.sampled_from([None, {}, {"availability": "99%"}, {"latency": {"p99": "1s"}}]),
        "expect": st.sampled_from([{}, {"status": [200]}, {"json": {"a": 1}}, {"json": {"b": 2}, "status": [204]}]),
        "every": st.sampled_from(["1s", "10s"]),
    },
)


@given(options, options)
def test_defaults_are_merged_as_a_target_merges_them(own: dict[str, Any], under: dict[str, Any]) -> None:
    target = {"name": "a", "url": "http://a"} | own
    root = Node({"defaults": node_of(under, Origin("")), "targets": node_of([target], Origin(""))}, Origin(""))
    (merged,) = with_defaults(root).plain()["targets"]
    assert Target(**merged) == Target(**target).with_defaults(TargetOptions(**under))


@given(st.integers(0, 1), st.sampled_from(["every", "timeout"]), st.sampled_from(["300ms", "1s"]))
def test_an_override_changes_its_own_field_and_no_other(index: int, field: str, value: str) -> None:
    from monitor.settings.merge import overlay

    root = node_of(yaml.safe_load(EXAMPLE), Origin("file"))
    over = node_of({"targets": {str(index): {field: value}}}, Origin("VARIABLE"))
    changed, problems = overlay(root, over)
    expected = yaml.safe_load(EXAMPLE)
    expected["targets"][index][field] = value
    assert (changed.plain(), problems) == (expected, [])
    found = changed.at(("targets", index, field))
    assert found is not None
    assert found.origin == Origin("VARIABLE", ("targets", index, field))
