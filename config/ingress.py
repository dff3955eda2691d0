"""`ingress`: the one entry in front of all regions."""

from pydantic import Field

from config.fields import Model, RegionKey


class Ingress(Model):
    """Multi Cluster Ingress, and the gateways that it sends requests to."""

    config_cluster: RegionKey = Field(
        description="Key of the region whose cluster holds the Multi Cluster Ingress objects."
    )
    enabled: bool = Field(
        default=True, description="Make the gateways, the address, and Multi Cluster Ingress (step C)."
    )
    min_replicas: int = Field(default=2, ge=1, le=100, description="Fewest gateway pods in a cluster.")
    max_replicas: int = Field(default=5, ge=1, le=1000, description="Most gateway pods in a cluster.")
