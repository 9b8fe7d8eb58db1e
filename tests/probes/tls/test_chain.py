"""Chains judged without a server: each question on its own, whatever else is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path as FilePath

import pytest
from cryptography.x509 import Certificate, KeyUsage
from cryptography.x509.oid import ExtendedKeyUsageOID

from probes.tls.chain import judge, name_matches, names_of
from probes.tls.facts import Path
from tests.probes.tls.certs import DAY, NOW, Issued, authority, key_usage, leaf, rsa_key, signed_with

ROOT = authority("Root")
MIDDLE = authority("Middle", ROOT)
STRANGER = authority("Stranger")


def path_of(
    sent: Sequence[Certificate], *, anchors: Sequence[Issued] = (ROOT,), known: Sequence[Issued] = ()
) -> tuple[Path, str]:
    judged = judge(sent, [each.certificate for each in anchors], [each.certificate for each in known], NOW)
    return judged.path, judged.detail


def test_a_sound_chain() -> None:
    assert path_of(leaf(MIDDLE).chain()) == (Path.TRUSTED, "")


def test_a_chain_in_the_wrong_order_still_leads_there() -> None:
    other = authority("Other", ROOT)
    issued = leaf(authority("Lowest", MIDDLE))
    sent = issued.chain()
    assert path_of([sent[0], other.certificate, *reversed(sent[1:])])[0] is Path.TRUSTED


def test_a_root_that_is_sent_as_well_harms_nothing() -> None:
    assert path_of([*leaf(MIDDLE).chain(), ROOT.certificate])[0] is Path.TRUSTED


def test_a_leaf_in_the_store_is_trusted_as_it_is() -> None:
    own = leaf(None)
    assert path_of([own.certificate], anchors=[own])[0] is Path.TRUSTED


def test_a_missing_intermediate_that_is_known() -> None:
    assert path_of([leaf(MIDDLE).certificate], known=[MIDDLE]) == (
        Path.INCOMPLETE,
        "the intermediate CN=Middle is not sent",
    )


def test_a_missing_intermediate_that_is_not_known() -> None:
    assert path_of([leaf(MIDDLE).certificate]) == (Path.ISSUER_NOT_SENT, "CN=Middle")


def test_a_stranger_who_sends_the_whole_chain() -> None:
    assert path_of([leaf(STRANGER).certificate, STRANGER.certificate]) == (Path.UNKNOWN_ISSUER, "CN=Stranger")


def test_a_stranger_who_keeps_the_root_back() -> None:
    assert path_of(leaf(authority("Between", STRANGER)).chain()) == (Path.UNKNOWN_ISSUER, "CN=Stranger")


def test_a_self_signed_leaf() -> None:
    assert path_of([leaf(None).certificate]) == (Path.SELF_SIGNED, "CN=localhost")


def test_a_namesake_of_the_root_with_another_key_is_no_root() -> None:
    impostor = authority("Root")
    assert path_of([leaf(impostor).certificate])[0] is Path.ISSUER_NOT_SENT
    assert path_of([leaf(impostor).certificate, impostor.certificate])[0] is Path.UNKNOWN_ISSUER


def test_cross_signed_strangers_do_not_lead_in_circles() -> None:
    first, second = authority("First"), authority("Second")
    ring = [authority("First", second, first.key).certificate, authority("Second", first, second.key).certificate]
    assert path_of([leaf(first).certificate, *ring])[0] is Path.UNKNOWN_ISSUER


def test_a_leaf_that_plays_authority_is_refused() -> None:
    middle = leaf(ROOT, ["middle"])
    path, detail = path_of([leaf(middle).certificate, middle.certificate])
    assert path is Path.INVALID
    assert "basicConstraints.cA must be asserted" in detail


@pytest.mark.parametrize("usage", [None, key_usage(sign_certificates=True)], ids=["no key usage", "may sign"])
def test_an_authority_need_not_say_that_it_may_sign(usage: KeyUsage | None) -> None:
    assert path_of(leaf(authority("Plain", ROOT, usage=usage)).chain())[0] is Path.TRUSTED


def test_an_authority_that_may_not_sign_is_refused() -> None:
    path, detail = path_of(leaf(authority("Mute", ROOT, usage=key_usage(sign_certificates=False))).chain())
    assert path is Path.INVALID
    assert "may not sign certificates" in detail


def test_an_authority_below_one_that_may_have_none_is_refused() -> None:
    last = authority("Last", ROOT, path_length=0)
    assert path_of(leaf(last).chain())[0] is Path.TRUSTED
    assert path_of(leaf(authority("One too many", last)).chain())[0] is Path.INVALID


def test_an_authority_confined_to_a_domain_is_held_to_it() -> None:
    confined = authority("Confined", ROOT, only_under="example.com")
    assert path_of(leaf(confined, ["a.example.com"]).chain())[0] is Path.TRUSTED
    assert path_of(leaf(confined, ["a.example.org"]).chain())[0] is Path.INVALID


def test_a_certificate_for_clients_only_is_refused() -> None:
    path, detail = path_of(leaf(MIDDLE, usage=ExtendedKeyUsageOID.CLIENT_AUTH).chain())
    assert path is Path.INVALID
    assert "the extended key usage does not allow servers" in detail


@pytest.mark.parametrize("usage", [None, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
def test_a_certificate_for_anything_is_taken(usage: object) -> None:
    assert path_of(leaf(MIDDLE, usage=usage).chain())[0] is Path.TRUSTED  # type: ignore[arg-type]


def test_a_certificate_without_names_is_a_matter_of_its_name_only() -> None:
    nameless = leaf(MIDDLE, [])
    assert path_of(nameless.chain())[0] is Path.TRUSTED
    assert names_of(nameless.certificate) == ()


@pytest.mark.parametrize("days", [(-30, -1), (1, 30)], ids=["expired", "not yet valid"])
def test_dates_do_not_hide_the_path(days: tuple[int, int]) -> None:
    issued = leaf(MIDDLE, not_before=NOW + DAY * days[0], not_after=NOW + DAY * days[1])
    judged = judge(issued.chain(), [ROOT.certificate], [], NOW)
    assert judged.path is Path.TRUSTED
    assert judged.certificates == (*issued.chain(), ROOT.certificate)


def test_an_expired_stranger_is_still_a_stranger() -> None:
    issued = leaf(STRANGER, not_before=NOW - DAY * 2, not_after=NOW - DAY)
    assert path_of(issued.chain())[0] is Path.ISSUER_NOT_SENT


def test_dates_of_leaf_and_intermediate_that_never_met() -> None:
    """The leaf was made after its intermediate had ended: no moment at which the path held."""
    ended = authority("Ended", ROOT, not_after=NOW - DAY * 10)
    issued = leaf(ended, not_before=NOW - DAY)
    judged = judge(issued.chain(), [ROOT.certificate], [], NOW)
    assert judged.path is Path.INVALID
    assert ended.certificate in judged.certificates


def test_an_expired_intermediate_that_is_not_needed_does_not_count() -> None:
    """As after the end of a cross-signature: the path goes another way."""
    cross = authority("Root", STRANGER, ROOT.key, not_after=NOW - DAY)
    judged = judge([*leaf(MIDDLE).chain(), cross.certificate], [ROOT.certificate], [], NOW)
    assert judged.path is Path.TRUSTED
    assert cross.certificate not in judged.certificates


@pytest.mark.parametrize("digest", ["sha1", "md5"])
def test_a_weak_signature_is_told_from_a_stranger(digest: str, tmp_path: FilePath) -> None:
    root = authority("RSA Root", key=rsa_key())
    issued = signed_with(digest, root, tmp_path)
    assert path_of(issued.chain(), anchors=[root]) == (Path.WEAK_SIGNATURE, "")
    assert path_of(issued.chain(), anchors=[ROOT])[0] is Path.ISSUER_NOT_SENT


@pytest.mark.parametrize(
    ("name", "host", "expected"),
    [
        ("a.example", "a.example", True),
        ("A.Example", "a.example", True),
        ("a.example", "a.example.", True),
        ("a.example", "b.example", False),
        ("*.example.com", "a.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "a.b.example.com", False),
        ("*.com", "example.com", False),  # a wildcard right under a top level stands for nobody's hosts
        ("a*.example.com", "ab.example.com", False),
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("*.0.2.1", "192.0.2.1", False),
        ("2001:db8::1", "2001:0db8:0:0::1", True),
    ],
)
def test_names(name: str, host: str, expected: bool) -> None:
    assert name_matches((name,), host) is expected


def test_names_and_addresses_are_read_from_the_certificate() -> None:
    names = ("a.example", "*.example.com", "192.0.2.1", "2001:db8::1")
    assert names_of(leaf(ROOT, names).certificate) == names
