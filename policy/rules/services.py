"""Services: their pods, accounts and secrets, and how the mesh reaches them."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from config.environment import Environment, ResolvedRegion
from config.grammar.quantity import canonical_bytes, canonical_cpu
from config.services.pods import RegionalDeployment
from config.services.probe import Probe
from config.services.resources import Limits, Requests
from config.services.scaling import Autoscaling
from config.services.service import Service
from config.services.variable import FieldReference
from config.services.volume import Volume
from policy.addresses import address, in_container, literal, resource
from policy.claims import Checksum, Claims
from policy.objects import applied, autoscaling, in_namespace, kubernetes_object, manifest_path, spread
from policy.rule import rule
from policy.rules.mesh import endpoints_of
from policy.rules.scripts import members

TEMPLATE = "multi-region-mesh/template"
PROXY_DRAIN_SECONDS = 5
KUBERNETES_GRACE_SECONDS = 30


def _checksum(node: Any) -> str:
    return hashlib.sha256(json.dumps(node, sort_keys=True).encode()).hexdigest()[:8]


def services(environment: Environment) -> Iterator[tuple[ResolvedRegion, str, str, Service]]:
    """Yield each service in each cluster of the mesh: region, path, name and service."""
    for region in members(environment):
        for name, service in environment.all_services().items():
            yield region, f"regions/{region.key}/service-{name}", name, service


def _running(environment: Environment) -> Iterator[tuple[ResolvedRegion, str, str, Service]]:
    """Yield each service in each cluster in which it runs, whoever deploys its pods."""
    for region, path, name, service in services(environment):
        if region.key in environment.deployments(service):
            yield region, path, name, service


def versions(environment: Environment, service: Service, region: str) -> list[tuple[RegionalDeployment, str]]:
    """Return what a cluster has Deployments of: each version of a service, with what ends the paths of its objects."""
    wanted = environment.deployments(service).get(region, ()) if service.image is not None else ()
    return [(one, f"-{one.version}" if service.versions else "") for one in wanted]


def needed_by_routes(environment: Environment, region: ResolvedRegion, name: str) -> list[str]:
    """Return what is applied before routes to one of several versions: its pods are healthy, and the mesh knows it."""
    service, path = environment.all_services()[name], f"regions/{region.key}/service-{name}"
    if not service.versions:
        return []
    kinds, suffixes = ("deployment", "rollout-see-mesh-status"), versions(environment, service, region.key)
    parts = [f"{part}{suffix}" for _, suffix in suffixes for part in kinds]
    return [applied(f"{path}/{part}") for part in (*parts, "destination-rule")]


@rule("https://developer.hashicorp.com/terraform/language/modules/develop/refactoring")
def kept_deployments(environment: Environment) -> Claims:
    """A service that gets a second version keeps the objects of its first one."""
    moved = []
    for _, path, _, service in _running(environment):
        if service.versions and service.image is not None:
            main = max(service.weights, key=service.weights.__getitem__)
            for part in ("deployment", "autoscaler", "rollout-see-mesh-status"):
                moved.append({"from": applied(f"{path}/{part}"), "to": applied(f"{path}/{part}-{main}")})
    if moved:
        yield ("ingress", "moved"), moved


def _own_deployments(environment: Environment) -> Iterator[tuple[str, str, Service, RegionalDeployment, str]]:
    """Yield each version of each service in each cluster for which this project has a Deployment."""
    for region, path, name, service in _running(environment):
        for deployment, suffix in versions(environment, service, region.key):
            yield path, name, service, deployment, suffix


@rule("https://kubernetes.io/docs/concepts/services-networking/service/")
def inner_services(environment: Environment) -> Claims:
    """Every Service is internal to its cluster, and has the configured ports.

    A load balancer or a node port of its own bypasses the gateway. A drained region's sidecars still serve these ports.
    """
    for region, path, name, service in services(environment):
        is_demo = name == environment.demo_name
        ports = [
            {"name": key, "port": one.port, "targetPort": one.port, "appProtocol": None if is_demo else one.protocol}
            for key, one in service.all_ports.items()
        ]
        spec = {"selector": endpoints_of(environment, region, {"app": name}), "ports": ports}
        names, before = (service.namespace, name), [in_namespace(region.key, service.namespace)]
        metadata = {"labels": {"app": name, "service": name}}
        if region.drained and region.key in environment.deployments(service):
            pods = {"spec": {"clusterIP": "None", "selector": {"app": name}, "ports": ports}}
            own, hidden = (names[0], f"{name}-drained"), {"annotations": {"networking.istio.io/exportTo": "~"}}
            before.append(applied(full_path := f"{path}/drained-service"))
            yield kubernetes_object(full_path, "Service", own, pods, metadata=hidden, create_before_destroy=True)
        yield kubernetes_object(f"{path}/service", "Service", names, {"spec": spec}, before, metadata=metadata)


@rule("https://istio.io/latest/docs/ops/best-practices/security/")
def own_account(environment: Environment) -> Claims:
    """Pods of each service have a service account of their own, and act as the Google account that it names.

    The mesh authorizes callers by service account, and can't distinguish pods that share one.
    """
    for region, path, name, service in _running(environment):
        account = service.service_account
        grants = [address("google_service_account_iam_member", f"workload-identity-{name}")] if account else []
        before = [in_namespace(region.key, service.namespace), *grants]
        metadata = {"annotations": {"iam.gke.io/gcp-service-account": account}} if account else None
        names = (service.namespace, name)
        yield kubernetes_object(f"{path}/service-account", "ServiceAccount", names, {}, before, metadata=metadata)
    for region in members(environment) if environment.demo.enabled else ():
        path = f"regions/{region.key}/sleep/service-account"
        yield kubernetes_object(path, "ServiceAccount", ("sample", "sleep"), {})


@rule("https://cloud.google.com/iam/docs/best-practices-service-accounts")
def workload_identities(environment: Environment) -> Claims:
    """Only the pods of the service that names it can act as a Google service account.

    The one role that suffices is roles/iam.workloadIdentityUser. With a wider one, the member could also create keys,
    which don't expire.
    """
    for name, service in environment.services.items():
        account = service.service_account
        if account is not None:
            project = account.partition("@")[2].removesuffix(".iam.gserviceaccount.com")
            pods = f"{environment.project.id}.svc.id.goog[{service.namespace}/{name}]"
            content = {
                "service_account_id": f"projects/{project}/serviceAccounts/{account}",
                "role": "roles/iam.workloadIdentityUser",
                "member": f"serviceAccount:{pods}",
                "lifecycle": {"create_before_destroy": True},
            }
            yield resource("ingress", "google_service_account_iam_member", f"workload-identity-{name}"), content


@rule("https://kubernetes.io/docs/concepts/workloads/controllers/deployment/")
def deployments(environment: Environment) -> Claims:
    """Each service has the configured pods: image, command, environment, volumes, probes and resources."""
    for path, name, service, deployment, suffix in _own_deployments(environment):
        place = f"{path}/deployment{suffix}"
        template = (*manifest_path("ingress", place), "spec", "template")
        labels = {"app": name, "version": deployment.version}
        scaling = service.scaling_in(deployment)
        mounted = [where for where, one in service.volumes.items() if one.secret_manager]
        secrets = [applied(f"{path}/secrets-{_checksum(where)}") for where in mounted]
        spec = {
            "replicas": scaling if isinstance(scaling, int) else None,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {
                    "labels": {**labels, **service.labels, TEMPLATE: Checksum(template)},
                    "annotations": _annotations(service) or None,
                },
                "spec": _pod(name, service, deployment),
            },
        }
        names = (service.namespace, f"{name}-{deployment.version}")
        before = [applied(f"{path}/service-account"), *secrets]
        body, metadata = {"spec": spec}, {"labels": labels}
        yield kubernetes_object(place, "Deployment", names, body, before, metadata=metadata, create_before_destroy=True)


def _annotations(service: Service) -> dict[str, str]:
    drain = {"terminationDrainDuration": f"{service.drain_seconds}s"}
    account = service.service_account
    return {
        **({"proxy.istio.io/config": json.dumps(drain)} if service.drain_seconds > PROXY_DRAIN_SECONDS else {}),
        **({"multi-region-mesh/google-service-account": account} if account else {}),
    }


def _pod(name: str, service: Service, deployment: RegionalDeployment) -> dict[str, Any]:
    """Return the spec of a service's pods, but for what `policy.rules.pods` claims."""
    labels = {"app": name, "version": deployment.version}
    spreads = [
        spread(key, "DoNotSchedule" if strength == "required" else "ScheduleAnyway", labels)
        for key, strength in (
            ("topology.kubernetes.io/zone", service.topology_spread.zone),
            ("kubernetes.io/hostname", service.topology_spread.node),
        )
        if strength is not None
    ]
    requests, limits = _quantities(service.resources.requests), _quantities(service.resources.limits)
    drain, grace = service.drain_seconds, service.grace_seconds
    sources, mounts = _volumes(name, service)
    probes = service.probes.given()
    container = {
        "name": name,
        "image": deployment.image or service.image,
        "command": [in_container(word) for word in service.command] or None,
        "args": [in_container(word) for word in service.args] or None,
        "env": _environment(service, deployment) or None,
        "envFrom": [_env_source(one) for one in service.env_from] or None,
        "ports": [{"name": key, "containerPort": one.port} for key, one in service.all_ports.items()],
        "volumeMounts": mounts or None,
        **{f"{key}Probe": _probe(probe, service) for key, probe in probes.items()},
        "lifecycle": {"preStop": {"sleep": {"seconds": drain}}} if drain else None,
        "resources": {"requests": {**limits, **requests}, "limits": limits or None},
    }
    return {
        "serviceAccountName": name,
        "terminationGracePeriodSeconds": grace if grace != KUBERNETES_GRACE_SECONDS else None,
        "topologySpreadConstraints": spreads or None,
        "containers": [container],
        "volumes": sources or None,
    }


