"""The certificates and the TLS policy of the load balancer."""

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
    """The SSL policy of the load balancers, and a certificate for each domain for that of Multi Cluster Ingress.

    One certificate for each domain: a shared one is issued only when the DNS records of
    all domains are right, and adding a domain would replace it for all of them.

    Google issues a certificate up to an hour after its domain resolves to the load
    balancer; the resource exists at once. Until then HTTPS fails.
    Source: https://cloud.google.com/load-balancing/docs/ssl-certificates/google-managed-certs

    Attributes:
        names: names of the certificates, in the domains' order: clients without SNI get the first.
        ssl_policy: name of the SSL policy.
        policy: the SSL policy, as a dependency.
        all: every resource, as dependencies.
    """

    def __init__(self, scope: Construct, id_: str, *, names: ProjectNames, domains: Sequence[str]) -> None:
        """Add the resources.

        Args:
            scope: the parent construct.
            id_: the construct id, which addresses follow from.
            names: names of the environment.
            domains: those that get a certificate here; none without Multi Cluster Ingress.
        """
        super().__init__(scope, id_)
        # What a load balancer uses is deleted only after it has stopped using it.
        last = TerraformResourceLifecycle(create_before_destroy=True)
        certificates = [
            ComputeManagedSslCertificate(
                self,
                domain,
                name=names.certificate(domain),
                description=f"Of the multi-region mesh's entry, for {domain}.",
                managed=ComputeManagedSslCertificateManaged(domains=[domain]),
                lifecycle=last,
            )
            for domain in domains
        ]
        # Without a policy, the load balancer accepts TLS 1.0.
        policy = ComputeSslPolicy(
            self,
            "policy",
            name=names.ssl_policy,
            description="TLS of the multi-region mesh's entry.",
            profile="MODERN",
            min_tls_version="TLS_1_2",
            lifecycle=last,
        )
        self.names = [certificate.name for certificate in certificates]
        self.ssl_policy: str = policy.name
        self.policy: ITerraformDependable = policy
        self.all: list[ITerraformDependable] = [*certificates, policy]
