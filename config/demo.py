"""`demo`: helloworld and its client, which demonstrate steps A, B and C."""

import re
from collections.abc import Iterable

from pydantic import Field

from config.effects import ADDS_OR_DELETES, RESTARTS_PODS
from config.fields import Image, Model, RegionKey, Version
from config.services.outlier_detection import OutlierDetection
from config.services.pods import RegionalDeployment
from config.services.route import Route
from config.services.service import Service

CLIENT_APP = "sleep"
"""Name of the client, and of its container."""

DEMO_NAMESPACE = "sample"

NOBODY_USER = 65534
"""User of helloworld. Its image names none, so it would run as root; its server needs no more than /tmp.

Read in samples/helloworld/src of istio/istio; no image was run here.
"""

VERSION_IN_RESPONSE = re.compile(r"version: ([^,\s]+)")
"""The version in a response of helloworld."""


class Demo(Model):
    """The demo application."""

    enabled: bool = Field(
        default=True,
        description="Deploys helloworld, which serves `/hello`, and its client, sleep. `mesh verify` and `mesh drill` "
        "send requests to helloworld unless `--service` names another service.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    failover: bool = Field(
        default=True,
        description="Applies the DestinationRule of helloworld. With it, the local region serves requests; without it, "
        "all versions serve them in equal shares (not with `fleet`, which always prefers the local region). "
        "docs/concepts.md explains both.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    versions: dict[RegionKey, Version] = Field(
        default={},
        description="Version of helloworld by region. A region that is not listed has the Service, but no pods. If "
        "empty, helloworld runs in every region, and the region's key is its version.",
        json_schema_extra=ADDS_OR_DELETES,
    )
    outlier_detection: OutlierDetection = Field(
        default=OutlierDetection(), description="Outlier detection of helloworld, as of `services`."
    )
    image: Image = Field(
        default="docker.io/istio/examples-helloworld-v1:1.0",
        description="Image of helloworld. Its responses contain the configured version.",
        json_schema_extra=RESTARTS_PODS,
    )
    client_image: Image = Field(
        default="docker.io/curlimages/curl:8.16.0",
        description="Image with curl: of sleep, and of the Jobs that send requests for `mesh verify` and `mesh drill`.",
        json_schema_extra=RESTARTS_PODS,
    )

    def service(self, regions: Iterable[str]) -> Service:
        """Return helloworld as a service like any other.

        Args:
            regions: the keys of all.
        """
        versions = self.versions or {key: key for key in regions}
        return Service(
            image=self.image,
            port=5000,
            namespace=DEMO_NAMESPACE,
            replicas=1,
            version_env="SERVICE_VERSION",
            routes=(Route(path=("/hello",)),),
            allow_from=(f"{DEMO_NAMESPACE}/{CLIENT_APP}",),
            user=NOBODY_USER,
            failover=self.failover,
            outlier_detection=self.outlier_detection,
            regions={key: RegionalDeployment(version=version) for key, version in versions.items()},
        )
