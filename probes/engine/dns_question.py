"""The question that a DNS probe asks, out of its target's address."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal
from urllib.parse import unquote, urlsplit

import dns.exception
import dns.flags
import dns.message
import dns.rdatatype

from probes.engine.failures import Unanswered
from probes.engine.names.host_files import DNS_PORT
from probes.result import FailureReason

DOT_PORT = 853
TRANSFERS = {dns.rdatatype.AXFR, dns.rdatatype.IXFR}

Over = Literal["udp", "tcp", "tls"]


@dataclass(frozen=True, slots=True)
class Question:
    """`server` is None for the system's own."""

    name: str
    type: str
    server: str | None
    port: int
    over: Over = "udp"

    def query(self, *, recursion: bool = True) -> dns.message.QueryMessage:
        """With an id of its own. Raises DNSException or ValueError for a name or type that cannot be asked for."""
        query = dns.message.make_query(self.name, self.type)
        if not recursion:
            query.flags &= ~dns.flags.RD
        return query

    def __str__(self) -> str:
        return f"{self.type} of {self.name!r}"


@lru_cache(maxsize=16384)
def question_of(url: str) -> Question:
    """Raises Unanswered with the reason `internal` for an address that asks nothing that can be asked."""
    parts = urlsplit(url)
    over: Over = "tls" if parts.scheme == "dns+tls" else "tcp" if parts.scheme == "dns+tcp" else "udp"
    name = unquote(parts.path.lstrip("/"))
    options = dict(option.partition("=")[::2] for option in parts.query.replace("&", ";").lower().split(";"))
    port = parts.port or (DOT_PORT if over == "tls" else DNS_PORT)
    question = Question(name, options.pop("type", "a").upper(), parts.hostname, port, over)
    if not name:
        raise Unanswered(FailureReason.INTERNAL, "the address has no name to ask for")
    if options.pop("class", "in") != "in" or options.keys() - {""}:
        raise Unanswered(FailureReason.INTERNAL, "of the options in an address only type is known")
    try:
        asked = question.query().question[0].rdtype
    except (dns.exception.DNSException, ValueError) as error:
        raise Unanswered(FailureReason.INTERNAL, f"cannot ask for {question}: {error}") from None
    if asked in TRANSFERS:
        raise Unanswered(FailureReason.INTERNAL, f"cannot ask for {question}: a whole zone is no answer")
    return question
