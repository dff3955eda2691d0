"""A mesh of control planes that asmcli installs, and of remote secrets between them."""

from typing import TYPE_CHECKING

from constructs import Construct
from constructs.asmcli_control_plane import AsmcliControlPlane, Mode
from constructs.kubeconfig import Kubeconfig
from constructs.mesh_trust import MeshTrust
from constructs.served_crds import ServedCrds

if TYPE_CHECKING:
    from control_planes.contract import MeshParts


def asmcli_mesh(stack: Construct, parts: "MeshParts", mode: Mode) -> None:
    """Install in every cluster, let each watch every other one, and wait until Istio's kinds are served."""
    environment = parts.environment
    scripts = parts.scripts()
    control_plane = AsmcliControlPlane(
        stack,
        "control-plane",
        scripts=scripts,
        reach=parts.reach,
        members=parts.members,
        asmcli=environment.mesh.asmcli,
        mode=mode,
        channel=environment.channel,
        revision=environment.revision,
        depends_on=[parts.features],
    )
    of_regions = Construct(stack, "kubeconfigs")
    kubeconfigs = {
        member.key: Kubeconfig(
            of_regions,
            member.key,
            cluster=member.cluster,
            host=member.host,
            ca_certificate=member.ca_certificate,
            account=parts.reach.account,
        ).text
        for member in parts.members
    }
    trust = MeshTrust(
        stack,
        "trust",
        scripts=scripts,
        reach=parts.reach,
        members=parts.members,
        kubeconfigs=kubeconfigs,
        installed=control_plane.installed,
        before_removal=control_plane.before_removal,
    )
    ServedCrds(
        stack,
        "crds",
        scripts=scripts,
        reach=parts.reach,
        members=parts.members,
        kubeconfigs=kubeconfigs,
        config_cluster=environment.ingress.config_cluster,
        revision=environment.revision,
        installed_by=control_plane.installed_by,
        marker_of=control_plane.marker_of,
        depends_on=[control_plane.installed, trust.established, parts.ingress],
    )
