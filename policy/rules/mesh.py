"""The mesh: its control plane, namespaces, mutual TLS and authorization."""

from collections.abc import Iterator
from typing import Any

from config.environment import Environment, ResolvedRegion
from config.services.service import Service
from policy.addresses import address, after, resource
from policy.claims import Checksum, Claims
from policy.objects import GATEWAY_NAMESPACE, applied, bound, held, kubernetes_object, manifest_path
from policy.rule import rule
from policy.rules.scripts import crds, load_balancer_features, members
from policy.rules.terraform import of_cluster

ROOT_NAMESPACE = "istio-system"
"""A policy in it is for the whole mesh."""

GATEWAY = "istio-ingressgateway"
READINESS = "mesh-readiness"
SMALL = {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}}


def fleet_members(environment: Environment) -> list[ResolvedRegion]:
    """Return the regions whose mesh control planes the fleet API installs."""
    return members(environment) if environment.mesh.control_plane == "fleet" else []


def endpoints_of(environment: Environment, region: ResolvedRegion, labels: dict[str, str]) -> dict[str, str]:
    """Return a Service's selector: in a drained region, with a second label, which no pod has."""
    return labels | ({"multi-region-mesh/drained": "true"} if environment.regions[region.key].drained else {})


def injection_labels(environment: Environment) -> dict[str, str]:
    """Return the labels with which a namespace's pods get sidecars."""
    if environment.mesh.control_plane == "fleet":
        return {"istio-injection": "enabled"}
    return {"istio.io/rev": environment.revision}


def namespaces(environment: Environment) -> dict[str, dict[str, str]]:
    """Return the labels of the namespaces of services and other workloads."""
    own = {name: one.labels for name, one in environment.mesh.namespaces.items()}
    names = [*(one.namespace for one in environment.all_services().values()), *own]
    return {name: {**injection_labels(environment), **own.get(name, {})} for name in names}


