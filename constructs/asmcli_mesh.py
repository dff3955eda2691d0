"""A mesh whose control planes asmcli installs, with remote secrets between the clusters."""

from collections.abc import Sequence

from config.crds import required_crds
from config.environment import Environment
from constructs import Construct
from constructs.asmcli_control_plane import AsmcliControlPlane
from constructs.bindings import ITerraformDependable
from constructs.kubeconfig import Kubeconfig
from constructs.local_script import ScriptContext
from constructs.mesh_member import MeshMember
from constructs.remote_secrets import RemoteSecrets
from constructs.script_folder import ScriptFolder
from constructs.served_crds import ServedCrds


class AsmcliMesh(Construct):
    """A control plane in every cluster, each watching the others; complete when Istio's CRDs are served."""

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        environment: Environment,
        members: Sequence[MeshMember],
        scripts: ScriptFolder,
        context: ScriptContext,
        service_mesh: ITerraformDependable,
        ingress: Sequence[ITerraformDependable],
    ) -> None:
        """Add the resources.

        Args:
            scope: the parent.
            id_: the construct id.
            environment: the configuration.
            members: the clusters of the mesh; retired ones are not among them.
            scripts: the stack's copy of the scripts.
            context: how scripts reach the clusters.
            service_mesh: the fleet's service mesh feature, enabled.
            ingress: the fleet's features for the load balancer, enabled.
        """
        super().__init__(scope, id_)
        control_plane = AsmcliControlPlane(
            self,
            "control-plane",
            scripts=scripts,
            context=context,
            members=members,
            asmcli=environment.mesh.asmcli,
            mode="in-cluster" if environment.control_plane.runs_on_nodes else "managed",
            channel=environment.channel,
            revision=environment.revision,
            depends_on=[service_mesh],
        )
        parent = Construct(self, "kubeconfigs")
        kubeconfigs = {
            member.key: Kubeconfig(
                parent,
                member.key,
                cluster=member.cluster,
                host=member.host,
                ca_certificate=member.ca_certificate,
                account=context.account,
            ).text
            for member in members
        }
        remote_secrets = RemoteSecrets(
            self,
            "trust",
            scripts=scripts,
            context=context,
            members=members,
            kubeconfigs=kubeconfigs,
            installed=control_plane.installed,
            before_removal=control_plane.before_removal,
        )
        ServedCrds(
            self,
            "crds",
            scripts=scripts,
            context=context,
            members=members,
            kubeconfigs=kubeconfigs,
            crds={member.key: required_crds(environment, member.key) for member in members},
            revision=environment.revision,
            installed_by=control_plane.installed_by,
            completion_marker=control_plane.completion_marker,
            depends_on=[control_plane.installed, remote_secrets.ready, *ingress],
        )
