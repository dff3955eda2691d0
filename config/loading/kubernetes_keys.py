"""Keys of Kubernetes, Istio and Helm charts that `services` and `mesh.namespaces` call otherwise, or do not have.

A file with one is refused with what to write in its place.
"""

from collections.abc import Sequence

from config.loading.strict_yaml import Path

_PIPELINE = "another pipeline can deploy such pods, with a service without image (docs/workloads.md)"
_NODES = f"is not supported: all nodes of a region are alike; {_PIPELINE}"
_ONE_CONTAINER = f"is not supported: a pod has one container, beside the sidecar; {_PIPELINE}"
_NOT_SUPPORTED = f"is not supported; {_PIPELINE}"
_OUTSIDE = (
    "is not needed: pods call addresses outside the mesh as they are (docs/faq.md); remove it, and give the address "
    "to the container in env"
)
_PORTS = "is not supported: the Service and the container have the same port; write its number as port"
_EVERYWHERE = "is the same in all regions: it is a key of the service"
_ROUTES = "is routes here, a list; write routes: [{path: /, match: prefix}]"
_BUDGET = "is not needed: every service has a PodDisruptionBudget of one pod at a time; remove it"
_STICKY = "is not supported: each request goes to any pod of the region, so keep sessions outside of them; remove it"
_OWN_ACCOUNT = (
    "is not needed: the pods have a Kubernetes service account with the name of the service; service_account is a "
    "Google service account"
)
_PULL = (
    "is not supported: nodes pull images as their own account, from Artifact Registry; copy the image there, or make "
    "a remote repository of your registry"
)
_REFERENCE = "is written {secret: NAME, key: KEY} or {config_map: NAME, key: KEY}"
_FIELD = "is written {field: metadata.name}"
_TOKENS = (
    "is not supported: callers are authorized by allow_from; a RequestAuthentication of another pipeline can check the "
    "tokens of users (docs/workloads.md)"
)
_MATCHES = "is not supported: a route matches hosts and paths (README.md, Scope)"
_NAMESPACE = "is not supported: deploy such objects by another pipeline (docs/workloads.md)"

_SERVICE = {
    "affinity": f"is topology_spread here, which spreads pods over zones and nodes; for anything else, {_PIPELINE}",
    "annotations": _NOT_SUPPORTED,
    "capabilities": "is not supported: the container has none, and can listen on every port without; remove it",
    "authentication": _TOKENS,
    "canary": "is versions here, with percentages: {v1: 95, v2: 5}",
    "configmap": "is a reference in env, env_from or volumes: {config_map: NAME}",
    "containerport": _PORTS,
    "containers": _ONE_CONTAINER,
    "cronjob": _NOT_SUPPORTED,
    "dnsconfig": _NOT_SUPPORTED,
    "dnspolicy": _NOT_SUPPORTED,
    "egress": _OUTSIDE,
    "enabled": "is not needed: remove the service from the file, or set replicas: 0",
    "endpoints": _OUTSIDE,
    "envvars": "is env here, a mapping of names to values",
    "external": _OUTSIDE,
    "externalname": _OUTSIDE,
    "extracontainers": _ONE_CONTAINER,
    "extraenv": "is env here, a mapping of names to values",
    "fsgroup": "is not supported: folders of size and memory can be written to by every user; remove it",
    "group": "is not needed: it is the number of user; remove it",
    "hostaliases": _NOT_SUPPORTED,
    "hostnetwork": _NOT_SUPPORTED,
    "hosts": "is host in an item of routes: [{host: shop.example.com, path: /, match: prefix}]",
    "hpa": "is autoscaling here: {min_replicas: 2, max_replicas: 10, cpu: 80}",
    "imagepullpolicy": "is not supported: Kubernetes pulls the tag latest at each start, and others once; remove it",
    "imagepullsecrets": _PULL,
    "ingress": _ROUTES,
    "initcontainers": _ONE_CONTAINER,
    "jwt": _TOKENS,
    "kind": _NOT_SUPPORTED,
    "lifecycle": f"is not needed: the pods have a preStop hook of drain_seconds; for another one, {_PIPELINE}",
    "livenessprobe": "is probes: {liveness: {http: /PATH}} here",
    "loadbalancer": _STICKY,
    "loadbalancing": _STICKY,
    "maxsurge": _NOT_SUPPORTED,
    "maxunavailable": _BUDGET,
    "minavailable": _BUDGET,
    "minreadyseconds": _NOT_SUPPORTED,
    "networkpolicy": "is allow_from here, the callers that are authorized",
    "nodeselector": _NODES,
    "pdb": _BUDGET,
    "persistence": _NOT_SUPPORTED,
    "podannotations": _NOT_SUPPORTED,
    "poddisruptionbudget": _BUDGET,
    "podlabels": "is labels here",
    "podsecuritycontext": "is user here; the rest is set, and secure (docs/security.md)",
    "prestop": f"is drain_seconds here; for another hook, {_PIPELINE}",
    "priorityclass": _NOT_SUPPORTED,
    "priorityclassname": _NOT_SUPPORTED,
    "ratelimit": "is not supported: a Cloud Armor policy can limit requests, which ingress.security_policy names",
    "readinessprobe": "is probes: {readiness: {http: /PATH}} here",
    "replicacount": "is replicas here",
    "runasgroup": "is not needed: it is the number of user; remove it",
    "runasuser": "is user here",
    "schedule": _NOT_SUPPORTED,
    "secrets": "is a reference in env, env_from or volumes: {secret: NAME}",
    "securitycontext": "is user here; the rest is set, and secure (docs/security.md)",
    "service": _PORTS,
    "serviceaccountname": _OWN_ACCOUNT,
    "serviceentry": _OUTSIDE,
    "sessionaffinity": _STICKY,
    "sidecars": _ONE_CONTAINER,
    "startupprobe": "is probes: {startup: {http: /PATH}} here",
    "storage": _NOT_SUPPORTED,
    "strategy": _NOT_SUPPORTED,
    "tag": "is a part of image",
    "targetport": _PORTS,
    "terminationgraceperiodseconds": "is grace_seconds here",
    "tolerations": _NODES,
    "topologyspreadconstraints": "is topology_spread here: {zone: preferred}",
    "traffic": "is versions here, with percentages: {v1: 95, v2: 5}",
    "virtualservice": _ROUTES,
    "volumeclaimtemplates": _NOT_SUPPORTED,
    "volumemounts": "is volumes here, by the path at which they are mounted: {/cache: {size: 1Gi}}",
}

