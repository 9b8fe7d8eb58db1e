"""Scan one endpoint with sslyze and fill the facts. The only import of sslyze in the project.

Blocking, and bounded only per connection: callers run it in a child process with a deadline (`workers`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path as FilePath
from typing import Any, TypeVar

import sslyze
from cryptography.x509 import Certificate, load_pem_x509_certificates, ocsp
from sslyze import ScanCommand, ScanCommandAttemptStatusEnum
from sslyze.server_setting import ServerNetworkLocation

from probes.result import FailureReason
from probes.tls.certificates import UNREADABLE, certificate_facts, signature_hash
from probes.tls.chain import judge, name_matches, names_of
from probes.tls.endpoint import ScanError, ScanRequest
from probes.tls.facts import TOO_SMALL_DH, ChainFacts, Gap, Protocol, ProtocolFacts, Suite, TlsFacts
from probes.tls.text import name_of, printable

T = TypeVar("T")

CONNECTIONS_PER_SERVER = 10
PUBLIC_STORE = "Mozilla"  # SSL Labs' own; the name that sslyze gives it
_SUITE_COMMANDS = {
    Protocol.SSL_2: ScanCommand.SSL_2_0_CIPHER_SUITES,
    Protocol.SSL_3: ScanCommand.SSL_3_0_CIPHER_SUITES,
    Protocol.TLS_1_0: ScanCommand.TLS_1_0_CIPHER_SUITES,
    Protocol.TLS_1_1: ScanCommand.TLS_1_1_CIPHER_SUITES,
    Protocol.TLS_1_2: ScanCommand.TLS_1_2_CIPHER_SUITES,
    Protocol.TLS_1_3: ScanCommand.TLS_1_3_CIPHER_SUITES,
}
_COMMANDS = {
    *_SUITE_COMMANDS.values(),
    ScanCommand.CERTIFICATE_INFO,
    ScanCommand.TLS_COMPRESSION,
    ScanCommand.TLS_FALLBACK_SCSV,
    ScanCommand.HEARTBLEED,
    ScanCommand.OPENSSL_CCS_INJECTION,
    ScanCommand.ROBOT,
    ScanCommand.SESSION_RENEGOTIATION,
    ScanCommand.HTTP_HEADERS,
}


def scan(request: ScanRequest, address: str) -> TlsFacts:
    """Raises ScanError when no handshake succeeds, or the certificate cannot be read."""
    return _facts(request, address, _run(request, address))


def _run(request: ScanRequest, address: str) -> sslyze.ServerScanResult:
    scanner = sslyze.Scanner(
        per_server_concurrent_connections_limit=CONNECTIONS_PER_SERVER, concurrent_server_scans_limit=1
    )
    extra = None
    if request.ca_file:
        extra = sslyze.CertificateInfoExtraArgument(custom_ca_file=FilePath(request.ca_file))
    scanner.queue_scans(
        [
            sslyze.ServerScanRequest(
                server_location=ServerNetworkLocation(request.name, request.endpoint.port, ip_address=address),
                network_configuration=sslyze.ServerNetworkConfiguration(
                    tls_server_name_indication=request.name, network_timeout=max(1, round(request.network_seconds))
                ),
                scan_commands=set(_COMMANDS),
                scan_commands_extra_arguments=sslyze.ScanCommandsExtraArguments(certificate_info=extra),
            )
        ]
    )
    result = next(iter(scanner.get_results()))
    if result.connectivity_status is not sslyze.ServerConnectivityStatusEnum.COMPLETED:
        trace = result.connectivity_error_trace
        said = printable(str(trace).strip()) if trace else "no handshake was completed"
        raise ScanError(FailureReason.TLS, f"{request.endpoint}: the TLS handshake failed: {said}")
    return result


class _Answers:
    """The attempts of one scan: what a command found, or a gap with the reason why it found nothing."""

    def __init__(self, attempts: sslyze.AllScanCommandsAttempts) -> None:
        self._attempts = attempts
        self.gaps: list[Gap] = []

    def get(self, command: ScanCommand, pick: Callable[[Any], T]) -> T | None:
        """`pick` of the command's result; it may raise ValueError to say why there is nothing to pick."""
        attempt = getattr(self._attempts, command.value)
        if attempt.status is not ScanCommandAttemptStatusEnum.COMPLETED:
            said = str(attempt.error_trace).strip() if attempt.error_trace else str(attempt.status.value)
            self.gaps.append(Gap(check=command.value, reason=printable(f"the scan command failed: {said}")))
            return None
        try:
            return pick(attempt.result)
        except ValueError as error:
            self.gaps.append(Gap(check=command.value, reason=printable(str(error))))
            return None


