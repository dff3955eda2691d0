"""What the load balancer needs to serve HTTPS."""

from collections.abc import Sequence

from config.naming import ProjectNames
from constructs import Construct
from constructs.bindings import (
    ComputeManagedSslCertificate,
    ComputeManagedSslCertificateManaged,
    ComputeSslPolicy,
    ITerraformDependable,
    TerraformResourceLifecycle,
)


class IngressCertificates(Construct):
    """A certificate of Google's for each domain, and which TLS is spoken.

    One for each: a certificate for several is made only when all their DNS records
    are right, and another domain would be another certificate for all of them.

    Google makes a certificate when its domain leads to the load balancer, which
    takes up to an hour after that; the resource is there at once. Until then the
    load balancer has none to show, and HTTPS fails.
    Source: https://cloud.google.com/load-balancing/docs/ssl-certificates/google-managed-certs

    Attributes:
        names: of the certificates, in the domains' order: the first is shown to who names no domain.
        ssl_policy: name of the policy.
        all: everything of it, for what has to be gone before.
    """

    def __init__(self, scope: Construct, id_: str, *, names: ProjectNames, domains: Sequence[str]) -> None:
        super().__init__(scope, id_)
        certificates = [
            ComputeManagedSslCertificate(
                self,
                domain,
                name=names.certificate(domain),
                description=f"Of the multi-region mesh's entry, for {domain}.",
                managed=ComputeManagedSslCertificateManaged(domains=[domain]),
                # One that goes, goes after the ingress has let go of it.
                lifecycle=TerraformResourceLifecycle(create_before_destroy=True),
            )
            for domain in domains
        ]
        # Without one, the load balancer speaks TLS 1.0 too.
        policy = ComputeSslPolicy(
            self,
            "policy",
            name=names.ssl_policy,
            description="TLS of the multi-region mesh's entry.",
            profile="MODERN",
            min_tls_version="TLS_1_2",
        )
        self.names = [certificate.name for certificate in certificates]
        self.ssl_policy: str = policy.name
        self.all: list[ITerraformDependable] = [*certificates, policy]
