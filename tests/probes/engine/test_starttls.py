"""Asking for TLS in each protocol: real servers, their recorded answers, and servers that do not keep to it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest
import trustme
from aiosmtpd.controller import Controller
from hypothesis import given
from hypothesis import strategies as st

from probes.dialogue import StartTls
from probes.engine.failures import Unanswered
from probes.engine.starttls import PROTOCOLS, ask_for_tls
from probes.result import FailureReason, Phase, ProbeResult
from tests.probes.engine.pieces import Pieces, cut
from tests.probes.support import detail, probe, reason
from tests.support.postgres import Postgres, postgres_server
from tests.support.speaker import Speaker, Turn, begin_tls, drip, hang, hear, hear_exactly, repeat
from tests.support.vsftpd import vsftpd_server
from tests.support.wait import free_port

XMPP_STREAM = (
    b"<?xml version='1.0'?><stream:stream from='localhost' xml:lang='en' version='1.0' "
    b"xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:client' id='6978bc75'>"
)
XMPP_TLS = b"xmlns='urn:ietf:params:xml:ns:xmpp-tls'"
MYSQL = (
    b"d\x00\x00\x00\n5.5.5-10.11.19-MariaDB-0+deb12u1\x00\x05\x00\x00\x00O3S'eHzL\x00\xfe\xff\x08\x02\x00\xff\x81\x15"
    b"\x00\x00\x00\x00\x00\x00\x1d\x00\x00\x00N!XyzwfxLP,*\x00mysql_native_password\x00"
)
# What real servers said (vsftpd 3.0.3, slapd 2.5.13, dovecot 2.3.19, prosody 0.12.3, mariadbd 10.11, xrdp 0.9.21, and
# the first two by their RFCs), with the client's part as `hear`.
RECORDED: dict[str, list[Turn]] = {
    "smtp": [
        b"220-mail.example.com ESMTP\r\n220 ready\r\n",
        hear,
        b"250-mail.example.com\r\n250-SIZE 33554432\r\n250-StartTLS\r\n250 HELP\r\n",
        hear,
        b"220 Ready to start TLS\r\n",
    ],
    "ftp": [b"120 a minute\r\n", b"220-(vsFTPd 3.0.3)\r\n 220 not yet\r\n220 now\r\n", hear, b"234 Proceed.\r\n"],
    "imap": [
        b"* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] Dovecot (Debian) ready.\r\n",
        hear,
        b"* OK still here\r\n* CAPABILITY IMAP4rev1 SASL-IR STARTTLS AUTH=PLAIN\r\na OK Pre-login listed.\r\n",
        hear,
        b"b OK Begin TLS negotiation now.\r\n",
    ],
    "pop3": [b"+OK Dovecot (Debian) ready.\r\n", hear, b"+OK Begin TLS negotiation now.\r\n"],
    "ldap": [hear, b"0\x0c\x02\x01\x01x\x07\n\x01\x00\x04\x00\x04\x00"],
    "xmpp": [
        hear,
        XMPP_STREAM
        + b"<stream:features><starttls "
        + XMPP_TLS
        + b"><required/></starttls><m>PLAIN</m></stream:features>",
        hear,
        b"<proceed " + XMPP_TLS + b"/>",
    ],
    "postgres": [hear, b"S"],
    "mysql": [MYSQL, hear_exactly(36)],
    "rdp": [hear, b"\x03\x00\x00\x13\x0e\xd0\x00\x00\x124\x00\x02\x01\x08\x00\x01\x00\x00\x00"],
}
CLIENT: dict[str, list[bytes]] = {
    "smtp": [b"EHLO [127.0.0.1]\r\n", b"STARTTLS\r\n"],
    "ftp": [b"AUTH TLS\r\n"],
    "imap": [b"a CAPABILITY\r\n", b"b STARTTLS\r\n"],
    "pop3": [b"STLS\r\n"],
    "ldap": [b"0\x1d\x02\x01\x01w\x18\x80\x161.3.6.1.4.1.1466.20037"],
    "xmpp": [
        b"<?xml version='1.0'?><stream:stream to=\"127.0.0.1\" version='1.0' xmlns='jabber:client'"
        b" xmlns:stream='http://etherx.jabber.org/streams'>",
        b"<starttls " + XMPP_TLS + b"/>",
    ],
    "postgres": [b"\x00\x00\x00\x08\x04\xd2\x16\x2f"],
    "mysql": [b" \x00\x00\x01\x00\x8a\x00\x00\x00\x00\x00\x01-" + bytes(23)],
    "rdp": [b"\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00"],
}
EACH = sorted(PROTOCOLS)


@dataclass(frozen=True)
class Trusted:
    certificate: trustme.LeafCert
    ca_file: Path


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> Trusted:
    ca = trustme.CA()
    ca_file = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(ca_file)
    return Trusted(ca.issue_cert("127.0.0.1", "localhost"), ca_file)


def test_every_protocol_of_the_settings_is_there() -> None:
    assert set(get_args(StartTls)) == set(PROTOCOLS) == set(RECORDED)


def good(result: ProbeResult) -> None:
    assert result.failure is None
    assert result.tls is not None
    assert result.tls.verified
    assert [phase for phase, _ in result.phases][2:4] == [Phase.PROCESSING, Phase.TLS]


# Real servers.


async def test_aiosmtpd_and_a_dialogue_inside_tls(trusted: Trusted) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trusted.certificate.configure_cert(context)
    controller = Controller(object(), hostname="127.0.0.1", port=free_port(), tls_context=context)
    controller.start()
    try:
        result = await probe(
            f"tcp://127.0.0.1:{controller.port}",
            starttls="smtp",
            tls={"ca_file": trusted.ca_file},
            dialogue=[{"send": "EHLO prober\r"}, {"expect": "^250 ", "send": "QUIT\r"}, {"expect": "^221 "}],
        )
    finally:
        controller.stop()
    good(result)


async def test_aiosmtpd_without_a_certificate_does_not_offer_it() -> None:
    controller = Controller(object(), hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        result = await probe(f"tcp://127.0.0.1:{controller.port}", starttls="smtp")
    finally:
        controller.stop()
    assert reason(result) is FailureReason.RESPONSE
    assert detail(result) == "the server does not offer STARTTLS"


async def test_vsftpd(trusted: Trusted, tmp_path: Path) -> None:
    with vsftpd_server(tmp_path, trusted.certificate) as port:
        good(await probe(f"tls://127.0.0.1:{port}", starttls="ftp", tls={"ca_file": trusted.ca_file}))


@pytest.fixture(scope="module")
def postgres_with_tls(trusted: Trusted) -> Iterator[Postgres]:
    with postgres_server(trusted.certificate) as server:
        yield server


@pytest.mark.parametrize("scheme", ["tcp", "tls"])
async def test_postgresql(postgres_with_tls: Postgres, trusted: Trusted, scheme: str) -> None:
    url = f"{scheme}://127.0.0.1:{postgres_with_tls.port}"
    good(await probe(url, starttls="postgres", tls={"ca_file": trusted.ca_file}))
    distrusted = await probe(url, starttls="postgres")
    assert reason(distrusted) is FailureReason.CERTIFICATE
    assert distrusted.tls is not None, "the certificate is told although it does not verify"


async def test_postgresql_without_tls(postgres: Postgres) -> None:
    result = await probe(f"tcp://127.0.0.1:{postgres.port}", starttls="postgres")
    assert reason(result) is FailureReason.RESPONSE
    assert "the server has no TLS" in detail(result)


# Servers that say what real ones said.


async def asked(protocol: str, turns: list[Turn], trusted: Trusted, **options: Any) -> tuple[ProbeResult, list[bytes]]:
    with Speaker(turns, trusted.certificate) as server:
        options = {"tls": {"ca_file": trusted.ca_file}, **options}
        result = await probe(f"tcp://127.0.0.1:{server.port}", starttls=protocol, **options)
    return result, server.heard


@pytest.mark.parametrize("protocol", EACH)
async def test_the_protocols_own_words_and_then_tls(protocol: str, trusted: Trusted) -> None:
    result, heard = await asked(protocol, [*RECORDED[protocol], begin_tls, hang], trusted)
    good(result)
    assert heard == CLIENT[protocol]


@pytest.mark.parametrize("protocol", EACH)
async def test_words_that_drip_are_words(protocol: str, trusted: Trusted) -> None:
    turns = [drip(turn) if isinstance(turn, bytes) else turn for turn in RECORDED[protocol]]
    result, _ = await asked(protocol, [*turns, begin_tls, hang], trusted, timeout="8s")
    good(result)


@pytest.mark.parametrize("protocol", EACH)
async def test_words_injected_before_tls_are_a_failure(protocol: str, trusted: Trusted) -> None:
    """CVE-2011-0411: what a man in the middle puts behind the answer must not be read as if it came inside TLS."""
    *before, last = RECORDED[protocol]
    if isinstance(last, bytes):
        turns = [*before, last + b"250 all is well\r\n", begin_tls, hang]
    else:  # mysql: the client's request has no answer
        turns = [MYSQL + b"\x01\x00\x00\x00\x00", hear_exactly(36), begin_tls, hang]
    result, _ = await asked(protocol, turns, trusted, dialogue=[{"expect": "250"}])
    assert reason(result) is FailureReason.PROTOCOL
    assert "CVE-2011-0411" in detail(result)


@pytest.mark.parametrize("protocol", EACH)
async def test_words_injected_later_break_the_handshake(protocol: str, trusted: Trusted) -> None:
    turns = [*RECORDED[protocol], hear, b"250 all is well\r\n", hang]
    result, _ = await asked(protocol, turns, trusted, dialogue=[{"expect": "250"}])
    assert reason(result) is FailureReason.TLS


REFUSED = {
    "smtp busy": ("smtp", [b"554 no service\r\n"], "the connection was refused: '554 no service'"),
    "smtp": ("smtp", [*RECORDED["smtp"][:4], b"454 TLS not available\r\n"], "'STARTTLS' was refused: '454 TLS not"),
    "smtp offer": ("smtp", [b"220 a\r\n", hear, b"250 HELP\r\n", hang], "the server does not offer STARTTLS"),
    "ftp": ("ftp", [b"220 a\r\n", hear, b"500 what?\r\n"], "'AUTH TLS' was refused: '500 what?'"),
    "imap bye": ("imap", [b"* BYE overloaded\r\n"], "the connection was refused: '* BYE overloaded'"),
    "imap in": ("imap", [b"* PREAUTH hello\r\n"], "the connection was refused"),
    "imap offer": ("imap", [b"* OK\r\n", hear, b"* CAPABILITY IMAP4rev1\r\na OK\r\n"], "does not offer STARTTLS"),
    "imap": ("imap", [*RECORDED["imap"][:4], b"b NO not now\r\n"], "'b STARTTLS' was refused: 'b NO not now'"),
    "pop3": ("pop3", [b"+OK\r\n", hear, b"-ERR unknown\r\n"], "'STLS' was refused: '-ERR unknown'"),
    "ldap": ("ldap", [hear, b"0\x11\x02\x01\x01x\x0c\n\x01\x02\x04\x00\x04\x05no ca"], "result code 2: no ca"),
    "xmpp": ("xmpp", [*RECORDED["xmpp"][:3], b"<failure " + XMPP_TLS + b"/>"], "STARTTLS was refused: <failure/>"),
    "xmpp offer": ("xmpp", [hear, XMPP_STREAM + b"<stream:features/>"], "the server does not offer STARTTLS"),
    "xmpp host": (
        "xmpp",
        [hear, XMPP_STREAM + b"<stream:error><host-unknown xmlns='a'/></stream:error>"],
        "the stream was refused: host-unknown",
    ),
    "postgres": ("postgres", [hear, b"N"], "the server has no TLS"),
    "postgres old": ("postgres", [hear, b"EFATAL\0"], "SSLRequest was refused: an error"),
    "mysql": ("mysql", [b"\x10\0\0\0\xff\x69\x04Host blocked.", hang], "the connection was refused: Host blocked."),
    "mysql offer": ("mysql", [MYSQL.replace(b"\xfe\xff", b"\xfe\xf7")], "the server does not offer TLS"),
    "rdp": ("rdp", [hear, b"\3\0\0\x13\x0e\xd0\0\0\0\0\0\3\0\x08\0\2\0\0\0"], "TLS is not allowed by the server"),
    "rdp old": ("rdp", [hear, b"\3\0\0\x0b\x06\xd0\0\0\0\0\0"], "only RDP's own encryption"),
    "rdp plain": ("rdp", [hear, b"\3\0\0\x13\x0e\xd0\0\0\0\0\0\2\0\x08\0\0\0\0\0"], "chose the protocol 0"),
}  # fmt: skip


@pytest.mark.parametrize(("protocol", "turns", "said"), REFUSED.values(), ids=REFUSED)
async def test_a_refusal_is_told_in_the_servers_words(
    protocol: str, turns: list[Turn], said: str, trusted: Trusted
) -> None:
    result, _ = await asked(protocol, turns, trusted)
    assert reason(result) is FailureReason.RESPONSE
    assert said in detail(result)
    assert result.tls is None


@pytest.mark.parametrize("protocol", EACH)
@pytest.mark.parametrize(
    ("turns", "reasons"),
    [
        ([], {FailureReason.RESET}),
        ([hang], {FailureReason.TIMEOUT}),
        # A server that closes with words of ours unread resets the connection.
        ([b"\x16\x03\x01 what?\r\n>>" * 40], {FailureReason.PROTOCOL, FailureReason.RESET}),
        ([repeat(b"x" * 4096)], {FailureReason.PROTOCOL}),
        ([repeat(b"<a>* a\r\n220-x\r\n", pause_seconds=0.01)], {FailureReason.PROTOCOL, FailureReason.TIMEOUT}),
        ([repeat(b"1", pause_seconds=0.01)], {FailureReason.PROTOCOL, FailureReason.TIMEOUT}),
    ],
    ids=["closes", "hangs", "garbage", "endless", "endless-drip", "dripping-line"],
)
async def test_a_server_that_talks_something_else(
    protocol: str, turns: list[Turn], reasons: set[FailureReason], trusted: Trusted
) -> None:
    result, _ = await asked(protocol, turns, trusted, timeout="400ms")
    assert reason(result) in reasons
    if reason(result) is FailureReason.TIMEOUT:
        assert "the server's consent to TLS" in detail(result)


async def outcome(protocol: str, pieces: list[bytes]) -> tuple[object, bytes]:
    stream = Pieces(pieces)
    try:
        await ask_for_tls(protocol, stream, "127.0.0.1")
    except Unanswered as unanswered:
        return unanswered.failure.reason, stream.sent
    return None, stream.sent


@pytest.mark.parametrize("protocol", EACH)
@given(data=st.data())
async def test_pieces_do_not_matter(protocol: str, data: st.DataObject) -> None:
    everything = b"".join(turn for turn in RECORDED[protocol] if isinstance(turn, bytes))
    assert await outcome(protocol, cut(everything, data)) == (None, b"".join(CLIENT[protocol]))
    less = everything[: data.draw(st.integers(0, len(everything) - 1))]
    assert (await outcome(protocol, cut(less, data)))[0] in (FailureReason.RESET, FailureReason.PROTOCOL)


@pytest.mark.parametrize("protocol", EACH)
@given(data=st.data())
async def test_any_bytes_are_an_answer_or_a_failure(protocol: str, data: st.DataObject) -> None:
    everything = b"".join(turn for turn in RECORDED[protocol] if isinstance(turn, bytes))
    changed = bytearray(everything)
    for place, byte in data.draw(
        st.lists(st.tuples(st.integers(0, len(everything) - 1), st.integers(0, 255)), max_size=6)
    ):
        changed[place] = byte
    pieces = cut(bytes(changed) + data.draw(st.binary(max_size=30)), data)
    seen, _ = await outcome(protocol, pieces)
    assert seen in (None, FailureReason.RESET, FailureReason.PROTOCOL, FailureReason.RESPONSE)


@pytest.mark.parametrize("protocol", EACH)
@pytest.mark.parametrize(
    "endless",
    [
        b"100 x\r\n",
        b"<?a?>",
        b"<error>",
        b"<a>",
        b"* a\r\n",
        b"x\n",
        b"\0\0\0\0",
        b"0\x80",
        b"\x30\x84\xff\xff\xff\xff",
    ],
)
async def test_endless_answers_end_at_the_bound(protocol: str, endless: bytes) -> None:
    seen, _ = await outcome(protocol, [endless * 20_000])
    assert seen is not None