_PROBE = {
    "command": "is exec here, a list: the program and its arguments",
    "headers": "is not supported: a probe sends the kubelet's own headers; use tcp: true or exec",
    "host": "is not supported: a probe connects to its pod; remove it",
    "httpget": "is http here, with the path alone: {http: /PATH, port: 8080}",
    "httpheaders": "is not supported: a probe sends the kubelet's own headers; use tcp: true or exec",
    "path": "is http here: {http: /PATH}",
    "scheme": "is not supported: containers serve plain HTTP, and the sidecars add TLS; use tcp: true or exec",
    "tcpsocket": "is tcp: true here, with port beside it",
}

_VARIABLE = {
    "configmapkeyref": _REFERENCE,
    "fieldpath": _FIELD,
    "fieldref": _FIELD,
    "region": "is not supported: write it in regions.REGION.env of the service",
    "resource": "is not supported: write the number itself",
    "resourcefieldref": "is not supported: write the number itself",
    "secretkeyref": _REFERENCE,
    "value": "is the text itself: NAME: text",
    "valuefrom": f"{_REFERENCE}, or {{field: metadata.name}}",
}

_VOLUME = {
    "claim": _NOT_SUPPORTED,
    "claimname": _NOT_SUPPORTED,
    "csi": f"is not supported, but for secret_manager; {_PIPELINE}",
    "defaultmode": f"is not supported: the files have the mode 0644; for another one, {_PIPELINE}",
    "downwardapi": "is not supported: use env with {field: metadata.name}",
    "emptydir": "is size or memory here: {size: 1Gi} on disk, {memory: 64Mi} in memory",
    "hostpath": _NOT_SUPPORTED,
    "items": "is key here, for one file: /etc/shop/app.yaml: {config_map: NAME, key: KEY}",
    "medium": "is memory here: {memory: 64Mi}",
    "mode": f"is not supported: the files have the mode 0644; for another one, {_PIPELINE}",
    "mountpath": "is the key of the volume: {/cache: {size: 1Gi}}",
    "nfs": _NOT_SUPPORTED,
    "optional": "is not supported: a pod waits for the files of its volumes; remove it",
    "persistentvolumeclaim": _NOT_SUPPORTED,
    "projected": "is not supported: mount each Secret and ConfigMap at a path of its own",
    "readonly": "is not needed: files of Secrets and ConfigMaps are read-only, and size and memory are not",
    "serviceaccounttoken": _NOT_SUPPORTED,
    "sizelimit": "is size here: {size: 1Gi}",
    "storageclass": _NOT_SUPPORTED,
    "subpath": "is key here: {config_map: NAME, key: KEY} is a file at the path",
}

