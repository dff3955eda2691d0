"""What a way to a mesh has to say and to do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # cdktf takes seconds to load
    from config.environment import Environment
    from constructs import Construct
    from constructs.bindings import ITerraformDependable
    from constructs.cluster_access import ClusterAccess
    from constructs.local_script import Reach
    from constructs.mesh_member import MeshMember
    from constructs.script_folder import ScriptFolder

MANAGED_REVISIONS = {"rapid": "asm-managed-rapid", "regular": "asm-managed", "stable": "asm-managed-stable"}
"""Revision label of a control plane that Google runs, by release channel.

Source: https://cloud.google.com/service-mesh/docs/managed/select-a-release-channel
"""


@dataclass(frozen=True)
class Conflict:
    """A value of the configuration that can't work with a way.

    Attributes:
        path: where it stands, such as ``cluster.release_channel``.
        rule: why it can't work, and what to choose.
        value: what stands there, as text.
    """

    path: str
    rule: str
    value: str


@dataclass(frozen=True)
class MeshParts:
    """What the stack `mesh` gives to a way.

    Attributes:
        members: the clusters of the mesh, the retired ones not among them.
        scripts: the folder of scripts in the stack; made when asked for, and not before.
        access: kubernetes providers by region key, of the retired regions too, which
            need them to be cleaned up.
        features: the fleet's service mesh, switched on.
        ingress: the fleet's Multi Cluster Ingress, switched on.
    """

    environment: Environment
    members: Sequence[MeshMember]
    reach: Reach
    scripts: Callable[[], ScriptFolder]
    access: Mapping[str, ClusterAccess]
    features: ITerraformDependable
    ingress: ITerraformDependable


class ControlPlane(ABC):
    """One way to a mesh.

    Attributes:
        made_by: who makes the control plane, for the reference of the configuration.
        needs_tools: scripts run where terraform runs, with gcloud, kubectl, istioctl and more.
        remote_secrets: clusters find each other by remote secrets, which hold tokens.
        webhook_ports: where sidecars are injected by something on the nodes, which the
            control planes' ranges have to reach.
        watches_from_pods: who watches the other clusters is a pod, so that the control
            planes have to admit the other clusters' pods.
        locality_setting: locality load balancing is off unless a DestinationRule says so.
    """

    made_by: str
    needs_tools: bool
    remote_secrets: bool
    webhook_ports: tuple[str, ...] = ()
    watches_from_pods: bool = False
    locality_setting: bool = False

    @abstractmethod
    def revision(self, environment: Environment) -> str:
        """Return the revision label, ``istio.io/rev``, by which namespaces choose this control plane."""

    def conflicts(self, environment: Environment) -> Iterator[Conflict]:
        """Yield what can't work with this way, of a configuration whose parts are each right."""
        yield from ()

    @abstractmethod
    def build(self, stack: Construct, parts: MeshParts) -> None:
        """Make the control planes in the stack `mesh`, such that it ends only when they serve.

        Serve: Istio's kinds in every cluster, those of Multi Cluster Ingress in its
        config cluster, and the injection of sidecars. The next stack is planned against them.
        """
