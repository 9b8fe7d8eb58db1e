"""A loopback server that says and hears what a test lists, in turn: for protocols in which the server speaks first."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import trustme

DRIP_SECONDS = 0.01
SECONDS = 20.0  # after which a server gives a client up

Act = Callable[["Talker"], None]
Turn = bytes | Act
"""Bytes are sent; a function does something else."""


class Talker:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext | None) -> None:
        self.sock = sock
        self.context = context
        self.heard: list[bytes] = []


def hear(talker: Talker) -> None:
    """Wait for what the client says."""
    talker.heard.append(talker.sock.recv(65536))


def hear_exactly(count: int) -> Act:
    """Leave what may come behind it, such as the client's hello."""

    def act(talker: Talker) -> None:
        talker.heard.append(talker.sock.recv(count, socket.MSG_WAITALL))

    return act


def begin_tls(talker: Talker) -> None:
    assert talker.context is not None
    talker.sock = talker.context.wrap_socket(talker.sock, server_side=True)


def hang(talker: Talker) -> None:
    """Until the client gives up."""
    while talker.sock.recv(65536):
        pass


def repeat(data: bytes, *, pause_seconds: float = 0.0) -> Act:
    """For as long as the client listens."""

    def act(talker: Talker) -> None:
        while True:
            talker.sock.sendall(data)
            time.sleep(pause_seconds)

    return act


def drip(data: bytes) -> Act:
    """A byte at a time."""

    def act(talker: Talker) -> None:
        for byte in data:
            talker.sock.sendall(bytes([byte]))
            time.sleep(DRIP_SECONDS)

    return act


class Speaker:
    """Takes `turns` with every client, one after the other, and closes the connection. Use as a context manager."""

    def __init__(self, turns: Sequence[Turn], certificate: trustme.LeafCert | None = None) -> None:
        self._turns = turns
        self._context: ssl.SSLContext | None = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(self._context)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._last: object = None  # the address of the client that ends it: those that came before have their turn
        self.heard: list[bytes] = []

    @property
    def port(self) -> int:
        port: int = self._listening.getsockname()[1]
        return port

    def _serve(self) -> None:
        while True:
            sock, peer = self._listening.accept()
            if peer == self._last:
                sock.close()
                return
            sock.settimeout(SECONDS)
            talker = Talker(sock, self._context)
            with suppress(OSError):  # the client went away: TLS errors are OSErrors too
                for turn in self._turns:
                    if isinstance(turn, bytes):
                        talker.sock.sendall(turn)
                    else:
                        turn(talker)
            self.heard += talker.heard
            talker.sock.close()

    def __enter__(self) -> Speaker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with socket.socket() as last:
            last.bind(("127.0.0.1", 0))
            self._last = last.getsockname()
            last.connect(self._listening.getsockname())
            self._thread.join(SECONDS)
        self._listening.close()
