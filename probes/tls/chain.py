"""Judge a chain one question at a time: path, name, dates. A verifier gives only the first error that it meets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509 import (
    BasicConstraints,
    Certificate,
    DNSName,
    ExtendedKeyUsage,
    ExtensionNotFound,
    IPAddress,
    KeyUsage,
    SubjectAlternativeName,
)
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import (
    ClientVerifier,
    Criticality,
    ExtensionPolicy,
    Policy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from probes.tls.facts import Path
from probes.tls.text import name_of, printable

_WEAK_HASHES = (hashes.SHA1, hashes.MD5)
_SERVER_USES = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}


@dataclass(frozen=True, slots=True)
class Judgement:
    """`certificates` are the path from the leaf up, as far as it leads."""

    path: Path
    detail: str
    certificates: tuple[Certificate, ...]


def judge(
    sent: Sequence[Certificate], anchors: Sequence[Certificate], known: Sequence[Certificate], now: datetime
) -> Judgement:
    """Whether `sent` (the leaf first) leads to one of `anchors`, and which certificates of that path are out of date.

    `known` are intermediates that the server did not send: if the path needs them, the chain is incomplete.
    """
    found = _verify_at_some_time(sent, anchors, sent[1:], now)
    if found is not None:
        return Judgement(Path.TRUSTED, "", tuple(found))
    found = _verify_at_some_time(sent, anchors, [*sent[1:], *known], now)
    if found is not None:
        missing = next(certificate for certificate in found if certificate not in sent)
        detail = f"the intermediate {name_of(missing.subject)} is not sent"
        return Judgement(Path.INCOMPLETE, detail, tuple(found))
    path, detail, walked = _explain(sent, anchors, now)
    return Judgement(path, detail, tuple(walked))


def names_of(certificate: Certificate) -> tuple[str, ...]:
    """The DNS names and IP addresses of the subjectAltName extension; none when it is absent or unreadable."""
    try:
        extension = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    except (ExtensionNotFound, ValueError):
        return ()
    addresses = (str(address) for address in extension.get_values_for_type(IPAddress))
    return tuple(printable(name) for name in (*extension.get_values_for_type(DNSName), *addresses))


def name_matches(names: Sequence[str], host: str) -> bool:
    """RFC 6125: the common name does not count, and `*` stands for exactly one whole leftmost label."""
    try:
        return str(ip_address(host)) in names
    except ValueError:
        pass
    wanted = host.rstrip(".").lower()
    _, _, parent = wanted.partition(".")
    wildcard = f"*.{parent}" if "." in parent else None
    return any(name.rstrip(".").lower() in (wanted, wildcard) for name in names)


def _verify_at_some_time(
    sent: Sequence[Certificate], anchors: Sequence[Certificate], others: Sequence[Certificate], now: datetime
) -> Sequence[Certificate] | None:
    """The verified path now, else at the nearest moment at which the leaf, or all that was sent, was in date."""
    leaf = sent[0]
    if leaf in anchors:
        return (leaf,)
    for group in ((leaf,), sent):
        moment = max(now, *(each.not_valid_before_utc for each in group))
        moment = min(moment, *(each.not_valid_after_utc for each in group))
        for time in dict.fromkeys((now, moment)):
            try:
                return _verifier(anchors, time).verify(leaf, list(others)).chain
            except (VerificationError, ValueError):
                continue
    return None


def _verifier(anchors: Sequence[Certificate], time: datetime) -> ClientVerifier:
    """A verifier of server paths that leaves the name alone: the client kind wants none."""
    # Not the library's WebPKI defaults: private authorities often lack what they want of public ones (a key usage
    # in the root), and clients accept that. Signatures, constraints and depth are checked whatever the policy.
    usable = ExtensionPolicy.permit_all().may_be_present(ExtendedKeyUsage, Criticality.AGNOSTIC, _for_servers)
    may_sign = usable.require_present(BasicConstraints, Criticality.AGNOSTIC, None)
    may_sign = may_sign.may_be_present(KeyUsage, Criticality.AGNOSTIC, _signs_certificates)
    builder = PolicyBuilder().store(Store(list(anchors))).time(time)
    return builder.extension_policies(ca_policy=may_sign, ee_policy=usable).build_client_verifier()


def _for_servers(_policy: Policy, _certificate: Certificate, usage: ExtendedKeyUsage | None) -> None:
    if usage is not None and not _SERVER_USES & set(usage):
        raise ValueError("the extended key usage does not allow servers")


def _signs_certificates(_policy: Policy, _certificate: Certificate, usage: KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("the issuer may not sign certificates (key usage)")


def _explain(
    sent: Sequence[Certificate], anchors: Sequence[Certificate], now: datetime
) -> tuple[Path, str, list[Certificate]]:
    """Why no path was found: walk from the leaf by name and signature as far as it goes."""
    walked = [sent[0]]
    while walked[-1] not in anchors:
        issuer = _issuer_of(walked[-1], [*anchors, *sent], walked)
        if issuer is None:
            break
        walked.append(issuer)
    top = walked[-1]
    if top in anchors:
        return _refused(walked, anchors, now)
    if top.subject == top.issuer:
        alone = len(walked) == 1
        return (Path.SELF_SIGNED if alone else Path.UNKNOWN_ISSUER), name_of(top.subject), walked
    # A leaf alone: what is missing may be an intermediate, or a private root that nobody sends.
    return (Path.ISSUER_NOT_SENT if len(walked) == 1 else Path.UNKNOWN_ISSUER), name_of(top.issuer), walked


def _issuer_of(
    certificate: Certificate, candidates: Sequence[Certificate], seen: Sequence[Certificate]
) -> Certificate | None:
    for candidate in candidates:
        if candidate.subject == certificate.issuer and candidate not in seen and _signed(certificate, candidate):
            return candidate
    return None


def _signed(certificate: Certificate, issuer: Certificate) -> bool:
    if _weakly_signed(certificate):
        return True  # by its name alone: the library does not verify it, and the verifier does not take it for trusted
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def _weakly_signed(certificate: Certificate) -> bool:
    try:
        return isinstance(certificate.signature_hash_algorithm, _WEAK_HASHES)
    except UnsupportedAlgorithm:
        return True  # MD2, or what nobody knows


def _refused(
    walked: list[Certificate], anchors: Sequence[Certificate], now: datetime
) -> tuple[Path, str, list[Certificate]]:
    if any(map(_weakly_signed, walked[:-1])):
        return Path.WEAK_SIGNATURE, "", walked
    try:
        _verifier(anchors, now).verify(walked[0], walked[1:])
    except (VerificationError, ValueError) as error:
        return Path.INVALID, printable(str(error)), walked
    return Path.TRUSTED, "", walked
