"""Reach a server before it is scanned: one connection and one ClientHello tell why a scan would be in vain."""

from __future__ import annotations

import socket
import ssl
import time

from probes.result import FailureReason
from probes.tls.endpoint import Endpoint, ScanError, ScanRequest
from probes.tls.text import printable

_TLS_RECORDS = (0x14, 0x15, 0x16)  # change cipher spec, alert, handshake
_MAX_ADDRESSES = 8


def reach(request: ScanRequest) -> str:
    """The first address of the host that answers a ClientHello. Raises ScanError."""
    failure: ScanError | None = None
    for address in _addresses(request.endpoint):
        try:
            _greet(address, request)
        except ScanError as error:
            failure = failure or error
            # Another address may be up; one that speaks, but no TLS, is the answer.
            if error.reason is FailureReason.TLS:
                break
        else:
            return address
    assert failure is not None
    raise failure


def _addresses(endpoint: Endpoint) -> list[str]:
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ScanError(FailureReason.DNS, f"the name {endpoint.host} does not resolve: {reason}") from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))[:_MAX_ADDRESSES]


def _greet(address: str, request: ScanRequest) -> None:
    place, seconds = Endpoint(address, request.endpoint.port), request.network_seconds
    deadline = time.monotonic() + seconds
    try:
        connection = socket.create_connection((address, place.port), timeout=seconds)
    except TimeoutError:
        raise ScanError(FailureReason.TIMEOUT, f"{place} did not accept a connection within {seconds:g} s") from None
    except ConnectionRefusedError:
        raise ScanError(FailureReason.REFUSED, f"{place} refused the connection") from None
    except OSError as error:
        raise ScanError(FailureReason.UNREACHABLE, f"{place} cannot be reached: {error.strerror}") from None
    with connection:
        try:
            connection.sendall(_client_hello(request.name))
            connection.settimeout(max(0.01, deadline - time.monotonic()))
            answer = connection.recv(64)
        except TimeoutError:
            detail = f"{place} accepted the connection but did not answer a TLS hello within {seconds:g} s"
            raise ScanError(FailureReason.TIMEOUT, detail) from None
        except OSError:
            raise ScanError(FailureReason.RESET, f"{place} closed the connection on a TLS hello") from None
    if not answer:
        raise ScanError(FailureReason.TLS, f"{place} closed the connection on a TLS hello; is this a TLS port?")
    if answer[0] not in _TLS_RECORDS:
        said = printable(answer.decode("latin-1"))
        raise ScanError(FailureReason.TLS, f"{place} does not speak TLS; it answered {said!r}")


def _client_hello(server_name: str) -> bytes:
    """The first flight of OpenSSL's client at its most permissive; the bytes never meet a socket of ssl's own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    outgoing = ssl.MemoryBIO()
    session = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=server_name)
    try:
        session.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a handshake cannot end before the server has spoken")
