"""The certificates of multi-cluster Gateway."""

from collections.abc import Sequence

from config.naming import ProjectNames
from constructs import Construct
from constructs.bindings import (
    CertificateManagerCertificate,
    CertificateManagerCertificateManaged,
    CertificateManagerCertificateMap,
    CertificateManagerCertificateMapEntry,
    CertificateManagerDnsAuthorization,
    ITerraformDependable,
    TerraformResourceLifecycle,
)


class CertificateMap(Construct):
    """A certificate of Certificate Manager for each domain, and the map by which the load balancer selects one.

    Google issues a certificate by the DNS authorization, a CNAME record, so that it is there before the
    domain resolves to the load balancer: the domain can move to it without an outage.

    Source: https://cloud.google.com/certificate-manager/docs/deploy-google-managed-dns-auth

    Attributes:
        name: name of the map.
        records: the CNAME record of each domain's authorization, as text.
        entries: the map's entries, as dependencies: they need everything else.
    """

    def __init__(self, scope: Construct, id_: str, *, names: ProjectNames, domains: Sequence[str]) -> None:
        super().__init__(scope, id_)
        certificate_map = CertificateManagerCertificateMap(
            self,
            "map",
            name=names.certificate_map,
            description="Of the multi-region mesh's entry.",
            # It is deleted only after the Gateway has stopped using it.
            lifecycle=TerraformResourceLifecycle(create_before_destroy=True),
        )
        self.name: str = certificate_map.name
        self.records: list[str] = []
        self.entries: list[ITerraformDependable] = []
        for domain in domains:
            of_domain = Construct(self, domain)
            name = names.certificate(domain)
            description = f"Of the multi-region mesh's entry, for {domain}."
            authorization = CertificateManagerDnsAuthorization(
                of_domain, "authorization", name=name, description=description, domain=domain
            )
            certificate = CertificateManagerCertificate(
                of_domain,
                "certificate",
                name=name,
                description=description,
                managed=CertificateManagerCertificateManaged(domains=[domain], dns_authorizations=[authorization.id]),
            )
            self.entries.append(
                CertificateManagerCertificateMapEntry(
                    of_domain,
                    "entry",
                    name=name,
                    description=description,
                    map=certificate_map.name,
                    hostname=domain,
                    certificates=[certificate.id],
                )
            )
            record = authorization.dns_resource_record.get(0)
            self.records.append(f"{record.name} {record.type} {record.data}")
