"""The rules of the rating as a table: what caps a grade, why, how to lift it, and who says so.

Sources: G is SSL Labs' Rating Guide with the revision that brought the rule, Q a post on Qualys' blog, TS testssl.sh,
I an issue of ssllabs-scan or testssl.sh. docs/tls-grade.md spells them out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from probes.tls import conditions as on
from probes.tls.facts import Gap, Path, Protocol, TlsFacts

LETTERS = ("A+", "A", "A-", "B", "C", "D", "E", "F")  # best first
TRUST = ("T", "M")  # instead of a letter; T is the worse


@dataclass(frozen=True, slots=True)
class Rule:
    """`when` gives the evidence (a subject, a suite, "" where there is nothing to name); none: the rule is not broken.

    `cap` is the best grade left: "A" only bars A+, "A-" is SSL Labs' warning, None is worth knowing but costs nothing.
    """

    id: str
    cap: str | None
    when: Callable[[TlsFacts], Iterable[str]]
    why: str
    fix: str
    source: str


RULES = (
    # Trust: whether a client may believe who it talks to.
    Rule(
        "self_signed",
        "T",
        on.path(Path.SELF_SIGNED),
        "the certificate is self-signed, and not in the trust store",
        "install a certificate from an authority that clients know; for a private one, grade with its --ca-file",
        "G 2009q",
    ),
    Rule(
        "unknown_issuer",
        "T",
        on.path(Path.UNKNOWN_ISSUER),
        "the chain ends at an authority that is not in the trust store",
        "install a certificate from an authority that clients know; for a private one, grade with its --ca-file",
        "G 2009q",
    ),
    Rule(
        "issuer_not_sent",
        "T",
        on.path(Path.ISSUER_NOT_SENT),
        "the certificate's issuer is unknown, and no intermediate certificate is sent",
        "send the intermediate certificates after the leaf; if there are none, no client knows this authority",
        "G 2009q",
    ),
    Rule(
        "chain_invalid",
        "T",
        on.path(Path.INVALID),
        "the chain is not valid",
        "have the certificate issued anew, by an authority that may issue it",
        "G 2009q",
    ),
    Rule("expired", "T", on.expired, "a certificate has expired", "renew it, and reload the server", "G 2009q"),
    Rule(
        "not_yet_valid",
        "T",
        on.not_yet_valid,
        "a certificate is not valid yet",
        "install one that is valid now, and check the clocks of the server and of the authority",
        "G 2009q",
    ),
    Rule(
        "revoked",
        "T",
        on.revoked,
        "the stapled OCSP answer says that the certificate is revoked",
        "have a new certificate issued for a new key",
        "G; TS",
    ),
    Rule(
        "sha1_signature",
        "T",
        on.signed_with("sha1"),
        "a certificate is signed with SHA-1",
        "have it issued anew with SHA-256",
        "G 2009f; Q 2016-11-16",
    ),
    Rule(
        "legacy_symantec",
        "T",
        on.legacy_symantec,
        "the chain leads to a Symantec authority that browsers distrust",
        "have the certificate issued by another authority",
        "G 2009p; Q 2018-02-02",
    ),
    Rule(
        "name_mismatch",
        "M",
        on.name_mismatch,
        "the certificate does not name this host",
        "have it issued with the host in its subjectAltName, or correct the server name (--sni)",
        "G 2009q",
    ),
    # The certificate and its key.
    Rule(
        "chain_incomplete",
        "B",
        on.path(Path.INCOMPLETE),
        "the chain that is sent is incomplete",
        "send the intermediate certificates after the leaf (nginx: the full chain in ssl_certificate)",
        "G 2009i",
    ),
    Rule(
        "md5_signature",
        "F",
        on.signed_with("md5", "1.2.840.113549.1.1.2"),
        "a certificate is signed with MD5 or MD2",
        "have it issued anew with SHA-256",
        "G 2009e",
    ),
    Rule(
        "rsa_exponent_1",
        "F",
        on.rsa_exponent_1,
        "an RSA key has the exponent 1: it encrypts nothing",
        "make a new key, and have a certificate issued for it",
        "Q, post on 2009l",
    ),
    Rule(
        "key_below_1024",
        "F",
        on.keys(0, 40),
        "a key is weaker than RSA 1024",
        "make an RSA key of 2048 bits or an EC key on P-256, and have a certificate issued for it",
        "G 2009e",
    ),
    Rule(
        "key_below_2048",
        "B",
        on.keys(41, 80),
        "a key is weaker than RSA 2048",
        "make an RSA key of 2048 bits or an EC key on P-256, and have a certificate issued for it",
        "G 2009e",
    ),
    # Key exchange.
    Rule(
        "dh_below_1024",
        "F",
        on.exchanges(0, 40),
        "Diffie-Hellman parameters are weaker than 1024 bits",
        "use DH parameters of 2048 bits (nginx: ssl_dhparam), or only ECDHE suites",
        "G, key exchange table",
    ),
    Rule(
        "dh_below_2048",
        "B",
        on.exchanges(41, 80),
        "Diffie-Hellman parameters are weaker than 2048 bits",
        "use DH parameters of 2048 bits (nginx: ssl_dhparam), or only ECDHE suites",
        "G 2009j",
    ),
    Rule(
        "anonymous",
        "F",
        on.suites(lambda suite: suite.anonymous),
        "suites without authentication are accepted",
        "remove aNULL, ADH and AECDH from the cipher list",
        "G, key exchange table",
    ),
    Rule(
        "no_forward_secrecy",
        "B",
        on.no_suite(lambda suite: suite.forward_secret),
        "no suite has forward secrecy",
        "offer ECDHE suites, and put them first",
        "G 2009e; Q 2018-02-02",
    ),
    # Protocols.
    Rule("ssl2", "F", on.offered(Protocol.SSL_2), "SSL 2.0 is enabled (DROWN)", "turn SSL 2.0 off", "G 2009c"),
    Rule(
        "ssl3_best",
        "F",
        on.best_is_ssl3,
        "SSL 3.0 is the best protocol offered",
        "offer TLS 1.2 and TLS 1.3, and turn SSL 3.0 off",
        "G 2009i",
    ),
    Rule("ssl3", "B", on.offered(Protocol.SSL_3), "SSL 3.0 is enabled", "turn SSL 3.0 off", "G 2009h"),
    Rule(
        "poodle",
        "C",
        on.poodle,
        "SSL 3.0 accepts CBC suites (POODLE)",
        "turn SSL 3.0 off",
        "G 2009g",
    ),
    Rule(
        "no_tls12",
        "C",
        on.no_tls12,
        "neither TLS 1.2 nor TLS 1.3 is offered",
        "offer TLS 1.2 and TLS 1.3 (nginx: ssl_protocols TLSv1.2 TLSv1.3)",
        "G 2009j",
    ),
    Rule(
        "old_tls",
        "B",
        on.offered(Protocol.TLS_1_0, Protocol.TLS_1_1),
        "an outdated protocol is enabled",
        "turn TLS 1.0 and TLS 1.1 off (nginx: ssl_protocols TLSv1.2 TLSv1.3)",
        "G 2009q; Q 2018-11-19",
    ),
    Rule(
        "no_tls13",
        "A-",
        on.refused(Protocol.TLS_1_3),
        "TLS 1.3 is not offered",
        "offer TLS 1.3 as well (nginx: ssl_protocols TLSv1.2 TLSv1.3)",
        "G 2009r; I testssl.sh #2829",
    ),
    Rule(
        "tls13_alone",
        "A",
        on.tls13_alone,
        "only TLS 1.3 is offered, which SSL Labs gives no A+",
        "offer TLS 1.2 as well, if an A+ matters more than the fewest protocols",
        "I ssllabs-scan #711",
    ),
    # Cipher suites.
    Rule(
        "weak_cipher",
        "F",
        on.suites(lambda suite: suite.bits < 112),
        "suites of less than 112 bits are accepted (export, DES, NULL)",
        "remove EXPORT, LOW and eNULL from the cipher list",
        "G, cipher table",
    ),
    Rule(
        "rc4_only",
        "F",
        on.rc4_only,
        "nothing but RC4 is accepted",
        "offer AES-GCM or ChaCha20 suites, and remove RC4",
        "G 2009k",
    ),
    Rule(
        "rc4_modern",
        "C",
        on.suites(lambda suite: suite.rc4, *on.SINCE_TLS_1_1),
        "RC4 is accepted with TLS 1.1 or newer",
        "remove RC4 from the cipher list",
        "G 2009j",
    ),
    Rule(
        "rc4",
        "B",
        on.suites(lambda suite: suite.rc4),
        "RC4 is accepted",
        "remove RC4 from the cipher list",
        "G 2009i",
    ),
    Rule(
        "block64_only",
        "C",
        on.block64_only,
        "a protocol since TLS 1.1 accepts only ciphers with 64-bit blocks (Sweet32)",
        "offer AES-GCM or ChaCha20 suites, and remove 3DES",
        "Q 2016-11-16, 2017-01-18",
    ),
    Rule(
        "block64_offered",
        None,
        on.block64_beside_others,
        "ciphers with 64-bit blocks are accepted (Sweet32); SSL Labs caps at C if a modern client would negotiate one",
        "remove 3DES from the cipher list, or at least put it last",
        "Q 2016-11-16, 2017-01-18",
    ),
    Rule(
        "no_aead",
        "B",
        on.no_suite(lambda suite: suite.aead),
        "no authenticated (AEAD) suite is accepted",
        "offer AES-GCM or ChaCha20-Poly1305 suites, and put them first",
        "Q 2018-02-02",
    ),
    # Vulnerabilities and protocol details.
    Rule(
        "heartbleed", "F", on.flag("heartbleed"), "Heartbleed", "update OpenSSL, and replace every key", "SSL Labs; TS"
    ),
    Rule("ccs_injection", "F", on.flag("ccs_injection"), "OpenSSL CCS injection", "update OpenSSL", "SSL Labs; TS"),
    Rule(
        "robot",
        "F",
        on.flag("robot"),
        "ROBOT: the server is an RSA padding oracle",
        "remove suites with RSA key exchange (those without ECDHE or DHE), and update the TLS library",
        "Q 2018-02-02",
    ),
    Rule("compression", "C", on.flag("compression"), "TLS compression is on (CRIME)", "turn it off", "G 2009j"),
    Rule(
        "no_secure_renegotiation",
        "A-",
        on.flag("secure_renegotiation", bad=False),
        "secure renegotiation (RFC 5746) is not supported",
        "update the TLS library",
        "G 2009e",
    ),
    Rule(
        "no_fallback_scsv",
        "A",
        on.flag("fallback_scsv", bad=False),
        "TLS_FALLBACK_SCSV is not supported",
        "update the TLS library",
        "G 2009h",
    ),
    Rule(
        "hsts_short",
        "A",
        on.hsts_short,
        "Strict-Transport-Security is absent, or shorter than 180 days",
        'send the header, such as "max-age=31536000"',
        "G 2009e",
    ),
)

NOT_TESTED = (
    Gap(check="debian_weak_key", reason="needs the list of Debian's weak keys"),
    Gap(check="poodle_tls", reason="needs records with hand-made padding, which sslyze does not send"),
    Gap(check="padding_cve_2016_2107", reason="needs records with hand-made padding, which sslyze does not send"),
    Gap(
        check="padding_oracles",
        reason="Zombie POODLE, GOLDENDOODLE, Sleeping POODLE and CVE-2019-1559 need such records too",
    ),
    Gap(check="ticketbleed", reason="sslyze has no test for it"),
    Gap(
        check="drown_elsewhere",
        reason="whether another host offers SSL 2.0 with the same key cannot be seen from this one",
    ),
    Gap(check="insecure_renegotiation", reason="only the RFC 5746 flag is read; no renegotiation without it is tried"),
    Gap(
        check="suite_order",
        reason="which of the offered suites a modern client would get (forward secrecy, AEAD, 3DES, RC4)",
    ),
    Gap(
        check="fallback_scsv_1_2",
        reason="the fallback from TLS 1.3 to 1.2; any refusal of an older protocol counts as support",
    ),
    Gap(check="revocation", reason="only a stapled OCSP answer is read; no CRL and no OCSP responder is asked"),
    Gap(
        check="aia_fetch",
        reason="a missing intermediate is not fetched, so an incomplete chain may show as an unknown issuer",
    ),
    Gap(check="hpkp", reason="sslyze reads no HPKP header any more, and browsers have dropped it"),
)
