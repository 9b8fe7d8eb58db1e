"""The score tables of the rating guide, at their edges."""

from __future__ import annotations

from dataclasses import replace

import pytest

from probes.tls.facts import TOO_SMALL_DH, Protocol
from probes.tls.score import CIPHER_POINTS as CIPHER
from probes.tls.score import Scores, key_points, letter_of, points, scores
from tests.probes.tls.samples import (
    ANONYMOUS,
    CBC_256,
    EXPORT,
    GCM_128,
    GCM_256,
    NULL,
    RC4,
    SSL2_DES,
    chain,
    dhe,
    facts,
    only,
)


@pytest.mark.parametrize(
    ("bits", "expected"),
    [(511, 20), (512, 40), (1023, 40), (1024, 80), (2047, 80), (2048, 90), (4095, 90), (4096, 100)],
)
def test_rsa_and_dh_sizes(bits: int, expected: int) -> None:
    assert key_points("RSA", bits) == expected
    assert key_points("DH", bits) == expected


@pytest.mark.parametrize(
    ("bits", "expected"), [(109, 20), (110, 40), (122, 40), (123, 80), (162, 80), (163, 90), (224, 90), (256, 100)]
)
def test_elliptic_curves_by_the_rsa_size_of_their_strength(bits: int, expected: int) -> None:
    assert key_points("EC", bits) == expected


def test_a_key_of_unknown_size_has_no_points() -> None:
    assert key_points("unreadable", None) is None


@pytest.mark.parametrize(
    ("bits", "expected"), [(0, 0), (40, 20), (127, 20), (128, 80), (168, 80), (255, 80), (256, 100)]
)
def test_cipher_strengths(bits: int, expected: int) -> None:
    assert points(bits, CIPHER) == expected


@pytest.mark.parametrize(
    ("total", "letter"),
    [
        *[(100, "A"), (80, "A"), (79, "B"), (65, "B"), (64, "C"), (50, "C")],
        *[(49, "D"), (35, "D"), (34, "E"), (20, "E"), (19, "F"), (0, "F")],
    ],
)
def test_letters_begin_at_their_totals(total: int, letter: str) -> None:
    assert letter_of(total) == letter


def test_the_guides_arithmetic() -> None:
    # protocols (100 + 100) / 2, RSA 2048 gives 90, ciphers (100 + 80) / 2; 30 % + 30 % + 40 %.
    assert scores(facts()) == Scores(protocol=100, key_exchange=90, cipher=90, total=93)


def test_the_best_and_the_worst_protocol_count() -> None:
    seen = scores(facts({Protocol.TLS_1_0: (CBC_256,), Protocol.TLS_1_1: (CBC_256,)}))
    assert seen.protocol == 95  # (100 + 90) / 2


def test_halves_count_in_the_total_before_it_is_rounded_down() -> None:
    seen = scores(only({Protocol.TLS_1_1: (GCM_256,), Protocol.TLS_1_2: (GCM_256,)}))
    # (100 + 95) / 2 = 97.5, 90, 100: 29.25 + 27 + 40 = 96.25
    assert (seen.protocol, seen.total) == (97, 96)


def test_the_weakest_key_exchange_counts() -> None:
    assert scores(facts({Protocol.TLS_1_2: (GCM_256, dhe(1024))})).key_exchange == 80
    assert scores(facts({Protocol.TLS_1_2: (GCM_256, EXPORT)})).key_exchange == 40
    assert scores(facts(chains=(chain(), chain({"key_bits": 1023})))).key_exchange == 40


def test_an_exchange_of_unknown_size_is_left_out_unless_it_is_known_to_be_small() -> None:
    unknown = dhe(None)
    assert scores(facts({Protocol.TLS_1_2: (GCM_256, unknown)})).key_exchange == 90
    small = replace(unknown, exchange=TOO_SMALL_DH)
    assert scores(facts({Protocol.TLS_1_2: (GCM_256, small)})).key_exchange == 40


def test_a_category_at_zero_makes_the_whole_zero() -> None:
    assert scores(facts({Protocol.TLS_1_2: (GCM_256, ANONYMOUS)})).total == 0  # key exchange
    assert scores(only({Protocol.TLS_1_2: (NULL,)})).total == 0  # cipher
    assert scores(only({Protocol.SSL_2: (SSL2_DES,)})).total == 0  # protocol
    assert scores(only({}, chains=())) == Scores(0, 0, 0, 0)


def test_null_beside_a_strong_cipher_is_their_mean() -> None:
    assert scores(facts({Protocol.TLS_1_2: (GCM_256, GCM_128, NULL)})).cipher == 50


def test_letters_below_b_come_from_scores_too() -> None:
    # SSL 3 (80) alone with RC4 (80) and an export exchange (40): 24 + 12 + 20 % of (80 + 20)
    weak = scores(only({Protocol.SSL_3: (RC4, EXPORT)}))
    assert (weak, letter_of(weak.total)) == (Scores(80, 40, 50, 56), "C")
    weaker = scores(only({Protocol.SSL_3: (replace(EXPORT, exchange="DH", exchange_bits=500),)}))
    assert (weaker, letter_of(weaker.total)) == (Scores(80, 20, 20, 38), "D")
