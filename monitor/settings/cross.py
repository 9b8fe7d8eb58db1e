"""What can only be said of the settings as a whole, or with a look at the disk.

Works on the tree, not on valid Settings, so that these mistakes are told together with those of single fields.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from monitor.errors import UserError
from monitor.settings.files import file_problems
from monitor.settings.node import Node, Path_, sections
from monitor.settings.problem import Problem, problem_at, shown
from probes.options import Expect
from probes.target import KIND_OF_SCHEME


def cross_problems(root: Node) -> Iterator[Problem]:
    targets = root.child("targets")
    if targets is None or targets.value == []:
        yield problem_at(root, ("targets",), "there is nothing to probe; add at least one target with name and url")
    yield from _routes(root)
    yield from _duplicate_names(root)
    yield from _route_names(root)
    yield from _addresses(root)
    yield from _without_effect(root)
    yield from _store(root)
    yield from file_problems(root)


# What a target says itself and its kind of probe does not look at; from `defaults` it is for the others.
_HTTP = ("http", "https")
_DNS = ("dns", "dns+tcp", "dns+tls")
_TALKS = ("tcp", "tls")
_OTHERS = ("tls", "dns")  # of what is expected, what is not of HTTP
_MAY_USE_TLS = tuple(scheme for scheme in KIND_OF_SCHEME if scheme != "icmp")
EFFECTIVE: tuple[tuple[Path_, tuple[str, ...]], ...] = (
    (("tls", "grade"), ("https",)),
    (("tls", "expiry"), _MAY_USE_TLS),
    (("tls", "verify"), _MAY_USE_TLS),
    (("tls", "ca_file"), _MAY_USE_TLS),
    (("tls", "server_name"), _MAY_USE_TLS),
    *((("expect", field.alias or name), _HTTP) for name, field in Expect.model_fields.items() if name not in _OTHERS),
    (("expect", "tls"), (*_HTTP, *_TALKS, "grpcs", "wss", "dns+tls")),
    (("tls", "client_cert"), _MAY_USE_TLS),
    (("tls", "client_key"), _MAY_USE_TLS),
    (("reuse",), _HTTP),
    (("expect", "dns"), _DNS),
    (("dns",), _DNS),
    (("method",), _HTTP),
    (("headers",), (*_HTTP, "grpc", "grpcs", "ws", "wss")),
    (("http2",), ("https",)),
    (("subprotocols",), ("ws", "wss")),
    (("body",), _HTTP),
    (("auth",), _HTTP),
    (("proxy",), _HTTP),
    (("starttls",), _TALKS),
    (("dialogue",), (*_TALKS, "ws", "wss")),
    (("icmp",), ("icmp",)),
)


def _without_effect(root: Node) -> Iterator[Problem]:
    for index, target in sections(root, ("targets",)):
        url = target.child("url")
        scheme = url.value.partition(":")[0].lower() if url and isinstance(url.value, str) else ""
        if scheme not in KIND_OF_SCHEME:
            continue
        for path, schemes in EFFECTIVE:
            node = target.at(path)
            if node is not None and scheme not in schemes and _said_by_the_target(node):
                needed = " or ".join(f"{name}://" for name in schemes)
                text = f"has no effect on {scheme}://, only on {needed}; remove it"
                yield problem_at(root, ("targets", index, *path), text)


def _said_by_the_target(node: Node) -> bool:
    children = [child for _, child in node.children()]
    return any(map(_said_by_the_target, children)) if children else node.origin.path[:1] == ("targets",)


def _routes(root: Node) -> Iterator[Problem]:
    for name, route in sections(root, ("pagerduty", "routes")):
        for field, text in _route_mistakes(
            {key: node.value for key, node in route.value.items() if node.value is not None}
        ):
            yield problem_at(root, ("pagerduty", "routes", name, field), text)


def _route_mistakes(route: dict[str, Any]) -> Iterator[tuple[str, str]]:
    driver, has_key, has_file = route.get("driver", "pagerduty"), "routing_key" in route, "file" in route
    if driver == "sink":
        if not has_file:
            yield "file", "is missing; a sink needs the path of the file that takes its pages"
        if has_key:
            yield "routing_key", "a sink sends nothing and needs no key; remove the key, or the driver"
    elif driver in ("pagerduty-v1", "pagerduty"):
        if not has_key:
            yield "routing_key", f"is missing; {driver} needs a key, as env:NAME or file:PATH"
        if has_file:
            yield "file", f"{driver} writes no file; remove it, or set driver: sink"


def _duplicate_names(root: Node) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for index, target in sections(root, ("targets",)):
        name = target.child("name")
        if name is None or not isinstance(name.value, str):
            continue
        if name.value in first:
            text = f"{shown(name.value)} is already the name of the target at {first[name.value]}; give each its own"
            yield problem_at(root, ("targets", index, "name"), text)
        first.setdefault(name.value, name.origin.place)


def _route_names(root: Node) -> Iterator[Problem]:
    routes = root.at(("pagerduty", "routes"))
    known = list(routes.value) if routes and isinstance(routes.value, dict) else []
    if not known:
        yield problem_at(root, ("pagerduty", "routes"), "there is no route; add `default: {routing_key: env:PD_KEY}`")
        return
    for index, target in sections(root, ("targets",)):
        for field, default in (("route", "default"), ("ticket_route", None)):
            node = target.child(field)
            name = node.value if node else default
            if isinstance(name, str) and name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                remedy = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
                yield problem_at(root, ("targets", index, field), f"{shown(name)} is not in pagerduty.routes; {remedy}")


def _addresses(root: Node) -> Iterator[Problem]:
    from probes.address import mistake_in
    from probes.tls.endpoint import host_name

    for index, target in sections(root, ("targets",)):
        url, server_name = target.child("url"), target.at(("tls", "server_name"))
        mistake = mistake_in(url.value) if url and isinstance(url.value, str) else None
        if mistake:
            yield problem_at(root, ("targets", index, "url"), mistake)
        if server_name and isinstance(server_name.value, str) and not host_name(server_name.value):
            text = f"{shown(server_name.value)} is not a host name; write one such as www.example.com"
            yield problem_at(root, ("targets", index, "tls", "server_name"), text)


def _store(root: Node) -> Iterator[Problem]:
    url = root.at(("store", "url"))
    if url and isinstance(url.value, str) and not url.value.startswith(("env:", "file:")):
        from monitor.store.address import parse_address

        try:
            parse_address(url.value)
        except UserError as error:
            yield problem_at(root, ("store", "url"), str(error).removeprefix("store.url: "))
