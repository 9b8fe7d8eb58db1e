"""A real nginx for tests: HTTP, HTTPS and HTTP/2 on free loopback ports, with its own configuration and files."""

from __future__ import annotations

import http.client
import re
from pathlib import Path

import trustme

from tests.support.process import Process, program
from tests.support.wait import free_port, listening, until

LOCATIONS = """
    location / { default_type text/plain; return 200 "ok: a small body of a health check\\n"; }
    location = /json {
      default_type application/json; return 200 '{"status": "up", "checks": [{"status": "ok", "lag": 1}]}';
    }
    location = /empty { return 204; }
    location = /missing { return 404 "not here\\n"; }
    location = /broken { return 500 "broken\\n"; }
    location = /down { return 503 "down\\n"; }
    location = /moved { return 301 /there; }
    location = /loop { return 302 /loop?again=1; }
    location = /nowhere { return 302 ftp://example.invalid/; }
"""
CONFIGURATION = """
daemon off; master_process off; worker_processes 1; worker_rlimit_nofile 8192;
pid {folder}/nginx.pid; error_log {folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/tmp-body; proxy_temp_path {folder}/tmp-proxy; fastcgi_temp_path {folder}/tmp-fastcgi;
  uwsgi_temp_path {folder}/tmp-uwsgi; scgi_temp_path {folder}/tmp-scgi;
  server {{ listen 127.0.0.1:{http_port} backlog=4096; {locations} }}
  server {{
    listen 127.0.0.1:{https_port} ssl backlog=4096;
    ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key; {locations}
  }}
  server {{
    listen 127.0.0.1:{http2_port} ssl http2 backlog=4096;
    ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key; {locations}
  }}
  server {{ listen 127.0.0.1:{status_port}; access_log off; location / {{ stub_status; }} }}
}}
"""


class Nginx:
    """`start` and `stop` may alternate: the ports stay the same. Use as a context manager to start it at once."""

    def __init__(self, folder: Path, *, ca: trustme.CA | None = None, locations: str = LOCATIONS) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.ca = ca or trustme.CA()
        self.ca_file = folder / "ca.pem"
        self.http_port, self.https_port, self.http2_port = free_port(), free_port(), free_port()
        self._status_port = free_port()
        self._process: Process | None = None
        self._status_requests = 0
        self.ca.cert_pem.write_to_path(self.ca_file)
        self.use_certificate(self.ca.issue_cert("localhost", "127.0.0.1"))
        configuration = CONFIGURATION.format(
            folder=folder,
            http_port=self.http_port,
            https_port=self.https_port,
            http2_port=self.http2_port,
            status_port=self._status_port,
            locations=locations,
        )
        (folder / "nginx.conf").write_text(configuration)

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def https_url(self) -> str:
        return f"https://localhost:{self.https_port}"

    @property
    def http2_url(self) -> str:
        return f"https://localhost:{self.http2_port}"

    def use_certificate(self, certificate: trustme.LeafCert) -> None:
        """Serve this one from the next `start` on."""
        chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
        (self.folder / "server.pem").write_bytes(chain)
        certificate.private_key_pem.write_to_path(self.folder / "server.key")

    def start(self) -> None:
        argv = [program("nginx"), "-c", str(self.folder / "nginx.conf"), "-e", str(self.folder / "error.log")]
        self._process = Process(argv, self.folder / "output.log")
        self._status_requests = 0
        for port in (self.http_port, self.https_port, self.http2_port, self._status_port):
            until(lambda port=port: listening(port), what=f"nginx on port {port}: {self._process.output()}")  # type: ignore[misc]

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()
            self._process = None

    def served(self) -> int:
        """Requests that this run of nginx has taken so far, those of this method left out."""
        connection = http.client.HTTPConnection("127.0.0.1", self._status_port, timeout=5)
        connection.request("GET", "/")
        text = connection.getresponse().read().decode()
        connection.close()
        self._status_requests += 1
        found = re.search(r"\n\s*\d+\s+\d+\s+(\d+)", text)
        assert found is not None, text
        return int(found[1]) - self._status_requests

    def __enter__(self) -> Nginx:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
