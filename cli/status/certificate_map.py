"""`mesh status`, of the certificates of the external Gateway, which Certificate Manager issues.

A domain's authorization is a DNS record of its own: the certificate is issued before the domain points to the load
balancer. Source: https://cloud.google.com/certificate-manager/docs/troubleshooting
"""

from collections.abc import Iterator

from cli.report.findings import Finding, failure, ok, warning
from cli.sources.cluster_objects import Object
from cli.sources.described import MapCertificate
from cli.sources.google import ApiError
from cli.sources.member import ObservedCluster, failure_or_ok
from cli.sources.remediation import DEPLOY
from cli.status.comparison import unknown

MAP = "networking.gke.io/certmap"
API = "certificatemanager"


def check_certificate_map(member: ObservedCluster, gateway: Object | None) -> Iterator[Finding]:
    """Yield whether the Gateway uses the environment's certificate map.

    Args:
        member: The config cluster.
        gateway: The external Gateway; None if it is missing.
    """
    if gateway is None:
        return
    wanted = member.environment.names.certificate_map
    used = gateway["metadata"].get("annotations", {}).get(MAP, "none")
    wrong = [] if used == wanted else [f"the Gateway uses {used}, but {wanted} is configured"]
    finding = failure_or_ok("certificate map", wrong, wanted, DEPLOY)
    yield finding.about(f"Gateway {gateway['metadata']['namespace']}/{gateway['metadata']['name']}")


def check_certificate(domain: str, found: MapCertificate, project: str) -> Finding:
    """Return whether a domain's certificate is issued, and otherwise what it waits for.

    Args:
        domain: The domain.
        found: What Certificate Manager has of it.
        project: The project's id.
    """
    name = f"certificate of {domain}"
    for one in (found.certificate, found.authorization, found.entry):
        if isinstance(one, ApiError):
            return unknown(name, one, API, project)
    certificate, authorization = found.certificate, found.authorization
    if not isinstance(certificate, dict) or not isinstance(authorization, dict):
        return failure(name, "missing", DEPLOY)
    if found.entry is None:
        return failure(name, "the certificate map has no entry for it", DEPLOY)
    managed = certificate.get("managed", {})
    state = managed.get("state", "unknown")
    if state == "ACTIVE":
        return ok(name, "active")
    attempts = [one for one in managed.get("authorizationAttemptInfo", ()) if one.get("domain") == domain]
    reasons = [str(managed.get("provisioningIssue", {}).get("reason", ""))]
    reasons += [str(one.get("failureReason", "")) for one in attempts]
    why = ", ".join(dict.fromkeys(filter(None, reasons)))
    record = authorization.get("dnsResourceRecord", {})
    line = " ".join(str(record.get(key, "")) for key in ("name", "type", "data"))
    fix = f"create the DNS record {line}, and wait up to an hour"
    return warning(name, f"{state}{f' ({why})' if why else ''}: HTTPS fails until Google has issued it", fix)
