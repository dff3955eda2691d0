"""A service on the mesh, in one cluster."""

from typing import Any

from config.service import RegionalDeployment, Service
from constructs import Construct
from constructs.cluster_access import ClusterAccess
from constructs.manifest_file import ManifestFile, render
from constructs.mesh_namespace import MeshNamespace
from terraform_text import literal


class MeshService(Construct):
    """What one cluster needs of a service that answers under one name everywhere.

    Every cluster has the Service, so that its name resolves there, and the
    routing; the Deployment only where the service runs.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        name: str,
        service: Service,
        deployment: RegionalDeployment | None,
        routed: bool,
        namespace: MeshNamespace,
        access: ClusterAccess,
    ) -> None:
        """
        Args:
            deployment: what runs in this cluster, if anything does.
            routed: there is an entry, so the service's route has a gateway to be on.
        """
        super().__init__(scope, id_)
        names = {"name": name, "namespace": namespace.name}

        def apply(id_: str, manifest: dict[str, Any], pods: bool = False) -> None:
            ManifestFile(
                self,
                id_,
                manifest=manifest,
                access=access,
                depends_on=[namespace.applied],
                wait_for_rollout=pods,
                new_name_first=pods,
            )

        apply("service", render("service/service.yaml", {**names, "port": service.port}))
        if deployment is not None:
            apply("deployment", _deployment(name, service, deployment, namespace.name), pods=True)
        if service.failover:
            apply("destination-rule", render("service/destination-rule.yaml", names))
        if service.route is not None and routed:
            apply("gateway", render("service/gateway.yaml", names))
            route = render("service/virtual-service.yaml", {**names, "port": service.port})
            match = {"uri": {service.route.match: literal(service.route.path)}}
            route["spec"]["http"][0]["match"] = [match]
            apply("virtual-service", route)


def _deployment(name: str, service: Service, deployment: RegionalDeployment, namespace: str) -> dict[str, Any]:
    manifest = render(
        "service/deployment.yaml",
        {
            "name": name,
            "namespace": namespace,
            "version": deployment.version,
            "image": deployment.image or service.image,
            "replicas": service.replicas if deployment.replicas is None else deployment.replicas,
            "port": service.port,
        },
    )
    env = dict(service.env)
    if service.version_env is not None:
        env[service.version_env] = deployment.version
    if env:
        container = manifest["spec"]["template"]["spec"]["containers"][0]
        # An empty value is left out: it means the same, and the API server leaves it out
        # too, which the provider takes for an inconsistent result.
        container["env"] = [
            {"name": key, "value": literal(value)} if value else {"name": key} for key, value in sorted(env.items())
        ]
    return manifest
