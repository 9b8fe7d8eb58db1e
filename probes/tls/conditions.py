"""Conditions on facts, for the table of rules. Each gives its evidence; what was not tested gives none."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from probes.tls.facts import Path, Protocol, Suite, TlsFacts
from probes.tls.score import key_points

Evidence = tuple[str, ...]
Condition = Callable[[TlsFacts], Evidence]

SINCE_TLS_1_1 = (Protocol.TLS_1_1, Protocol.TLS_1_2, Protocol.TLS_1_3)
LONG_HSTS_SECONDS = 180 * 86_400


def path(status: Path) -> Condition:
    return lambda facts: tuple(chain.path_detail for chain in facts.chains if chain.path is status)


def expired(facts: TlsFacts) -> Evidence:
    return _unique(subject for chain in facts.chains for subject in chain.expired)


def not_yet_valid(facts: TlsFacts) -> Evidence:
    return _unique(subject for chain in facts.chains for subject in chain.not_yet_valid)


def revoked(facts: TlsFacts) -> Evidence:
    return tuple(chain.leaf.subject for chain in facts.chains if chain.revoked)


def legacy_symantec(facts: TlsFacts) -> Evidence:
    return tuple(chain.leaf.issuer for chain in facts.chains if chain.legacy_symantec)


def name_mismatch(facts: TlsFacts) -> Evidence:
    wrong = (chain.leaf.names for chain in facts.chains if not chain.name_matches)
    return _unique(f"it is for {', '.join(names[:4])}" if names else "it names no host at all" for names in wrong)


def signed_with(*hashes: str) -> Condition:
    return lambda facts: _unique(
        subject for chain in facts.chains for hash_name, subject in chain.signatures if hash_name in hashes
    )


def rsa_exponent_1(facts: TlsFacts) -> Evidence:
    return tuple(chain.leaf.subject for chain in facts.chains if chain.leaf.rsa_exponent == 1)


def keys(least: int, most: int) -> Condition:
    """Certificates whose key earns from `least` to `most` points of the key exchange table."""
    return lambda facts: tuple(
        f"{chain.leaf.key} {chain.leaf.key_bits}"
        for chain in facts.chains
        if _within(least, key_points(chain.leaf.key, chain.leaf.key_bits), most)
    )


def exchanges(least: int, most: int) -> Condition:
    """Ephemeral key exchanges that earn from `least` to `most` points."""
    return lambda facts: _unique(
        suite.exchange if suite.exchange_bits is None else f"{suite.exchange} {suite.exchange_bits}"
        for suite in facts.suites()
        if _within(least, key_points(suite.exchange, suite.exchange_bits), most)
    )


def suites(bad: Callable[[Suite], bool], *protocols: Protocol) -> Condition:
    """The suites that are bad, accepted in any of `protocols` (of all of them, when none is named)."""
    return lambda facts: _unique(suite.name for suite in facts.suites(*protocols) if bad(suite))


def no_suite(good: Callable[[Suite], bool]) -> Condition:
    """None of the suites is good, and no protocol was left untested that might have had one."""
    return lambda facts: _told(
        all(entry.offered is not None for entry in facts.protocols) and not any(map(good, facts.suites()))
    )


def offered(*protocols: Protocol) -> Condition:
    return lambda facts: tuple(protocol.value for protocol in protocols if facts.offers(protocol))


def refused(protocol: Protocol) -> Condition:
    return lambda facts: _told(facts.offers(protocol) is False)


def best_is_ssl3(facts: TlsFacts) -> Evidence:
    newer = (Protocol.TLS_1_0, *SINCE_TLS_1_1)
    return _told(bool(facts.offers(Protocol.SSL_3)) and all(facts.offers(each) is False for each in newer))


def poodle(facts: TlsFacts) -> Evidence:
    return _unique(suite.name for suite in facts.suites(Protocol.SSL_3) if suite.cbc)


def no_tls12(facts: TlsFacts) -> Evidence:
    return _told(facts.offers(Protocol.TLS_1_2) is False and facts.offers(Protocol.TLS_1_3) is False)


def tls13_alone(facts: TlsFacts) -> Evidence:
    older = [each for each in Protocol if each is not Protocol.TLS_1_3]
    return _told(bool(facts.offers(Protocol.TLS_1_3)) and all(facts.offers(each) is False for each in older))


def rc4_only(facts: TlsFacts) -> Evidence:
    return no_suite(lambda suite: not suite.rc4)(facts) if facts.suites() else ()


def block64_only(facts: TlsFacts) -> Evidence:
    """Whatever the server's order, a client of this protocol gets such a cipher."""
    return tuple(
        entry.protocol.value
        for entry in facts.protocols
        if entry.protocol in SINCE_TLS_1_1 and entry.suites and all(suite.block64 for suite in entry.suites)
    )


def block64_beside_others(facts: TlsFacts) -> Evidence:
    if block64_only(facts):
        return ()
    return suites(lambda suite: suite.block64, *SINCE_TLS_1_1)(facts)


def flag(name: str, *, bad: bool = True) -> Condition:
    """A check of one answer: `None`, not tested, is never bad."""
    return lambda facts: _told(getattr(facts, name) is bad)


def hsts_short(facts: TlsFacts) -> Evidence:
    return _told(facts.hsts_max_age is not None and facts.hsts_max_age < LONG_HSTS_SECONDS)


def _told(broken: bool) -> Evidence:
    """Evidence that names nothing: the rule's own words say it all."""
    return ("",) if broken else ()


def _unique(texts: Iterable[str]) -> Evidence:
    return tuple(dict.fromkeys(texts))


def _within(least: int, given: int | None, most: int) -> bool:
    return given is not None and least <= given <= most