def _facts(request: ScanRequest, address: str, result: sslyze.ServerScanResult) -> TlsFacts:
    assert result.scan_result is not None
    assert result.connectivity_result is not None
    answers = _Answers(result.scan_result)
    now = datetime.now(UTC)
    chains = answers.get(ScanCommand.CERTIFICATE_INFO, lambda info: _chains(info, request, now))
    if chains is None:
        raise ScanError(FailureReason.CERTIFICATE, f"{request.endpoint}: {answers.gaps[-1].reason}")
    protocols = tuple(_protocol(answers, protocol) for protocol in Protocol)
    best = list(Protocol)[result.connectivity_result.highest_tls_version_supported.value - 1]
    return TlsFacts(
        host=request.endpoint.host,
        port=request.endpoint.port,
        address=address,
        server_name=request.name,
        scanned_at=now,
        negotiated=(best, result.connectivity_result.cipher_suite_supported),
        protocols=protocols,
        chains=chains,
        compression=answers.get(ScanCommand.TLS_COMPRESSION, lambda found: found.supports_compression),
        heartbleed=answers.get(ScanCommand.HEARTBLEED, lambda found: found.is_vulnerable_to_heartbleed),
        ccs_injection=answers.get(
            ScanCommand.OPENSSL_CCS_INJECTION, lambda found: found.is_vulnerable_to_ccs_injection
        ),
        robot=answers.get(ScanCommand.ROBOT, _robot),
        secure_renegotiation=answers.get(
            ScanCommand.SESSION_RENEGOTIATION, lambda found: found.supports_secure_renegotiation
        ),
        fallback_scsv=answers.get(ScanCommand.TLS_FALLBACK_SCSV, lambda found: found.supports_fallback_scsv),
        hsts_max_age=answers.get(ScanCommand.HTTP_HEADERS, _hsts_max_age),
        gaps=(*answers.gaps, *_key_gaps(chains)),
    )


def _protocol(answers: _Answers, protocol: Protocol) -> ProtocolFacts:
    accepted = answers.get(_SUITE_COMMANDS[protocol], lambda found: tuple(map(_suite, found.accepted_cipher_suites)))
    return ProtocolFacts(protocol=protocol, offered=None if accepted is None else bool(accepted), suites=accepted or ())


def _suite(accepted: sslyze.CipherSuiteAcceptedByServer) -> Suite:
    key, name = accepted.ephemeral_key, accepted.cipher_suite.name
    # sslyze accepts a DH suite without a key only when its OpenSSL found the parameters too small to go on.
    refused = key is None and ("_DHE_" in name or "_DH_anon_" in name)
    return Suite(
        name=name,
        bits=accepted.cipher_suite.key_size,
        anonymous=accepted.cipher_suite.is_anonymous,
        exchange=TOO_SMALL_DH if refused else "" if key is None else key.type_name,
        exchange_bits=None if key is None else key.size,
    )


def _robot(found: sslyze.RobotScanResult) -> bool:
    if found.robot_result is sslyze.RobotScanResultEnum.UNKNOWN_INCONSISTENT_RESULTS:
        raise ValueError("the server answered the three attempts in different ways")
    return found.robot_result.name.startswith("VULNERABLE")


def _hsts_max_age(found: sslyze.HttpHeadersScanResult) -> int:
    if found.http_error_trace is not None:
        raise ValueError("the server gave no HTTP answer that could be read")
    header = found.strict_transport_security_header
    if header is None:
        return 0
    if header.max_age is None:
        raise ValueError("the max-age of Strict-Transport-Security could not be read")
    return header.max_age


def _chains(info: sslyze.CertificateInfoScanResult, request: ScanRequest, now: datetime) -> tuple[ChainFacts, ...]:
    sent = [deployment.received_certificate_chain for deployment in info.certificate_deployments]
    everything = [certificate for chain in sent for certificate in chain[1:]]
    return tuple(_chain(deployment, request, everything, now) for deployment in info.certificate_deployments)


def _chain(
    deployment: sslyze.CertificateDeploymentAnalysisResult,
    request: ScanRequest,
    elsewhere: Sequence[Certificate],
    now: datetime,
) -> ChainFacts:
    sent = deployment.received_certificate_chain
    store = _store(deployment, request)
    anchors = [each for each in store if each.subject == each.issuer or each == sent[0]]
    known = [each for each in (*store, *elsewhere) if each not in anchors]
    judged = judge(sent, anchors, known, now)
    return ChainFacts(
        certificates=tuple(certificate_facts(certificate) for certificate in sent),
        path=judged.path,
        path_detail=judged.detail,
        name_matches=name_matches(names_of(sent[0]), request.name),
        signatures=tuple(
            (signature_hash(each), name_of(each.subject)) for each in judged.certificates if each not in anchors
        ),
        expired=tuple(name_of(each.subject) for each in judged.certificates if each.not_valid_after_utc < now),
        not_yet_valid=tuple(name_of(each.subject) for each in judged.certificates if each.not_valid_before_utc > now),
        legacy_symantec=deployment.verified_chain_has_legacy_symantec_anchor,
        revoked=_revoked(deployment.ocsp_response, sent[0]),
    )


def _store(deployment: sslyze.CertificateDeploymentAnalysisResult, request: ScanRequest) -> list[Certificate]:
    """Mozilla's roots as sslyze bundles them, or only the CA file: then nothing else makes a chain trusted."""
    if request.ca_file:
        return load_pem_x509_certificates(FilePath(request.ca_file).read_bytes())
    stores = (result.trust_store for result in deployment.path_validation_results)
    bundled = next(store for store in stores if store.name == PUBLIC_STORE)
    return load_pem_x509_certificates(bundled.path.read_bytes())


def _revoked(response: ocsp.OCSPResponse | None, leaf: Certificate) -> bool | None:
    """What the stapled OCSP answer says of this leaf; None when there is none, or it speaks of something else."""
    if response is None or response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        return None
    for single in response.responses:
        if single.serial_number == leaf.serial_number:
            return single.certificate_status is ocsp.OCSPCertStatus.REVOKED
    return None


def _key_gaps(chains: Sequence[ChainFacts]) -> list[Gap]:
    unreadable = [each.subject for chain in chains for each in chain.certificates if each.key == UNREADABLE]
    return [Gap(check="key", reason=f"the public key of {subject} cannot be read") for subject in unreadable]
