"""A service on the mesh, in one cluster."""

from collections.abc import Sequence
from typing import Any

from config.authorization import WHOLE_NAMESPACE, Caller
from config.service import RegionalDeployment, Service
from config.terraform_text import literal
from constructs import Construct
from constructs.bindings import ITerraformDependable
from constructs.cluster_access import ClusterAccess
from constructs.manifest_file import ManifestFile, render
from constructs.mesh_namespace import MeshNamespace


class MeshService(Construct):
    """What one cluster needs of a service that answers under one name everywhere.

    Every cluster has the Service, so that its name resolves there, and the
    routing; the Deployment, and who may ask it, only where the service runs.

    Attributes:
        allowing: the policies by which it is asked, if there are any.
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
        callers: Sequence[Caller],
        namespace: MeshNamespace,
        locality_setting: bool,
        access: ClusterAccess,
    ) -> None:
        """
        Args:
            deployment: what runs in this cluster, if anything does.
            locality_setting: the mesh leaves locality load balancing to each service.
            routed: there is an entry, so the service's route has a gateway to be on.
            callers: who may ask it; with none there is no policy, for a mesh that
                refuses what no policy allows, or for one that refuses nothing.
        """
        super().__init__(scope, id_)
        names = {"name": name, "namespace": namespace.name}
        self.allowing: list[ITerraformDependable] = []

        def apply(
            id_: str, manifest: dict[str, Any], *after: ITerraformDependable, pods: bool = False
        ) -> ITerraformDependable:
            return ManifestFile(
                self,
                id_,
                manifest=manifest,
                access=access,
                depends_on=[namespace.applied, *after],
                wait_for_rollout=pods,
                new_name_first=pods,
            ).applied

        apply("service", render("service/service.yaml", {**names, "port": service.port}))
        if deployment is not None:
            account = apply("service-account", render("service/service-account.yaml", names))
            apply("deployment", _deployment(name, service, deployment, namespace.name), account, pods=True)
            if callers:
                policy = render("service/authorization-policy.yaml", {**names, "port": str(service.port)})
                policy["spec"]["rules"][0]["from"] = _sources(callers)
                self.allowing.append(apply("authorization-policy", policy))
        if service.failover:
            rule = render("service/destination-rule.yaml", names)
            if locality_setting:
                rule["spec"]["trafficPolicy"]["loadBalancer"] = {"localityLbSetting": {"enabled": True}}
            apply("destination-rule", rule)
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
    pod = manifest["spec"]["template"]["spec"]
    _loosen(pod, service)
    env = dict(service.env)
    if service.version_env is not None:
        env[service.version_env] = deployment.version
    if env:
        # An empty value is left out: it means the same, and the API server leaves it out
        # too, which the provider takes for an inconsistent result.
        pod["containers"][0]["env"] = [
            {"name": key, "value": literal(value)} if value else {"name": key} for key, value in sorted(env.items())
        ]
    return manifest


def _loosen(pod: dict[str, Any], service: Service) -> None:
    """Take back what the service's image can't stand, as the configuration says."""
    security, (container,) = pod["securityContext"], pod["containers"]
    if service.user is not None:
        security |= {"runAsUser": service.user, "runAsGroup": service.user}
    if service.root:
        security["runAsNonRoot"] = False
    if service.writable_root:
        container["securityContext"]["readOnlyRootFilesystem"] = False
    if service.port < FIRST_PORT_OF_USERS:
        security["sysctls"] = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]


FIRST_PORT_OF_USERS = 1024
"""Lower ports are root's, unless a pod says otherwise."""


def _sources(callers: Sequence[Caller]) -> list[dict[str, Any]]:
    """Return callers as a policy has them.

    The star stands for the trust domain: PROJECT.svc.id.goog where Google runs the
    mesh's CA, cluster.local in a mesh of one's own. The mesh trusts one CA, so that
    there is no other.
    """
    principals = [f"*/ns/{one.namespace}/sa/{one.account}" for one in callers if one.account != WHOLE_NAMESPACE]
    namespaces = [one.namespace for one in callers if one.account == WHOLE_NAMESPACE]
    return [
        {"source": {key: names}} for key, names in (("principals", principals), ("namespaces", namespaces)) if names
    ]
