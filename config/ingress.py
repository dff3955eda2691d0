"""`ingress`: the one entry in front of all regions."""

from typing import Literal

from pydantic import Field

from config.effects import ADDS_OR_DELETES, IN_PLACE, NOTHING
from config.fields import DomainName, Model, PolicyName, RegionKey

MOST_DOMAINS = 15
"""Certificates that a load balancer takes, and each domain has its own.

Source: https://cloud.google.com/load-balancing/docs/quotas#ssl_certificates
"""


Api = Literal["multi-cluster-ingress", "gateway", "both"]

Exposure = Literal["external", "internal"]
"""Clients of a Gateway: of the internet, or of the VPC. It is also the name of the Gateway and of its route."""

EXTERNAL: Exposure = "external"
INTERNAL: Exposure = "internal"


class Ingress(Model):
    """The load balancer, and the gateways that it sends requests to."""

    config_cluster: RegionKey = Field(
        description="Key of the region whose cluster holds the objects of the load balancer (the config cluster).",
        json_schema_extra=ADDS_OR_DELETES,
    )
    enabled: bool = Field(
        default=True,
        description="Creates the gateways and the load balancer in front of them.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    api: Api = Field(
        default="multi-cluster-ingress",
        description="API that the load balancer is configured with: Multi Cluster Ingress, or multi-cluster Gateway, "
        "which Google recommends and `mesh init` writes. `both` is for the migration: two load balancers in front of "
        "the same gateways, each with an address of its own.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    exposure: Literal["external", "internal", "both"] = Field(
        default="external",
        description="Clients that the load balancer serves: of the internet, of the VPC (with an internal address in "
        "each region), or both. Other values than `external` require `api: gateway`. The internal side serves plain "
        "HTTP.",
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
        json_schema_extra=ADDS_OR_DELETES,
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
    def uses_mci(self) -> bool:
        """Whether there is a load balancer of Multi Cluster Ingress."""
        return self.enabled and self.api != "gateway"

    @property
    def uses_gateway(self) -> bool:
        """Whether there is a load balancer of multi-cluster Gateway."""
        return self.enabled and self.api != "multi-cluster-ingress"

    @property
    def exposures(self) -> tuple[Exposure, ...]:
        """The Gateways: one for each kind of clients."""
        if not self.uses_gateway:
            return ()
        return (EXTERNAL, INTERNAL) if self.exposure == "both" else (self.exposure,)

    @property
    def scheme(self) -> str:
        """How users come in: ``https`` as soon as there is a domain, but not from inside the VPC only."""
        return "https" if self.domains and self.exposures != (INTERNAL,) else "http"
