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
        description="Key of the region whose cluster holds the Multi Cluster Ingress objects (the config cluster).",
        json_schema_extra=ADDS_OR_DELETES,
    )
    enabled: bool = Field(
        default=True,
        description="Creates the gateways, the public address and Multi Cluster Ingress.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    domains: tuple[DomainName, ...] = Field(
        default=(),
        strict=False,
        max_length=MOST_DOMAINS,
        description="Domains that the load balancer serves over HTTPS, such as `shop.example.com`. Each has a "
        "Google-managed certificate, and HTTP is redirected. You create the DNS records; the output `dns-records` "
        "lists them.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    plain_http: bool = Field(
        default=False,
        description="Serves plain HTTP. Required without `domains`. With them, it turns off the redirect to HTTPS: "
        "keep it until the certificates are ACTIVE. Requests and responses can be read and changed in transit.",
        json_schema_extra=IN_PLACE,
    )
    security_policy: PolicyName | None = Field(
        default=None,
        description="Name of an existing Cloud Armor policy, which filters requests before they reach the gateways.",
        json_schema_extra=IN_PLACE,
    )
    min_replicas: int = Field(
        default=2,
        ge=1,
        le=100,
        description="Minimum number of gateway pods per cluster: 2 or more, unless `single_replica` is set.",
        json_schema_extra=IN_PLACE,
    )
    max_replicas: int = Field(
        default=5, ge=1, le=1000, description="Maximum number of gateway pods per cluster.", json_schema_extra=IN_PLACE
    )
    single_replica: bool = Field(
        default=False,
        description="Permits `min_replicas: 1`. A region then has no gateway while its only pod moves to another "
        "node, and other regions serve its users.",
        json_schema_extra=NOTHING,
    )

    @property
    def scheme(self) -> str:
        """How users come in: ``https`` as soon as there is a domain."""
        return "https" if self.domains else "http"
