"""The score tables of the SSL Labs rating guide (2009a to 2009r), in whole points. See docs/tls-grade.md for sources.

Halves are kept until the total, which is rounded down, so that no letter is given that was not reached.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from probes.tls.facts import TOO_SMALL_DH, Protocol, TlsFacts

PROTOCOL_POINTS = {
    Protocol.SSL_2: 0,
    Protocol.SSL_3: 80,
    Protocol.TLS_1_0: 90,
    Protocol.TLS_1_1: 95,
    Protocol.TLS_1_2: 100,
    Protocol.TLS_1_3: 100,  # not in the guide's table; the live rating gives 100
}
# (below this many bits, points); the best is 100.
RSA_POINTS = ((512, 20), (1024, 40), (2048, 80), (4096, 90))
EC_POINTS = ((110, 20), (123, 40), (163, 80), (225, 90))  # elliptic curve keys by the RSA size of their strength
CIPHER_POINTS = ((1, 0), (128, 20), (256, 80))
EXPORT_POINTS = 40
LETTERS = ((80, "A"), (65, "B"), (50, "C"), (35, "D"), (20, "E"), (0, "F"))
EC_KINDS = ("EC", "ECDH", "Ed25519", "Ed448")


@dataclass(frozen=True, slots=True)
class Scores:
    protocol: int
    key_exchange: int
    cipher: int
    total: int


def scores(facts: TlsFacts) -> Scores:
    suites = facts.suites()
    protocol = _best_and_worst(PROTOCOL_POINTS[entry.protocol] for entry in facts.protocols if entry.offered)
    cipher = _best_and_worst(points(suite.bits, CIPHER_POINTS) for suite in suites)
    key_exchange = min(_key_exchange(facts), default=0)
    total = 0 if 0 in (protocol, cipher, key_exchange) else (3 * protocol + 6 * key_exchange + 4 * cipher) // 20
    return Scores(protocol // 2, key_exchange, cipher // 2, total)


def letter_of(total: int) -> str:
    return next(letter for least, letter in LETTERS if total >= least)


def points(bits: int, table: tuple[tuple[int, int], ...]) -> int:
    return next((given for below, given in table if bits < below), 100)


def key_points(kind: str, bits: int | None) -> int | None:
    """Points of a key or of key exchange parameters; None for one whose size is not known."""
    if kind == TOO_SMALL_DH:
        return points(1023, RSA_POINTS)
    if bits is None:
        return None
    return points(bits, EC_POINTS if kind in EC_KINDS else RSA_POINTS)


def _best_and_worst(given: Iterable[int]) -> int:
    """Twice the mean of the best and the worst."""
    every = list(given)
    return max(every) + min(every) if every else 0


def _key_exchange(facts: TlsFacts) -> list[int]:
    """The points of every key and of every key exchange; the weakest counts."""
    found = [key_points(chain.leaf.key, chain.leaf.key_bits) for chain in facts.chains]
    for suite in facts.suites():
        found.append(key_points(suite.exchange, suite.exchange_bits))
        if suite.anonymous:
            found.append(0)
        if suite.export:
            found.append(EXPORT_POINTS)
    return [each for each in found if each is not None]
