"""One region's cluster, with everything that was observed of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cli.report.findings import Finding, failure, ok
from cli.sources.applied import AppliedObject
from cli.sources.cluster_objects import ClusterObjects
from cli.sources.google import LookupResult
from cli.sources.kubernetes import ClusterClient, gcloud_context
from config import Environment, ResolvedRegion


@dataclass(frozen=True)
class ObservedCluster:
    """A region's cluster.

    Attributes:
        environment: The environment.
        region: The region.
        described: The cluster, as the GKE API has it.
        membership: The membership that the cluster names, as the fleet has it.
        cluster: The client; None if there can be none.
        objects: The objects in the cluster; None if it does not answer.
        trouble: Why there are no objects, and what to do about it.
        applied: The objects that the stacks apply to it; None if that is not known.
    """

    environment: Environment
    region: ResolvedRegion
    described: LookupResult
    membership: LookupResult
    cluster: ClusterClient | None = None
    objects: ClusterObjects | None = None
    trouble: Finding | None = None
    applied: Sequence[AppliedObject] | None = None

    @property
    def key(self) -> str:
        """The region's key."""
        return self.region.key

    @property
    def project(self) -> str:
        """The project's id."""
        project: str = self.environment.project.id
        return project

    @property
    def live(self) -> ClusterObjects:
        """What is in the cluster, which has responded."""
        assert self.objects is not None
        return self.objects

    @property
    def gke(self) -> Mapping[str, Any]:
        """The cluster as the GKE API describes it; empty where that is not known."""
        return self.described if isinstance(self.described, dict) else {}

    @property
    def fleet(self) -> Mapping[str, Any]:
        """The membership as the fleet describes it; empty where that is not known."""
        return self.membership if isinstance(self.membership, dict) else {}

    @property
    def gcloud(self) -> str:
        """The end of a gcloud command for the cluster."""
        return f"{self.region.names.cluster} --location {self.region.location} --project {self.project}"

    @property
    def kubectl(self) -> str:
        """The start of a kubectl command for a person to copy."""
        if self.cluster is not None:
            return self.cluster.command
        return f"kubectl --context {gcloud_context(self.environment, self.region)}"


def failure_or_ok(name: str, wrong: Sequence[str], right: str, fix: str) -> Finding:
    """Return a failure with everything that is wrong, or, where nothing is, what is right."""
    return failure(name, "; ".join(wrong), fix) if wrong else ok(name, right)