_AUTOSCALING = {
    "behavior": _NOT_SUPPORTED,
    "enabled": "is not needed: without autoscaling, replicas is the number of pods; remove it",
    "metrics": f"is not supported, but for cpu and memory; {_PIPELINE}",
    "targetcpuutilizationpercentage": "is cpu here",
    "targetmemoryutilizationpercentage": "is memory here",
}

_REGION = dict.fromkeys(
    ("args", "command", "envfrom", "labels", "port", "probes", "resources", "serviceaccount", "volumes"), _EVERYWHERE
)

_VERSION = {
    **dict.fromkeys(("args", "command", "env", "resources"), "is the same for all versions: a key of the service"),
    "headers": _MATCHES,
}

_RESOURCES = {"gpu": _NODES, "nvidia.com/gpu": _NODES}

_ROUTE = {
    "headers": f"{_MATCHES}; request_headers and response_headers change headers",
    "hosts": "is host here, one for each route, and all hosts without it",
    "method": _MATCHES,
    "methods": _MATCHES,
    "pathtype": "is match here: exact or prefix",
    "queryparams": _MATCHES,
    "retries": "is a key of the service, for callers in the mesh, too",
    "timeout": "is timeout_seconds of the service, for callers in the mesh, too",
    "timeoutseconds": "is a key of the service, for callers in the mesh, too",
    "tls": "is not needed: the load balancer serves ingress.domains over HTTPS",
    "websocket": "is not needed: routes carry WebSockets (docs/faq.md)",
    "websockets": "is not needed: routes carry WebSockets (docs/faq.md)",
    "weight": "is versions of the service, with percentages: {v1: 95, v2: 5}",
}

_PORT = {
    "appprotocol": "is protocol here",
    "containerport": "is port here",
    "name": "is the key of the port: {admin: {port: 8081}}",
    "targetport": "is not supported: the Service and the container have the same port",
}

_IN_NAMESPACE = {
    "annotations": "is not supported; write labels",
    "defaultdeny": "is the same in all namespaces: mesh.default_deny",
    "injection": "is the same in all namespaces of the mesh; pods without sidecars belong in a namespace of their own",
    "limitrange": _NAMESPACE,
    "limits": _NAMESPACE,
    "mtls": "is the same in all namespaces: mesh.mtls",
    "networkpolicy": "is allow_from here, the callers that are authorized",
    "quota": _NAMESPACE,
    "regions": "is not supported: every cluster has the namespace",
    "resourcequota": _NAMESPACE,
    "rolebinding": _NAMESPACE,
}

KEYS: dict[tuple[str, ...], dict[str, str]] = {
    ("services", "*"): _SERVICE,
    ("services", "*", "autoscaling"): _AUTOSCALING,
    ("services", "*", "env", "*"): _VARIABLE,
    ("services", "*", "ports", "*"): _PORT,
    ("services", "*", "probes", "*"): _PROBE,
    ("services", "*", "regions", "*"): _REGION,
    ("services", "*", "regions", "*", "autoscaling"): _AUTOSCALING,
    ("services", "*", "regions", "*", "env", "*"): _VARIABLE,
    ("services", "*", "resources", "*"): _RESOURCES,
    ("services", "*", "routes", "*"): _ROUTE,
    ("services", "*", "versions", "*"): _VERSION,
    ("services", "*", "volumes", "*"): _VOLUME,
    ("mesh", "namespaces", "*"): _IN_NAMESPACE,
}
"""What to write in place of a key, by its section; a star is any name or index. Keys are in lower case, in one word."""


ABSENT = {
    ("services", "*", "port"): "is missing; pods that get no requests, such as workers, are another pipeline's, in a "
    "namespace of mesh.namespaces (docs/workloads.md)",
}
"""What to do about a missing key, where that is not to write it."""


def absent_key(path: Path) -> str | None:
    """Return what to do about a key that is missing; None if there is nothing but to write it."""
    return next((rule for pattern, rule in ABSENT.items() if _matches(pattern, path)), None)


def known_elsewhere(path: Path) -> str | None:
    """Return what to write in place of a key of Kubernetes, Istio or Helm, however it is spelled; None for others."""
    *section, key = path
    spelled = str(key).lower().replace("_", "").replace("-", "")
    return next((keys.get(spelled) for pattern, keys in KEYS.items() if _matches(pattern, section)), None)


def _matches(pattern: Sequence[str], path: Sequence[str | int]) -> bool:
    return len(pattern) == len(path) and all(one in ("*", step) for one, step in zip(pattern, path, strict=True))
