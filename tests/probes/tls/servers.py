"""Real TLS servers on loopback, of every quality."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.process import Process, program
from tests.support.wait import free_port, listening, until

_NGINX = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  {servers}
}}
"""
_NGINX_SERVER = """
  server {{
    listen 127.0.0.1:{port} ssl; {more}
    ssl_certificate {chain}; ssl_certificate_key {key};
    {directives}
    location / {{ return 200 "ok"; }}
  }}
"""
MODERN = "ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20; ssl_prefer_server_ciphers off;"


class Nginx:
    """One nginx process with a TLS server a certificate, each on a port of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._servers: list[str] = []
        self._ports: list[int] = []

    def add(self, chain: Path, key: Path, directives: str = MODERN, more: str = "") -> int:
        port = free_port()
        while port in self._ports:
            port = free_port()
        self._ports.append(port)
        self._servers.append(
            _NGINX_SERVER.format(port=port, chain=chain, key=key, directives=directives, more=more.format(port=port))
        )
        return port

    @contextmanager
    def run(self) -> Iterator[None]:
        config = self.folder / "nginx.conf"
        config.write_text(_NGINX.format(folder=self.folder, servers="".join(self._servers)))
        log = self.folder / "output.log"
        with Process([program("nginx"), "-p", str(self.folder), "-c", str(config)], log) as process:
            until(
                lambda: not process.running() or all(map(listening, self._ports)), what="nginx listens on all its ports"
            )
            assert process.running(), process.output()
            yield


@contextmanager
def openssl_server(folder: Path, *options: str) -> Iterator[int]:
    """`openssl s_server -www` with `options`: what OpenSSL still speaks that nginx is not let speak."""
    port = free_port()
    argv = [program("openssl"), "s_server", "-accept", f"127.0.0.1:{port}", "-www", "-quiet", *options]
    with Process(argv, folder / f"s_server-{port}.log") as process:
        until(lambda: not process.running() or listening(port), what="openssl s_server listens")
        assert process.running(), process.output()
        yield port


@contextmanager
def socket_server(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """Call `serve` with each connection, in a thread a connection; all are closed at the end."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        open_connections: list[socket.socket] = []
        threads: list[threading.Thread] = []

        def handle(connection: socket.socket) -> None:
            with connection:
                try:
                    serve(connection)
                except OSError:
                    return  # the client went away, or the test is over

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                open_connections.append(connection)
                thread = threading.Thread(target=handle, args=(connection,))
                threads.append(thread)
                thread.start()

        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join(10)
            for connection in open_connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # already closed
            for thread in threads:
                thread.join(10)
