"""`ingress`: the one entry in front of all regions."""

from pydantic import Field

from config.effects import ADDS_OR_DELETES, IN_PLACE, NOTHING
from config.fields import DomainName, Model, PolicyName, RegionKey

MOST_DOMAINS = 15
"""Certificates that a load balancer takes, and each domain has its own.

Source: https://cloud.google.com/load-balancing/docs/quotas#ssl_certificates
"""


class Ingress(Model):
    """Multi Cluster Ingress, and the gateways that it sends requests to."""

    config_cluster: RegionKey = Field(
        description="Key of the region whose cluster holds the Multi Cluster Ingress objects.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    enabled: bool = Field(
        default=True,
        description="Make the gateways, the address, and Multi Cluster Ingress (step C).",
        json_schema_extra=ADDS_OR_DELETES,
    )
    domains: tuple[DomainName, ...] = Field(
        default=(),
        strict=False,
        max_length=MOST_DOMAINS,
        description="Names that users come by, such as shop.example.com: the entry serves HTTPS, with a certificate of "
        "Google's for each, and redirects from HTTP. Their DNS records are yours to make; the output dns-records "
        "shows them.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    plain_http: bool = Field(
        default=False,
        description="Answer over plain HTTP, too: without domains that is all there is; with them nobody is "
        "redirected to HTTPS.",
        json_schema_extra=IN_PLACE,
    )
    security_policy: PolicyName | None = Field(
        default=None,
        description="Name of a Cloud Armor policy in the project, which decides what reaches the gateways; it is yours "
        "to make.",
        json_schema_extra=IN_PLACE,
    )
    min_replicas: int = Field(
        default=2,
        ge=1,
        le=100,
        description="Fewest gateway pods in a cluster: 2 or more, unless single_replica.",
        json_schema_extra=IN_PLACE,
    )
    max_replicas: int = Field(
        default=5, ge=1, le=1000, description="Most gateway pods in a cluster.", json_schema_extra=IN_PLACE
    )
    single_replica: bool = Field(
        default=False,
        description="Allow min_replicas: 1, with which a region has no entry while its one pod moves.",
        json_schema_extra=NOTHING,
    )

    @property
    def scheme(self) -> str:
        """How users come in: ``https`` as soon as there is a domain."""
        return "https" if self.domains else "http"
