"""Every rule, and every letter, argued from SSL Labs' rating guide as docs/tls-grade.md gives it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.tls.facts import TOO_SMALL_DH, Gap, Path, Protocol, TlsFacts
from probes.tls.grade import WORST_FIRST, below, rate
from probes.tls.rules import LETTERS, NOT_TESTED, RULES
from tests.probes.tls.samples import (
    ANONYMOUS,
    CBC_256,
    EXPORT,
    GCM_128,
    GCM_256,
    MODERN,
    NULL,
    RC4,
    SSL2_DES,
    STATIC_RSA,
    TLS13_256,
    TRIPLE_DES,
    chain,
    dhe,
    facts,
    only,
)

SSL_2, SSL_3, TLS_1_0 = Protocol.SSL_2, Protocol.SSL_3, Protocol.TLS_1_0
TLS_1_1, TLS_1_2, TLS_1_3 = Protocol.TLS_1_1, Protocol.TLS_1_2, Protocol.TLS_1_3
TRUST_RULES = {rule.id for rule in RULES if rule.cap in ("T", "M")}

# (rule that must be broken, its facts, the letter, the letter with trust ignored)
CASES = [
    ("self_signed", facts(chains=(chain(path=Path.SELF_SIGNED),)), "T", "A+"),
    ("unknown_issuer", facts(chains=(chain(path=Path.UNKNOWN_ISSUER),)), "T", "A+"),
    ("issuer_not_sent", facts(chains=(chain(path=Path.ISSUER_NOT_SENT),)), "T", "A+"),
    ("chain_invalid", facts(chains=(chain(path=Path.INVALID, path_detail="not a CA"),)), "T", "A+"),
    ("expired", facts(chains=(chain(expired=("CN=a",)),)), "T", "A+"),
    ("not_yet_valid", facts(chains=(chain(not_yet_valid=("CN=a",)),)), "T", "A+"),
    ("revoked", facts(chains=(chain(revoked=True),)), "T", "A+"),
    ("sha1_signature", facts(chains=(chain(path=Path.WEAK_SIGNATURE, signatures=(("sha1", "CN=a"),)),)), "T", "A+"),
    ("legacy_symantec", facts(chains=(chain(legacy_symantec=True),)), "T", "A+"),
    ("name_mismatch", facts(chains=(chain(name_matches=False),)), "M", "A+"),
    ("chain_incomplete", facts(chains=(chain(path=Path.INCOMPLETE),)), "B", "B"),
    ("md5_signature", facts(chains=(chain(path=Path.WEAK_SIGNATURE, signatures=(("md5", "CN=a"),)),)), "F", "F"),
    ("rsa_exponent_1", facts(chains=(chain({"rsa_exponent": 1}),)), "F", "F"),
    ("key_below_1024", facts(chains=(chain({"key_bits": 1023}),)), "F", "F"),
    ("key_below_2048", facts(chains=(chain({"key_bits": 1024}),)), "B", "B"),
    ("key_below_2048", facts(chains=(chain({"key": "EC", "key_bits": 160}),)), "B", "B"),
    ("dh_below_1024", facts({TLS_1_2: (GCM_256, dhe(768))}), "F", "F"),
    ("dh_below_1024", facts({TLS_1_2: (GCM_256, replace(dhe(None), exchange=TOO_SMALL_DH))}), "F", "F"),
    ("dh_below_2048", facts({TLS_1_2: (GCM_256, dhe(1024))}), "B", "B"),
    ("anonymous", facts({TLS_1_2: (GCM_256, ANONYMOUS)}), "F", "F"),
    ("no_forward_secrecy", only({TLS_1_2: (STATIC_RSA,)}), "B", "B"),
    ("ssl2", facts({SSL_2: (SSL2_DES,)}), "F", "F"),
    ("ssl3_best", only({SSL_3: (RC4,)}), "F", "F"),
    ("ssl3", facts({SSL_3: (STATIC_RSA,)}), "B", "B"),
    ("poodle", facts({SSL_3: (CBC_256,)}), "C", "C"),
    ("no_tls12", only({TLS_1_0: (CBC_256,)}), "C", "C"),
    ("old_tls", facts({TLS_1_0: (CBC_256,)}), "B", "B"),
    ("old_tls", facts({TLS_1_1: (CBC_256,)}), "B", "B"),
    ("no_tls13", only({TLS_1_2: (GCM_256,)}), "A-", "A-"),
    ("tls13_alone", only({TLS_1_3: (TLS13_256,)}), "A", "A"),
    ("weak_cipher", facts({TLS_1_2: (GCM_256, NULL)}), "F", "F"),
    ("weak_cipher", facts({TLS_1_2: (GCM_256, EXPORT)}), "F", "F"),
    ("rc4_only", only({TLS_1_0: (RC4,), TLS_1_2: (RC4,)}), "F", "F"),
    ("rc4_modern", facts({TLS_1_2: (GCM_256, RC4)}), "C", "C"),
    ("rc4", facts({TLS_1_0: (CBC_256, RC4)}), "B", "B"),
    ("block64_only", facts({TLS_1_1: (TRIPLE_DES,)}), "C", "C"),
    ("block64_offered", facts({TLS_1_2: (GCM_256, TRIPLE_DES)}), "A+", "A+"),
    ("no_aead", only({TLS_1_2: (CBC_256,)}), "B", "B"),
    ("heartbleed", facts(heartbleed=True), "F", "F"),
    ("ccs_injection", facts(ccs_injection=True), "F", "F"),
    ("robot", facts(robot=True), "F", "F"),
    ("compression", facts(compression=True), "C", "C"),
    ("no_secure_renegotiation", facts(secure_renegotiation=False), "A-", "A-"),
    ("no_fallback_scsv", facts(fallback_scsv=False), "A", "A"),
    ("hsts_short", facts(hsts_max_age=0), "A", "A"),
    ("hsts_short", facts(hsts_max_age=180 * 86400 - 1), "A", "A"),
]


@pytest.mark.parametrize(("rule", "seen", "letter", "ignored"), CASES, ids=[case[0] for case in CASES])
def test_each_rule_caps_the_letter(rule: str, seen: TlsFacts, letter: str, ignored: str) -> None:
    rating = rate(seen)
    assert rule in [finding.id for finding in rating.findings]
    assert (rating.letter, rating.letter_trust_ignored) == (letter, ignored)


def test_every_rule_has_a_case() -> None:
    assert {case[0] for case in CASES} == {rule.id for rule in RULES}


def test_a_server_without_a_fault_gets_an_a_plus_and_no_finding() -> None:
    rating = rate(facts())
    assert (rating.letter, rating.letter_trust_ignored, rating.findings) == ("A+", "A+", ())


@pytest.mark.parametrize("days", [180, 365])
def test_half_a_year_of_hsts_is_enough(days: int) -> None:
    assert rate(facts(hsts_max_age=days * 86400)).letter == "A+"


@pytest.mark.parametrize("name", ["hsts_max_age", "fallback_scsv"])
def test_an_a_plus_is_not_given_on_what_is_not_known(name: str) -> None:
    rating = rate(facts(**{name: None}))
    assert (rating.letter, rating.findings) == ("A", ())


@pytest.mark.parametrize(
    "name", ["compression", "heartbleed", "ccs_injection", "robot", "secure_renegotiation", "fallback_scsv"]
)
def test_what_was_not_tested_is_never_a_finding(name: str) -> None:
    assert rate(facts(**{name: None})).findings == ()


@pytest.mark.parametrize("protocol", list(Protocol))
def test_a_protocol_that_was_not_tested_is_never_a_finding(protocol: Protocol) -> None:
    assert rate(only(MODERN | {protocol: None})).findings == ()


def test_a_missing_suite_is_not_told_while_a_protocol_is_untested() -> None:
    assert {finding.id for finding in rate(only({TLS_1_2: (RC4,), TLS_1_3: None})).findings} == {"rc4_modern", "rc4"}


def test_no_suite_at_all_is_not_rc4_alone() -> None:
    assert "rc4_only" not in {finding.id for finding in rate(only({})).findings}


def test_a_name_mismatch_alone_is_m_and_with_an_untrusted_chain_t() -> None:
    mismatch = chain(name_matches=False)
    assert rate(facts(chains=(mismatch,))).letter == "M"
    both = rate(facts(chains=(replace(mismatch, path=Path.UNKNOWN_ISSUER),)))
    assert both.letter == "T"
    assert [finding.id for finding in both.findings] == ["unknown_issuer", "name_mismatch"]


def test_trust_stands_before_every_other_fault_and_the_other_letter_beside_it() -> None:
    rating = rate(facts(chains=(chain(path=Path.SELF_SIGNED),), heartbleed=True))
    assert (rating.letter, rating.letter_trust_ignored) == ("T", "F")


def test_the_worst_of_several_chains_counts() -> None:
    assert rate(facts(chains=(chain(), chain({"key_bits": 1024})))).letter == "B"


def test_findings_come_worst_first_and_name_their_evidence() -> None:
    rating = rate(facts({TLS_1_0: (CBC_256, RC4)}, compression=True, secure_renegotiation=False))
    assert [finding.cap for finding in rating.findings] == ["C", "B", "B", "A-"]
    assert [finding.summary for finding in rating.findings if finding.id == "old_tls"] == [
        "an outdated protocol is enabled: TLS 1.0"
    ]
    assert all(finding.fix and finding.source for finding in rating.findings)


def test_long_evidence_is_cut() -> None:
    many = tuple(replace(RC4, name=f"TLS_RSA_WITH_RC4_{number}_SHA") for number in range(9))
    summary = next(finding.summary for finding in rate(facts({TLS_1_2: many})).findings if finding.id == "rc4")
    assert summary.endswith("TLS_RSA_WITH_RC4_3_SHA and 5 more")


def test_a_certificate_for_nobody_is_said_to_be_so() -> None:
    nameless = chain({"names": ()}, name_matches=False)
    assert [finding.summary for finding in rate(facts(chains=(nameless,))).findings] == [
        "the certificate does not name this host: it names no host at all"
    ]


def test_gaps_are_listed_before_what_is_never_tested() -> None:
    gap = Gap(check="robot", reason="the scan command failed")
    rating = rate(facts(robot=None, gaps=(gap,)))
    assert rating.not_tested == (gap, *NOT_TESTED)
    assert rating.letter == "A+"


def test_letters_from_the_score_alone() -> None:
    # Protocols 100, key exchange 20, ciphers 100: 30 + 6 + 40.
    weak = rate(facts({TLS_1_2: (replace(GCM_256, exchange="DH", exchange_bits=511),), TLS_1_3: (TLS13_256,)}))
    assert (weak.scores.total, weak.letter) == (76, "F")  # 76 is a B, and DH below 1024 bits an F
    assert [finding.cap for finding in weak.findings] == ["F"]


@pytest.mark.parametrize(("letter", "bar", "worse"), [("A-", "A", True), ("A", "A", False), ("A+", "A", False)])
def test_below_compares_letters(letter: str, bar: str, worse: bool) -> None:
    assert below(letter, bar) is worse


@pytest.mark.parametrize("bar", LETTERS)
@pytest.mark.parametrize("letter", ["T", "M"])
def test_distrust_is_below_every_letter(letter: str, bar: str) -> None:
    assert below(letter, bar)


_suites = st.sampled_from([GCM_256, GCM_128, CBC_256, STATIC_RSA, TRIPLE_DES, RC4, NULL, EXPORT, ANONYMOUS, dhe(1024)])
_offers = st.none() | st.lists(_suites, min_size=1, max_size=4).map(tuple)
_flags = st.sampled_from([None, True, False])
_facts = st.builds(
    only,
    st.dictionaries(st.sampled_from(list(Protocol)), _offers),
    chains=st.lists(
        st.builds(chain, path=st.sampled_from(list(Path)), name_matches=st.booleans(), revoked=_flags), max_size=2
    ).map(tuple),
    compression=_flags,
    heartbleed=_flags,
    secure_renegotiation=_flags,
    fallback_scsv=_flags,
    hsts_max_age=st.none() | st.integers(0, 10**8),
)


@given(_facts)
def test_any_facts_get_a_letter_that_no_finding_forbids(seen: TlsFacts) -> None:
    rating = rate(seen)
    caps = [finding.cap for finding in rating.findings if finding.cap is not None]
    assert all(WORST_FIRST.index(rating.letter) <= WORST_FIRST.index(cap) for cap in caps)
    assert rating.letter_trust_ignored in LETTERS
    assert not below(rating.letter_trust_ignored, rating.letter) or rating.letter in LETTERS
    assert (rating.letter in ("T", "M")) == any(finding.id in TRUST_RULES for finding in rating.findings)
    assert [WORST_FIRST.index(cap) for cap in caps] == sorted(WORST_FIRST.index(cap) for cap in caps)


@given(_facts)
def test_one_more_fault_never_lifts_a_grade(seen: TlsFacts) -> None:
    sound, faulty = (replace(seen, heartbleed=bad, compression=bad) for bad in (False, True))
    assert not below(rate(sound).letter, rate(faulty).letter)
