"""How a protocol that begins in the clear is asked for TLS: only what must be said before the handshake."""

from __future__ import annotations

import re
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from xml.sax.saxutils import quoteattr

from probes.engine import text_turns
from probes.engine.failures import Unanswered
from probes.engine.incoming import MAX_UNASKED_BYTES, Incoming, Talk, TooMuch, nothing_before_tls
from probes.engine.text_turns import refused, strange
from probes.result import FailureReason

Preamble = Callable[[Talk, Incoming, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class StartTlsProtocol:
    """`port` is where a server of it listens."""

    port: int
    preamble: Preamble


async def ask_for_tls(protocol: str, stream: Talk, host: str) -> None:
    """Say and hear what `protocol`, a key of PROTOCOLS, wants before a TLS handshake; after it the client's hello is
    next. `host` is the name that the server is asked for (XMPP names it).

    Raises Unanswered: `response` when the server refuses or does not offer TLS, `protocol` for what is no answer of
    that protocol or comes in the clear after the last one, `reset` when the connection is closed.
    """
    incoming = Incoming(stream)
    try:
        await PROTOCOLS[protocol].preamble(stream, incoming, host)
    except TooMuch:
        raise Unanswered(
            FailureReason.PROTOCOL, f"more than {MAX_UNASKED_BYTES} bytes came before TLS could begin"
        ) from None
    nothing_before_tls(incoming)


def _of_text(protocol: text_turns.TextProtocol) -> Preamble:
    async def preamble(stream: Talk, incoming: Incoming, _host: str) -> None:
        await text_turns.take(protocol, stream, incoming)

    return preamble


async def _ldap(stream: Talk, incoming: Incoming, _host: str) -> None:
    """RFC 4511 section 4.14: an extended request (4.12) with the OID of StartTLS; BER as in section 5.1."""
    oid = b"1.3.6.1.4.1.1466.20037"
    name = b"\x80" + bytes([len(oid)]) + oid
    request = b"\x02\x01\x01\x77" + bytes([len(name)]) + name
    await stream.send(b"\x30" + bytes([len(request)]) + request)
    tag, length = await incoming.exactly(2)
    if tag != 0x30:
        raise strange("LDAP", bytes([tag, length]) + incoming.held)
    if length & 0x80:
        length = int.from_bytes(await incoming.exactly(length & 0x7F))
    message = await incoming.exactly(length)
    try:
        number, rest = _tlv(message, 0x02)
        response, _ = _tlv(rest, 0x78)
        code, rest = _tlv(response, 0x0A)
        _, rest = _tlv(rest, 0x04)
        text, _ = _tlv(rest, 0x04)
    except ValueError:
        raise strange("LDAP", message) from None
    if code != b"\x00":
        raise refused("StartTLS", f"result code {int.from_bytes(code)}: {text.decode('utf-8', 'replace')}")
    if number != b"\x01":
        raise strange("LDAP", message)


def _tlv(data: bytes, wanted: int) -> tuple[bytes, bytes]:
    """(value, rest) of a BER element with this tag. Raises ValueError."""
    if len(data) < 2 or data[0] != wanted:
        raise ValueError(wanted)
    start, length = 2, data[1]
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start])
    if len(data) < start + length:
        raise ValueError(wanted)
    return data[start : start + length], data[start + length :]


_STREAMS = "http://etherx.jabber.org/streams"
_TAG_NAME = re.compile(r"[/?]?(?:[^\s/:]+:)?([^\s/:]+)")
_XMPP_TLS = "urn:ietf:params:xml:ns:xmpp-tls"


async def _xmpp(stream: Talk, incoming: Incoming, host: str) -> None:
    """RFC 6120 sections 4.2 and 5.4. Tag by tag: its XML has no comments or entities of its own (section 11.1)."""
    await stream.send(
        f"<?xml version='1.0'?><stream:stream to={quoteattr(host)} version='1.0' xmlns='jabber:client'"
        f" xmlns:stream='{_STREAMS}'>".encode()
    )
    offered = False
    while (tag := await _tag(incoming)) not in ("/features", "features/"):
        offered = offered or tag.strip("/") == "starttls"
    if not offered:
        raise Unanswered(FailureReason.RESPONSE, "the server does not offer STARTTLS")
    await stream.send(f"<starttls xmlns='{_XMPP_TLS}'/>".encode())
    if (tag := await _tag(incoming)) == "proceed":
        tag = await _tag(incoming) + "/"
    if tag not in ("proceed/", "/proceed/"):
        raise refused("STARTTLS", f"<{tag}>")


async def _tag(incoming: Incoming) -> str:
    """The next tag, as `_any_tag`. Raises Unanswered with the name of a stream error."""
    if (tag := await _any_tag(incoming)) == "error":
        raise refused("the stream", (await _any_tag(incoming)).strip("/"))
    return tag


