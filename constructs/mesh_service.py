"""A service on the mesh, in one cluster."""

from collections.abc import Mapping, Sequence
from typing import Any

from config.authorization import Caller
from config.services.pods import RegionalDeployment
from config.services.scaling import Autoscaling
from config.services.service import Service
from constructs.authorization_sources import authorization_sources
from constructs.bindings import ITerraformDependable
from constructs.cluster_access import ClusterAccess
from constructs.kubernetes_objects import ObjectGroup, Scope
from constructs.manifest_file import ManifestFile, checksum, render
from constructs.mesh_namespace import MeshNamespace
from constructs.secret_files import secret_classes
from constructs.service_deployment import TEMPLATE_LABEL, deployment_manifest
from constructs.service_endpoints import drained_service_manifest, service_manifest
from constructs.service_scaling import autoscaler_manifest, healthy_fields
from constructs.service_traffic import LocalityWeights, destination_rule, virtual_service
from constructs.workload_identity import ANNOTATION

DEPLOYMENT, AUTOSCALER = "deployment", "autoscaler"
ROLLOUT = "rollout-see-mesh-status"
"""Construct id of the disruption budget: its address is all that terraform prints of a wait that fails."""


class MeshService(ObjectGroup):
    """One cluster's objects of a service that has the same name in every cluster.

    Every cluster has the Service, so that its name resolves there, and its failover. Only clusters in
    which it runs have the Deployment, unless another pipeline deploys the pods, and what refers to them.

    Attributes:
        allow_policies: the policies that authorize its callers, if there are any.
        needed_by_routes: what has to be applied before a route sends requests to one of several versions.
    """

    def __init__(
        self,
        scope: Scope,
        id_: str,
        *,
        name: str,
        services: Mapping[str, Service],
        deployments: Sequence[RegionalDeployment],
        drained: bool,
        demo_routed: bool | None,
        callers: Sequence[Caller],
        namespace: MeshNamespace,
        weights: LocalityWeights | None,
        locality_needs_setting: bool,
        retries_elsewhere: bool,
        access: ClusterAccess,
        identity: ITerraformDependable | None = None,
    ) -> None:
        """Add the service's objects.

        Args:
            scope: the parent construct.
            id_: the construct id, which addresses follow from.
            name: the service's name.
            services: all services, by name.
            deployments: what runs in this cluster, whoever deploys it: one, or one for each of several versions.
            drained: no request goes to the region. Its Service selects no pod, and its pods stay ready. A second
                Service selects them from before that until after it.
            demo_routed: None unless the service is the demo, whose objects have fixed names: with an enabled ingress,
                they include a Gateway and a VirtualService. `MeshRoutes` has those of other services.
            callers: authorized callers. Without any there is no policy, which suits a mesh with default deny and
                one without.
            namespace: the namespace of the objects, applied.
            weights: where the requests of this cluster's clients go, unless the nearest region serves them.
            locality_needs_setting: locality load balancing is off unless the DestinationRule enables it.
            retries_elsewhere: a retry can go to another region.
            access: the cluster's kubernetes provider.
            identity: the right of its pods to act as its Google service account, if it has one.
        """
        super().__init__(scope, id_)
        names = {"name": name, "namespace": namespace.name}
        self.allow_policies: list[ITerraformDependable] = []
        self.needed_by_routes: list[ITerraformDependable] = []
        service = services[name]

        def apply(
            id_: str, manifest: dict[str, Any], *also: ITerraformDependable, deleted_last: bool = False
        ) -> ITerraformDependable:
            after = [namespace.applied, *also]
            return ManifestFile(
                self, id_, manifest=manifest, access=access, depends_on=after, deleted_last=deleted_last
            ).applied

        is_demo = demo_routed is not None
        also = [drained_service_manifest(name, service, is_demo=is_demo)] if drained and deployments else []
        before = [apply("drained-service", one, deleted_last=True) for one in also]
        apply("service", service_manifest(name, service, is_demo=is_demo, drained=drained), *before)
        if deployments:
            google_account = service.service_account
            annotations = {ANNOTATION: google_account} if google_account else None
            account = apply(
                "service-account",
                render("service/service-account.yaml", {**names, "annotations": annotations}),
                *([identity] if identity is not None else []),
            )
            if service.image is None:  # another pipeline deploys the pods
                apply("disruption-budget", render("service/pipeline-disruption-budget.yaml", names))
            else:
                classes = secret_classes(name, namespace.name, service.volumes)
                secrets = [apply(f"secrets-{checksum(path)}", one) for path, one in classes.items()]
                for deployment in deployments:
                    manifest = deployment_manifest(name, service, deployment, namespace.name)
                    suffix = f"-{deployment.version}" if service.versions else ""
                    applied = self._run(manifest, service.scaling_in(deployment), [account, *secrets], access, suffix)
                    if service.versions:
                        self.needed_by_routes += applied
                if service.versions:
                    self._keep_single_version(service.main_version, access)
            if callers:
                policy = render("service/authorization-policy.yaml", {**names, "rules": _rules(callers)})
                self.allow_policies.append(apply("authorization-policy", policy))
        rule = destination_rule(name, service, locality_needs_setting=locality_needs_setting, weights=weights)
        if rule is not None:
            rule_applied = apply("destination-rule", rule)
            if service.versions:
                self.needed_by_routes.append(rule_applied)
        routes = None
        if not is_demo:
            routes = virtual_service(name, services, retries_elsewhere=retries_elsewhere)
        if routes is not None:
            apply("virtual-service", routes, *self.needed_by_routes)
        if service.failover_threshold is not None:
            threshold = {"threshold": service.failover_threshold}
            apply("traffic-distribution", render("service/traffic-distribution-policy.yaml", {**names, **threshold}))
        if demo_routed:
            apply("gateway", render("demo/gateway.yaml", names))
            (route,) = service.routes
            fields = {"path": route.path[0], "port": service.port}
            apply("virtual-service", render("demo/virtual-service.yaml", {**names, **fields}))

    def _run(
        self,
        deployment: dict[str, Any],
        scaling: Autoscaling | int,
        needed: Sequence[ITerraformDependable],
        access: ClusterAccess,
        suffix: str,
    ) -> list[ITerraformDependable]:
        """Add a Deployment, and wait until the pods of its template are healthy. Return the Deployment and what waits.

        The wait is the disruption budget's. A Deployment whose create has failed would be replaced, and
        with its name created before the old one is deleted. The budget is replaced with each template,
        and an old version's Deployment is deleted after that.
        """
        applied = ManifestFile(
            self, f"{DEPLOYMENT}{suffix}", manifest=deployment, access=access, depends_on=needed, new_name_first=True
        ).applied
        before = [applied]
        if isinstance(scaling, Autoscaling):  # the wait is for its minimum
            scaler = autoscaler_manifest(deployment, scaling)
            id_ = f"{AUTOSCALER}{suffix}"
            before.append(ManifestFile(self, id_, manifest=scaler, access=access, depends_on=before).applied)
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        rollout = ManifestFile(
            self,
            f"{ROLLOUT}{suffix}",
            manifest=render(
                "service/pod-disruption-budget.yaml",
                {
                    "name": labels["app"],
                    "namespace": deployment["metadata"]["namespace"],
                    "version": labels["version"],
                    "template": labels[TEMPLATE_LABEL],
                },
            ),
            access=access,
            depends_on=before,
            wait_for=healthy_fields(scaling),
        ).applied
        return [applied, rollout]

    def _keep_single_version(self, version: str, access: ClusterAccess) -> None:
        """Keep the objects of a service that has had one version until now, as those of one of several.

        Without this, a deploy would create them again under the same names, which fails, and delete the old ones.
        """
        for id_ in (DEPLOYMENT, AUTOSCALER, ROLLOUT):
            access.objects.move(f"{self.path}/{id_}", f"{self.path}/{id_}-{version}")


def _rules(callers: Sequence[Caller]) -> list[dict[str, Any]]:
    """Return the rules of an AuthorizationPolicy: one for the callers of the same ports."""
    by_ports: dict[tuple[int, ...], list[Caller]] = {}
    for caller in callers:
        by_ports.setdefault(caller.ports, []).append(caller)
    return [
        {"from": authorization_sources(some), "to": [{"operation": {"ports": [str(port) for port in ports]}}]}
        for ports, some in by_ports.items()
    ]
