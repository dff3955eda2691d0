"""A mesh that the fleet API installs and Google manages, in every cluster."""

from collections.abc import Mapping, Sequence
from typing import Any

from config.crds import CONTROL_PLANE_CRD
from config.naming import FIELD_MANAGER
from constructs import Construct
from constructs.bindings import (
    ConfigMapV1Data,
    ConfigMapV1DataMetadata,
    GkeHubFeatureMembership,
    GkeHubFeatureMembershipMesh,
    ITerraformDependable,
)
from constructs.cluster_access import ClusterAccess
from constructs.manifest_file import ManifestFile, checksum, render
from constructs.mesh_member import MeshMember
from constructs.mesh_namespace import MeshNamespace

PROBE_NAMESPACE = "mesh-readiness"
"""Namespace without pods, in which the Job tries the injector."""


class FleetMesh(Construct):
    """Automatic management, endpoint discovery by ``multicluster_mode: connected``, and a wait inside each cluster.

    No script runs where terraform runs. The membership's API responds before the mesh
    is ready, so a Job in the cluster waits for it, and for its injector. No data source of
    the google provider has the membership's state in the feature (6.50.0), which `mesh status`
    reports.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        project: str,
        members: Sequence[MeshMember],
        access: Mapping[str, ClusterAccess],
        crds: Mapping[str, Sequence[str]],
        revision: str,
        injection_labels: Mapping[str, str],
        kubectl_image: str,
        depends_on: Sequence[ITerraformDependable],
    ) -> None:
        super().__init__(scope, id_)
        for member in members:
            scope_of_member = Construct(self, member.key)
            namespace = ManifestFile(
                scope_of_member,
                "namespace",
                manifest=render("fleet/namespace.yaml", {}),
                access=access[member.key],
            ).applied
            options = self._options(scope_of_member, access[member.key], namespace)
            membership = GkeHubFeatureMembership(
                scope_of_member,
                "membership",
                project=project,
                location="global",
                feature="servicemesh",
                membership=member.membership_id,
                membership_location=member.membership_location,
                mesh=GkeHubFeatureMembershipMesh(management="MANAGEMENT_AUTOMATIC"),
                depends_on=[options, *depends_on],
            )
            job = _job((CONTROL_PLANE_CRD, *crds[member.key]), revision, kubectl_image)
            probe = self._probe(scope_of_member, access[member.key], injection_labels)
            self._wait(scope_of_member, access[member.key], job, [namespace, membership, *probe])

    @staticmethod
    def _options(scope: Construct, access: ClusterAccess, namespace: ITerraformDependable) -> ITerraformDependable:
        """Add the mesh's options, and own only the keys that the manifest has.

        With data in the manifest, the next apply fails as soon as the mesh has added keys.
        """
        manifest = render("fleet/options.yaml", {})
        data = manifest.pop("data")
        options = ManifestFile(
            scope,
            "options",
            manifest=manifest,
            access=access,
            depends_on=[namespace],
        ).applied
        return ConfigMapV1Data(
            scope,
            "own-options",
            metadata=ConfigMapV1DataMetadata(
                name=manifest["metadata"]["name"], namespace=manifest["metadata"]["namespace"]
            ),
            data=data,
            # Not the manifest's field manager, which would own the keys and remove them.
            field_manager=FIELD_MANAGER,
            force=True,
            provider=access.provider,
            depends_on=[options],
        )

    @staticmethod
    def _probe(scope: Construct, access: ClusterAccess, labels: Mapping[str, str]) -> list[ITerraformDependable]:
        """Add an empty namespace with the injection labels, in which the Job requests a pod without creating it."""
        namespace = MeshNamespace(scope, "probe-namespace", name=PROBE_NAMESPACE, labels=labels, access=access)
        role, binding = (
            ManifestFile(
                scope,
                f"probe-{part}",
                manifest=render(f"fleet/probe-{part}.yaml", {"namespace": PROBE_NAMESPACE}),
                access=access,
                depends_on=[namespace.applied],
            ).applied
            for part in ("role", "binding")
        )
        return [role, binding]

    @staticmethod
    def _wait(
        scope: Construct, access: ClusterAccess, job: dict[str, Any], depends_on: Sequence[ITerraformDependable]
    ) -> None:
        account, role = (
            ManifestFile(
                scope,
                f"readiness-{part}",
                manifest=render(f"fleet/readiness-{part}.yaml", {}),
                access=access,
                depends_on=list(depends_on),
            ).applied
            for part in ("account", "role")
        )
        binding = ManifestFile(
            scope,
            "readiness-binding",
            manifest=render("fleet/readiness-binding.yaml", {}),
            access=access,
            depends_on=[account, role],
        ).applied
        ManifestFile(
            scope,
            "readiness",
            manifest=job,
            access=access,
            depends_on=[binding],
        )


def _job(crds: Sequence[str], revision: str, image: str) -> dict[str, Any]:
    """Return the Job. Its template is immutable, so its name contains a checksum of it."""
    values = {
        "name": "mesh-readiness",
        "image": image,
        "revision": revision,
        "crds": crds,
        "probe_namespace": PROBE_NAMESPACE,
    }
    job = render("fleet/readiness.yaml", values)
    job["metadata"]["name"] += f"-{checksum(job)}"
    return job