def _quantities(resources: Requests | Limits) -> dict[str, str]:
    cpu, memory, disk = resources.cpu, resources.memory, resources.ephemeral_storage
    return {
        **({"cpu": canonical_cpu(cpu)} if cpu else {}),
        **({"memory": canonical_bytes(memory)} if memory else {}),
        **({"ephemeral-storage": canonical_bytes(disk)} if disk else {}),
    }


def _environment(service: Service, deployment: RegionalDeployment) -> list[dict[str, Any]]:
    """Return the environment variables. An empty text is left out, as the API server does."""
    version = {service.version_env: deployment.version} if service.version_env else {}
    found: list[dict[str, Any]] = []
    for name, value in sorted({**service.env, **deployment.env, **version}.items()):
        if isinstance(value, str):
            found.append({"name": name, "value": in_container(value) or None})
        elif isinstance(value, FieldReference):
            found.append({"name": name, "valueFrom": {"fieldRef": {"fieldPath": value.field}}})
        else:
            key = {"key": value.key, "optional": True if value.optional else None}
            of_secret = {"secretKeyRef": {"name": value.secret, **key}}
            of_map = {"configMapKeyRef": {"name": value.config_map, **key}}
            found.append({"name": name, "valueFrom": of_secret if value.secret else of_map})
    return found