def sources(callers: Iterator[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return callers, as namespace and account, in the form of an AuthorizationPolicy.

    The star is the trust domain: the mesh has a single authority.
    """
    every = list(dict.fromkeys(callers))
    principals = [f"*/ns/{namespace}/sa/{account}" for namespace, account in every if account != "*"]
    whole = [namespace for namespace, account in every if account == "*"]
    return [{"source": {key: value}} for key, value in (("principals", principals), ("namespaces", whole)) if value]


def allowed_callers(environment: Environment, names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield the namespace and account of each of some callers of the configuration."""
    services = environment.all_services()
    for name in names:
        namespace, slash, account = name.partition("/")
        if slash:
            yield namespace, account
        elif name in services:
            yield services[name].namespace, name


@rule("https://cloud.google.com/kubernetes-engine/fleet-management/docs/fleet-concepts")
def fleet_features(environment: Environment) -> Claims:
    """The fleet has a service mesh, and Multi Cluster Ingress with the configured config cluster."""
    project = environment.project.id
    tools = after("null_resource.tools") if environment.mesh.control_plane != "fleet" else None
    common = {"project": project, "location": "global"}
    (config,) = [one for one in environment.resolved_regions() if one.key == environment.ingress.config_cluster]
    location, name = (f"${{{of_cluster(config, f'fleet[0].membership_{part}')}}}" for part in ("location", "id"))
    membership = f"projects/{project}/locations/{location}/memberships/{name}"
    path = resource("mesh", "google_gke_hub_feature", "service-mesh")
    yield path, {"name": "servicemesh", "depends_on": tools, **common}
    ingress = {"name": "multiclusteringress", "spec": {"multiclusteringress": {"config_membership": membership}}}
    importer = address("google_project_iam_member", "multi-cluster-services/importer")
    services = after("google_gke_hub_feature.multi-cluster-services", importer, *tools.values if tools else ())
    before = services if environment.ingress.uses_gateway else tools
    yield resource("mesh", "google_gke_hub_feature", "multi-cluster-ingress"), ingress | common | {"depends_on": before}


@rule("https://cloud.google.com/service-mesh/docs/onboarding/provision-control-plane")
def fleet_mesh(environment: Environment) -> Claims:
    """With the fleet API, Google manages the control plane of each cluster, which discovers the others' endpoints."""
    for region in fleet_members(environment):
        home = f"fleet-mesh/{region.key}"
        yield kubernetes_object(f"{home}/namespace", "Namespace", (None, ROOT_NAMESPACE), {}, [])
        before = [applied(f"{home}/namespace")]
        yield kubernetes_object(f"{home}/options", "ConfigMap", (ROOT_NAMESPACE, "asm-options"), {}, before)
        options = {"name": "asm-options", "namespace": ROOT_NAMESPACE}
        own = {"metadata": options, "data": {"multicluster_mode": "connected"}}
        yield held("kubernetes_config_map_v1_data", f"{home}/own-options", f"{home}/options", own)
        content = {
            "project": environment.project.id,
            "location": "global",
            "feature": "servicemesh",
            "membership": f"${{{of_cluster(region, 'fleet[0].membership_id')}}}",
            "membership_location": f"${{{of_cluster(region, 'fleet[0].membership_location')}}}",
            "mesh": {"management": "MANAGEMENT_AUTOMATIC"},
            "depends_on": after(
                address("kubernetes_config_map_v1_data", f"{home}/own-options"),
                "google_gke_hub_feature.service-mesh",
                *load_balancer_features(environment),
            ),
        }
        yield resource("mesh", "google_gke_hub_feature_membership", f"{home}/membership"), content


@rule("https://kubernetes.io/docs/concepts/security/rbac-good-practices/")
def narrow_roles(environment: Environment) -> Claims:
    """Roles in a cluster read what they name, and one creates pods in a namespace that holds nothing.

    A wildcard includes resources that are added later, and an account with write access can create a pod with more
    privileges. The namespace is for a Job that tries the mesh's injector, by a dry run.
    """
    read = ["get", "list", "watch"]
    for region in fleet_members(environment):
        home = f"fleet-mesh/{region.key}"
        probed = [address("kubernetes_labels", f"{home}/probe-namespace/labels")]
        create = {"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}]}
        yield kubernetes_object(f"{home}/probe-role", "Role", (READINESS, READINESS), create, probed)
        to_role = bound("Role", READINESS, ROOT_NAMESPACE)
        yield kubernetes_object(f"{home}/probe-binding", "RoleBinding", (READINESS, READINESS), to_role, probed)
        before = [applied(f"{home}/{part}") for part in ("namespace", "probe-role", "probe-binding")]
        before.append(address("google_gke_hub_feature_membership", f"{home}/membership"))
        yield kubernetes_object(f"{home}/readiness-account", "ServiceAccount", (ROOT_NAMESPACE, READINESS), {}, before)
        groups = {"apiextensions.k8s.io": "customresourcedefinitions", "mesh.cloud.google.com": "controlplanerevisions"}
        rules = [{"apiGroups": [group], "resources": [kind], "verbs": read} for group, kind in groups.items()]
        yield kubernetes_object(f"{home}/readiness-role", "ClusterRole", (None, READINESS), {"rules": rules}, before)
        to_role = bound("ClusterRole", READINESS, ROOT_NAMESPACE)
        parts = [applied(f"{home}/readiness-account"), applied(f"{home}/readiness-role")]
        yield kubernetes_object(f"{home}/readiness-binding", "ClusterRoleBinding", (None, READINESS), to_role, parts)
    for region in members(environment) if environment.ingress.enabled else ():
        home = f"regions/{region.key}/gateway"
        # A gateway reads the certificates that Gateways name, of its own namespace, which has none.
        rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": read}]
        yield kubernetes_object(f"{home}/role", "Role", (GATEWAY_NAMESPACE, GATEWAY), {"rules": rules})
        yield kubernetes_object(f"{home}/service-account", "ServiceAccount", (GATEWAY_NAMESPACE, GATEWAY), {})
        parts = [applied(f"{home}/service-account"), applied(f"{home}/role")]
        to_role = bound("Role", GATEWAY, GATEWAY_NAMESPACE)
        yield kubernetes_object(f"{home}/role-binding", "RoleBinding", (GATEWAY_NAMESPACE, GATEWAY), to_role, parts)


@rule("https://kubernetes.io/docs/concepts/workloads/controllers/job/")
def readiness(environment: Environment) -> Claims:
    """With the fleet API, a Job in each cluster waits for the mesh, and ends."""
    image, revision = environment.mesh.kubectl_image, f"controlplanerevision/{environment.revision}"
    for region in fleet_members(environment):
        home = f"fleet-mesh/{region.key}"
        path = manifest_path("mesh", f"{home}/readiness")
        kinds = ["customresourcedefinition", *crds(environment, region)]

        def wait(name: str, condition: str, *what: str) -> dict[str, Any]:
            arguments = ["wait", f"--for={condition}", "--timeout=20m", *what]
            return {"name": name, "image": image, "args": arguments, "resources": SMALL}

        in_root = f"--namespace={ROOT_NAMESPACE}"
        probe = [
            *("run", "injection-probe", "--dry-run=server", f"--namespace={READINESS}", f"--image={image}"),
            *("--restart=Never", r"--output=jsonpath={.metadata.annotations.sidecar\.istio\.io/status}"),
            "--allow-missing-template-keys=false",
        ]
        spec = {
            "backoffLimit": 12,
            "activeDeadlineSeconds": 1500,
            "template": {
                "metadata": {"annotations": {"sidecar.istio.io/inject": "false"}},
                "spec": {
                    "serviceAccountName": READINESS,
                    "restartPolicy": "Never",
                    "initContainers": [
                        wait("kinds-are-there", "create", *kinds),
                        wait("kinds-are-served", "condition=Established", *kinds),
                        wait("control-plane-is-there", "create", in_root, revision),
                        wait("control-plane-is-provided", "condition=ProvisioningFinished", in_root, revision),
                    ],
                    "containers": [{"name": "injector-works", "image": image, "args": probe, "resources": SMALL}],
                },
            },
        }
        names = (ROOT_NAMESPACE, Checksum(path, f"{READINESS}-{{}}", instead=READINESS))
        before, ended = [applied(f"{home}/readiness-binding")], {"fields": {"status.succeeded": "1"}}
        yield kubernetes_object(f"{home}/readiness", "Job", names, {"spec": spec}, before, wait=ended)


def _namespaces(environment: Environment) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield every namespace whose pods get sidecars: path, name and labels."""
    for region in members(environment):
        home, labels = f"regions/{region.key}", injection_labels(environment)
        if environment.ingress.enabled:
            yield f"{home}/gateway-namespace", GATEWAY_NAMESPACE, labels
        for name, own in namespaces(environment).items():
            yield f"{home}/namespace-{name}", name, own
    for region in fleet_members(environment):
        yield f"fleet-mesh/{region.key}/probe-namespace", READINESS, injection_labels(environment)


@rule("https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/")
def injected(environment: Environment) -> Claims:
    """Every namespace injects sidecars, except istio-system.

    A pod without a sidecar is not in the mesh: it has no certificate, and no policy protects it.
    """
    for path, name, labels in _namespaces(environment):
        yield kubernetes_object(path, "Namespace", (None, name), {}, [], metadata={"labels": labels})


@rule("https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/")
def held_labels(environment: Environment) -> Claims:
    """Every deploy restores the labels of namespaces.

    A kubernetes_manifest shares a label with whoever changes it, and reports no conflict until it changes itself.
    """
    for path, name, labels in _namespaces(environment):
        content = {"api_version": "v1", "kind": "Namespace", "metadata": {"name": name}, "labels": labels}
        yield held("kubernetes_labels", f"{path}/labels", path, content)


@rule("https://istio.io/latest/docs/tasks/security/authentication/mtls-migration/")
def strict_mtls(environment: Environment) -> Claims:
    """Every cluster has one mesh-wide policy for mutual TLS, with the configured mode: strict by default.

    Otherwise callers have no verified identity that authorization policies could use.
    """
    spec = {"spec": {"mtls": {"mode": environment.mesh.mtls.upper()}}}
    for region in members(environment):
        path = f"regions/{region.key}/policies/peer-authentication"
        yield kubernetes_object(path, "PeerAuthentication", (ROOT_NAMESPACE, "default"), spec, [])


@rule("https://istio.io/latest/docs/ops/best-practices/security/#use-default-deny-patterns")
def default_deny(environment: Environment) -> Claims:
    """Every cluster denies what no policy allows, unless the configuration turns it off.

    Otherwise every pod of every cluster can call a service that has no policy.
    """
    spec: dict[str, Any] = {"spec": {"action": "ALLOW", "rules": []}}
    for region in members(environment) if environment.mesh.default_deny else ():
        path = f"regions/{region.key}/policies/default-deny"
        before = [applied(one) for one in allow_policies(environment, region)]
        yield kubernetes_object(path, "AuthorizationPolicy", (ROOT_NAMESPACE, "default-deny"), spec, before)


def allow_policies(environment: Environment, region: ResolvedRegion) -> list[str]:
    """Return the paths of the policies that allow something."""
    home = f"regions/{region.key}"
    allowing = [name for name, one in environment.mesh.namespaces.items() if _namespace_sources(environment, name)]
    called = [
        name
        for name, service in environment.all_services().items()
        if region.key in environment.deployments(service) and service_rules(environment, name)
    ]
    return [
        *([f"{home}/gateway/authorization-policy"] if environment.ingress.enabled else []),
        *(f"{home}/namespace-policy-{name}" for name in allowing),
        *(f"{home}/service-{name}/authorization-policy" for name in called),
    ]


def _namespace_sources(environment: Environment, name: str) -> list[dict[str, Any]]:
    return sources(allowed_callers(environment, environment.mesh.namespaces[name].allow_from))


def _senders(environment: Environment, service: Service) -> Iterator[tuple[list[int], tuple[str, str]]]:
    """Yield the ports of a service with who may call them: the gateways those with routes, others all of them."""
    ports = [one.port for one in service.all_ports.values()]
    routed = {service.all_ports[one.port or service.protocol].port for one in service.routes if not one.redirect}
    if routed and environment.ingress.enabled:
        yield [port for port in ports if port in routed], (GATEWAY_NAMESPACE, GATEWAY)
    for caller in allowed_callers(environment, service.allow_from):
        yield ports, caller


def service_rules(environment: Environment, name: str) -> list[dict[str, Any]]:
    """Return the rules of a service's policy: the gateways may call its routed ports, and `allow_from` all of them."""
    service = environment.all_services()[name]
    called: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    senders = list(_senders(environment, service))
    for other in environment.services.values():  # copies have the identity of who has sent the request
        if other.mirror is not None and other.mirror.service == name:
            copied, others = other.mirrored_ports(service), _senders(environment, other)
            senders += [([copied[port] for port in ports if port in copied], caller) for ports, caller in others]
    for ports, caller in senders:
        callers = called.setdefault(tuple(map(str, ports)), [])
        if ports and caller not in callers:
            callers.append(caller)
    called.pop((), None)
    return [
        {"from": sources(iter(callers)), "to": [{"operation": {"ports": list(numbers)}}]}
        for numbers, callers in called.items()
    ]


@rule("https://istio.io/latest/docs/reference/config/security/authorization-policy/")
def no_allow_all(environment: Environment) -> Claims:
    """Only the configured callers are authorized: to call the ports of a service, or all pods of a namespace.

    An empty rule matches every request; a rule without a source, or with a wildcard, matches every caller.
    """
    if not environment.mesh.default_deny:
        return
    spec: dict[str, Any]
    services = environment.all_services()
    for region in members(environment):
        home = f"regions/{region.key}"
        policies = allow_policies(environment, region)
        for name in environment.mesh.namespaces:
            path = f"{home}/namespace-policy-{name}"
            if path in policies:
                spec = {"spec": {"action": "ALLOW", "rules": [{"from": _namespace_sources(environment, name)}]}}
                yield kubernetes_object(path, "AuthorizationPolicy", (name, "namespace-allow-from"), spec)
        for name, service in services.items():
            path = f"{home}/service-{name}/authorization-policy"
            if path in policies:
                selector = {"matchLabels": {"app": name}}
                rules = service_rules(environment, name)
                spec = {"spec": {"action": "ALLOW", "selector": selector, "rules": rules}}
                yield kubernetes_object(path, "AuthorizationPolicy", (service.namespace, name), spec)