async def _any_tag(incoming: Incoming) -> str:
    """The next tag's name without its prefix: `starttls`, `/features` where it ends, `proceed/` where it is all."""
    inside = "?"
    while inside.startswith("?"):  # <?xml ...?>
        text = (await incoming.until(b">")).decode("utf-8", "replace")
        if not text.endswith(">"):
            raise Unanswered(FailureReason.RESET, "the connection was closed before TLS could begin")
        before, opened, inside = text[:-1].partition("<")
        named = _TAG_NAME.match(inside)
        if not opened or named is None or (before.strip() and not inside.startswith("/")):
            raise strange("XMPP", text.encode())
        name = named[1]
    return ("/" if inside.startswith("/") else "") + name + ("/" if inside.endswith("/") else "")


async def _postgres(stream: Talk, incoming: Incoming, _host: str) -> None:
    """PostgreSQL's manual, "Message Flow", section "SSL Session Encryption": SSLRequest, answered by one byte."""
    await stream.send(struct.pack("!II", 8, 80877103))
    answer = await incoming.exactly(1)
    if answer == b"N":
        raise refused("SSLRequest", "N: the server has no TLS")
    if answer == b"E":  # a server of before 2000, or one that could not even fork: its message cannot be trusted
        raise refused("SSLRequest", "an error")
    if answer != b"S":
        raise strange("PostgreSQL", answer + incoming.held)


async def _mysql(stream: Talk, incoming: Incoming, _host: str) -> None:
    """MySQL's internals manual, Protocol::HandshakeV10, Protocol::SSLRequest and ERR_Packet. TLS follows the request
    without an answer."""
    client_ssl, protocol_41, secure_connection = 0x0800, 0x0200, 0x8000
    header = await incoming.exactly(4)
    if header[3] != 0:
        raise strange("MySQL", header + incoming.held)
    packet = await incoming.exactly(int.from_bytes(header[:3], "little"))
    if packet[:1] == b"\xff":
        raise refused("the connection", packet[3:].decode("utf-8", "replace"))
    flags_at = packet.find(b"\0", 1) + 1 + 4 + 8 + 1  # after the version come thread id, nonce and filler
    if packet[:1] != b"\x0a" or b"\0" not in packet[1:] or len(packet) < flags_at + 2:
        raise strange("MySQL", header + packet)
    if not int.from_bytes(packet[flags_at : flags_at + 2], "little") & client_ssl:
        raise Unanswered(FailureReason.RESPONSE, "the server does not offer TLS")
    flags, utf8mb4 = client_ssl | protocol_41 | secure_connection, 45
    request = struct.pack("<IIB23x", flags, 1 << 24, utf8mb4)
    await stream.send(len(request).to_bytes(3, "little") + b"\x01" + request)


_RDP_REFUSALS: Mapping[int, str] = MappingProxyType(
    {
        1: "TLS is required, and was asked for",
        2: "TLS is not allowed by the server",
        3: "the server has no certificate",
        4: "the server's flags are inconsistent",
        5: "the server requires CredSSP",
        6: "the server requires TLS with a client certificate",
    }
)


async def _rdp(stream: Talk, incoming: Incoming, _host: str) -> None:
    """[MS-RDPBCGR] 2.2.1.1 and 2.2.1.2: an X.224 connection request with RDP_NEG_REQ, and the confirm. CredSSP is
    asked for as well: servers that insist on it speak it inside the same TLS."""
    ssl_and_hybrid = 3
    negotiation = struct.pack("<BBHI", 1, 0, 8, ssl_and_hybrid)
    request = struct.pack("!BBHHB", 6 + len(negotiation), 0xE0, 0, 0, 0) + negotiation
    await stream.send(struct.pack("!BBH", 3, 0, 4 + len(request)) + request)
    header = await incoming.exactly(4)
    version, _, length = struct.unpack("!BBH", header)
    if version != 3 or length < 11:
        raise strange("RDP", header + incoming.held)
    confirm = await incoming.exactly(length - 4)
    if confirm[1] & 0xF0 != 0xD0:
        raise strange("RDP", header + confirm)
    if len(confirm) < 15:
        raise Unanswered(FailureReason.RESPONSE, "the server knows no TLS, only RDP's own encryption")
    kind, _, _, value = struct.unpack("<BBHI", confirm[7:15])
    if kind == 3:
        raise refused("TLS", _RDP_REFUSALS.get(value, f"code {value}"))
    if kind != 2 or value not in (1, 2, 8):
        raise refused("TLS", f"the server chose the protocol {value}")


PROTOCOLS: Mapping[str, StartTlsProtocol] = MappingProxyType(
    {
        "smtp": StartTlsProtocol(25, _of_text(text_turns.SMTP)),
        "imap": StartTlsProtocol(143, _of_text(text_turns.IMAP)),
        "pop3": StartTlsProtocol(110, _of_text(text_turns.POP3)),
        "ftp": StartTlsProtocol(21, _of_text(text_turns.FTP)),
        "ldap": StartTlsProtocol(389, _ldap),
        "xmpp": StartTlsProtocol(5222, _xmpp),
        "postgres": StartTlsProtocol(5432, _postgres),
        "mysql": StartTlsProtocol(3306, _mysql),
        "rdp": StartTlsProtocol(3389, _rdp),
    }
)