def _env_source(source: Any) -> dict[str, Any]:
    kind, name = ("secretRef", source.secret) if source.secret else ("configMapRef", source.config_map)
    return {"prefix": source.prefix or None, kind: {"name": name, "optional": True if source.optional else None}}


def _volumes(service: str, of: Service) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the volumes of a pod and their mounts: the configured ones, and a writable /tmp."""
    tmp = "/tmp" not in of.volumes
    sources: list[dict[str, Any]] = [{"name": "tmp", "emptyDir": {}}] if tmp else []
    mounts: list[dict[str, Any]] = [{"name": "tmp", "mountPath": "/tmp"}] if tmp else []
    for path, volume in sorted(of.volumes.items()):
        name = f"volume-{_checksum(path)}"
        writable = volume.size or volume.memory
        sources.append({"name": name, **_source(service, path, volume)})
        mount = {"name": name, "mountPath": literal(path), "subPath": volume.key}
        mounts.append({**mount, "readOnly": None if writable else True})
    return sources, mounts


def _source(service: str, path: str, volume: Volume) -> dict[str, Any]:
    if volume.secret:
        return {"secret": {"secretName": volume.secret}}
    if volume.config_map:
        return {"configMap": {"name": volume.config_map}}
    if volume.secret_manager:
        attributes = {"secretProviderClass": _class_name(service, path, volume)}
        return {"csi": {"driver": "secrets-store-gke.csi.k8s.io", "readOnly": True, "volumeAttributes": attributes}}
    size = canonical_bytes(str(volume.memory or volume.size))
    return {"emptyDir": {"medium": "Memory" if volume.memory else None, "sizeLimit": size}}


def _class_name(service: str, path: str, volume: Volume) -> str:
    return f"{service}-{_checksum([path, dict(volume.secret_manager or {})])}"


def _probe(probe: Probe, service: Service) -> dict[str, Any]:
    port = service.ports[probe.port].port if probe.port in service.ports else probe.port
    if port in (None, service.protocol):
        port = service.port
    defaults = {"initialDelaySeconds": 0, "periodSeconds": 10, "timeoutSeconds": 1, "failureThreshold": 3}
    given = [probe.initial_delay_seconds, probe.period_seconds, probe.timeout_seconds, probe.failure_threshold]
    numbers = {name: value for (name, default), value in zip(defaults.items(), given, strict=True) if value != default}
    successes = getattr(probe, "success_threshold", 1)
    if successes != 1:
        numbers["successThreshold"] = successes
    if probe.http is not None:
        return {"httpGet": {"path": literal(probe.http), "port": port}, **numbers}
    if probe.grpc is not None:
        return {"grpc": {"service": literal(probe.grpc) or None, "port": port}, **numbers}
    if probe.exec is not None:
        return {"exec": {"command": [in_container(word) for word in probe.exec]}, **numbers}
    return {"tcpSocket": {"port": port}, **numbers}


@rule("https://kubernetes.io/docs/concepts/workloads/pods/disruptions/")
def disruption(environment: Environment) -> Claims:
    """Evictions take one pod of a service at a time, and a deploy waits until all of its pods are healthy."""
    for _, path, name, service in _running(environment):
        if service.image is None:
            spec: dict[str, Any] = {"maxUnavailable": 1, "selector": {"matchLabels": {"app": name}}}
            place, own = f"{path}/disruption-budget", (service.namespace, name)
            yield kubernetes_object(place, "PodDisruptionBudget", own, {"spec": spec})
    for path, name, service, deployment, suffix in _own_deployments(environment):
        template = (*manifest_path("ingress", f"{path}/deployment{suffix}"), "spec", "template")
        scaling = service.scaling_in(deployment)
        before = [applied(f"{path}/deployment{suffix}")]
        if isinstance(scaling, Autoscaling):
            before.append(applied(f"{path}/autoscaler{suffix}"))
        labels = {"app": name, "version": deployment.version, TEMPLATE: Checksum(template)}
        spec, wait = {"maxUnavailable": 1, "selector": {"matchLabels": labels}}, {"fields": _healthy(scaling)}
        names = (service.namespace, Checksum(template, f"{name}-{deployment.version}-{{}}"))
        rollout = f"{path}/rollout-see-mesh-status{suffix}"
        yield kubernetes_object(rollout, "PodDisruptionBudget", names, {"spec": spec}, before, wait=wait)


def _healthy(scaling: Autoscaling | int) -> dict[str, str]:
    """Return the expressions for a budget whose pods are all healthy."""
    if isinstance(scaling, int):
        return {"status.currentHealthy": f"^{scaling}$"}
    digits = str(scaling.min_replicas)
    larger = [
        f"{digits[:index]}[{int(digit) + 1}-9]{'[0-9]' * (len(digits) - index - 1)}"
        for index, digit in enumerate(digits)
        if digit != "9"
    ]
    at_least = "|".join([digits, *larger, f"[1-9][0-9]{{{len(digits)},}}"])
    return {"status.currentHealthy": f"^({at_least})$", "status.disruptionsAllowed": "^[1-9]"}


@rule("https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/")
def autoscalers(environment: Environment) -> Claims:
    """Autoscalers set the pods of their own service, within the configured numbers."""
    for path, name, service, deployment, suffix in _own_deployments(environment):
        scaling = service.scaling_in(deployment)
        if isinstance(scaling, int):
            continue
        full_name = f"{name}-{deployment.version}"
        targets = {
            used: {"type": "Utilization", "averageUtilization": percent}
            for used, percent in (("cpu", scaling.cpu), ("memory", scaling.memory))
            if percent is not None
        }
        metrics = [
            {"type": "ContainerResource", "containerResource": {"name": used, "container": name, "target": target}}
            for used, target in targets.items()
        ]
        spec = autoscaling(full_name, scaling.min_replicas, scaling.max_replicas, metrics)
        autoscaler, names = f"{path}/autoscaler{suffix}", (service.namespace, full_name)
        before, metadata = [applied(f"{path}/deployment{suffix}")], {"labels": {"app": name}}
        yield kubernetes_object(autoscaler, "HorizontalPodAutoscaler", names, {"spec": spec}, before, metadata=metadata)


@rule("https://github.com/GoogleCloudPlatform/secrets-store-csi-driver-provider-gcp/blob/main/docs/authentication.md")
def secrets_as_files(environment: Environment) -> Claims:
    """Secrets of Secret Manager are files of the pods that read them, and are read as the pods' own account.

    `secretObjects` would copy them into Kubernetes Secrets, and `auth` let the add-on's account read them for all pods.
    """
    for _, path, name, service in _running(environment):
        for where, volume in service.volumes.items():
            files = sorted((volume.secret_manager or {}).items())
            content = json.dumps([{"path": file, "resourceName": secret} for file, secret in files])
            if files:
                names = (service.namespace, _class_name(name, where, volume))
                spec = {"spec": {"provider": "gke", "parameters": {"secrets": content}}}
                yield kubernetes_object(f"{path}/secrets-{_checksum(where)}", "SecretProviderClass", names, spec)


@rule("https://cloud.google.com/service-mesh/docs/operate-and-maintain/advanced-load-balancing-istio")
def failover_thresholds(environment: Environment) -> Claims:
    """A service fails over below the configured share of healthy endpoints."""
    for _, path, name, service in services(environment):
        if service.failover_threshold is not None:
            spec = {
                "targetRefs": [{"group": "", "kind": "Service", "name": name}],
                "default": {"failoverConfig": {"failoverHealthThreshold": service.failover_threshold}},
            }
            names, policy = (service.namespace, name), f"{path}/traffic-distribution"
            yield kubernetes_object(policy, "GCPTrafficDistributionPolicy", names, {"spec": spec})


@rule("https://istio.io/latest/docs/setup/install/multicluster/verify/")
def demo_client(environment: Environment) -> Claims:
    """The demo's client does nothing until somebody sends requests from inside it."""
    container = {
        "name": "sleep",
        "image": environment.demo.client_image,
        "command": ["sleep", "infinity"],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "128Mi"}},
    }
    labels = {"app": "sleep"}
    spec = {
        "progressDeadlineSeconds": 900,
        "replicas": 1,
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {"serviceAccountName": "sleep", "terminationGracePeriodSeconds": 0, "containers": [container]},
        },
    }
    for region in members(environment) if environment.demo.enabled else ():
        home = f"regions/{region.key}/sleep"
        before, metadata, wait = [applied(f"{home}/service-account")], {"labels": labels}, {"rollout": True}
        names, path = ("sample", "sleep"), f"{home}/deployment"
        yield kubernetes_object(path, "Deployment", names, {"spec": spec}, before, metadata=metadata, wait=wait)
