"""Names, ports, users and addresses that another layer owns."""

from ipaddress import IPv4Network

from config.naming import NAMESPACE_POLICY

PROJECT_ID_WORDS = ("google", "null", "ssl", "undefined")
"""https://docs.cloud.google.com/resource-manager/docs/creating-managing-projects#before_you_begin"""

LIKE_GOOGLE = "g[o0]{2}g[l1]e"
"""https://docs.cloud.google.com/storage/docs/buckets#naming"""

SIDECAR_PORTS = range(15000, 15091)
"""Ports of the sidecar. What listens there is reached around it: no mutual TLS, and no policy.

https://istio.io/latest/docs/ops/deployment/application-requirements/#ports-used-by-istio
"""

SIDECAR_USER = 1337
"""The sidecar's user and group, whose traffic is not redirected to it.

https://istio.io/latest/docs/ops/deployment/application-requirements/#pod-requirements
"""

SERVICE_NAMES = {
    "default": "Kubernetes makes a service account of that name in every namespace, where the service makes its own",
    NAMESPACE_POLICY: "the policy of a namespace with allow_from has that name",
    "kubernetes": "the pods of its namespace would find it in place of the API server (KUBERNETES_SERVICE_HOST)",
}
"""Names of services, and why there is none of that name.

https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/
https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
"""

POD_LABELS = {
    "app": "is the name of the service, by which it selects its pods",
    "istio": "selects the gateways of the mesh",
    "pod-template-hash": "belongs to Kubernetes, which tells the pods of a rollout by it",
    "version": "is the version of the pods, which has a key of its own",
}
"""Labels of a service's pods that select pods."""

MOUNT_PATHS = {
    "/dev": "the container runtime",
    "/etc/hostname": "the container runtime",
    "/etc/hosts": "the kubelet",
    "/etc/istio": "the sidecar",
    "/etc/resolv.conf": "the container runtime",
    "/proc": "the container runtime",
    "/run/secrets": "the kubelet and the sidecar, for tokens and certificates",
    "/sys": "the container runtime",
    "/var/lib/istio": "the sidecar",
    "/var/run/secrets": "the kubelet and the sidecar, for tokens and certificates",
}
"""Folders and files of a container, and what mounts them.

https://github.com/opencontainers/runtime-spec/blob/v1.2.1/config-linux.md#default-filesystems
https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/
https://github.com/istio/istio/blob/1.27.0/manifests/charts/istio-control/istio-discovery/files/grpc-agent.yaml
"""

SHARED_MEMORY = "/dev/shm"
"""The one of them that an application may replace: its default size is 64 MiB."""

NAMESPACES = frozenset(
    {
        "config-control",
        "configconnector-operator-system",
        "default",
        "gatekeeper-system",
        "istio-cni",
        "istio-config",
        "istio-gateway",
        "istio-operator",
        "istio-system",
        "resource-group-system",
    }
)
"""Namespaces of Kubernetes, GKE, the mesh, and of Google's add-ons."""

NAMESPACE_PREFIXES = (
    "anthos-",
    "asm-",
    "cnrm-",
    "config-management-",
    "gke-",
    "gmp-",
    "knative-",
    "krmapihosting-",
    "kube-",
)
"""Prefixes of theirs.

https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/ (kube-),
https://docs.cloud.google.com/stackdriver/docs/managed-prometheus/setup-managed (gmp-, gke-gmp-system),
https://docs.cloud.google.com/kubernetes-engine/docs/concepts/cluster-architecture (gke-managed-…),
https://docs.cloud.google.com/kubernetes-engine/enterprise/config-sync/docs/reference/namespaces (config-management-)
"""

GOOGLE_RANGES = {
    IPv4Network(text): purpose
    for text, purpose in {
        "35.191.0.0/16": "Google's health checks and load balancers",
        "130.211.0.0/22": "Google's health checks and load balancers",
        "35.235.240.0/20": "Identity-Aware Proxy",
        "35.199.192.0/19": "Cloud DNS",
        "199.36.153.4/30": "Private Google Access",
        "199.36.153.8/30": "Private Google Access",
        "34.118.224.0/20": "the services of GKE clusters without a range of their own",
    }.items()
}
"""Ranges of Google's that reach into every VPC, and what for.

https://docs.cloud.google.com/load-balancing/docs/health-check-concepts#ip-ranges
https://docs.cloud.google.com/iap/docs/using-tcp-forwarding#create-firewall-rule
https://docs.cloud.google.com/dns/docs/zones/forwarding-zones#firewall-rules
https://docs.cloud.google.com/kubernetes-engine/docs/concepts/alias-ips
"""

GOOGLE_PUBLIC = tuple(
    IPv4Network(text)
    for text in (
        "8.8.4.0/24", "8.8.8.0/24", "8.34.208.0/20", "8.35.192.0/20", "8.228.0.0/14", "8.232.0.0/14", "8.236.0.0/15",
        "23.236.48.0/20", "23.251.128.0/19", "34.0.0.0/15", "34.2.0.0/16", "34.3.0.0/23", "34.3.3.0/24",
        "34.3.4.0/24", "34.3.8.0/21", "34.3.16.0/20", "34.3.32.0/19", "34.3.64.0/18", "34.4.0.0/14", "34.8.0.0/13",
        "34.16.0.0/12", "34.32.0.0/11", "34.64.0.0/10", "34.128.0.0/10", "35.184.0.0/13", "35.192.0.0/14",
        "35.196.0.0/15", "35.198.0.0/16", "35.199.0.0/17", "35.199.128.0/18", "35.200.0.0/13", "35.208.0.0/12",
        "35.224.0.0/12", "35.240.0.0/13", "35.252.0.0/14", "64.15.112.0/20", "64.233.160.0/19", "66.102.0.0/20",
        "66.249.64.0/19", "70.32.128.0/19", "72.14.192.0/18", "74.114.24.0/21", "74.125.0.0/16", "104.154.0.0/15",
        "104.196.0.0/14", "104.237.160.0/19", "107.167.160.0/19", "107.178.192.0/18", "108.59.80.0/20",
        "108.170.192.0/18", "108.177.0.0/17", "130.211.0.0/16", "136.22.2.0/23", "136.22.4.0/23", "136.22.8.0/22",
        "136.22.160.0/20", "136.22.176.0/21", "136.22.184.0/23", "136.22.186.0/24", "136.23.48.0/20",
        "136.23.64.0/18", "136.64.0.0/11", "136.107.0.0/16", "136.108.0.0/14", "136.112.0.0/13", "136.120.0.0/22",
        "136.124.0.0/15", "142.250.0.0/15", "146.148.0.0/17", "162.120.128.0/17", "162.216.148.0/22",
        "162.222.176.0/21", "172.110.32.0/21", "172.217.0.0/16", "172.253.0.0/16", "173.194.0.0/16",
        "173.255.112.0/20", "192.104.160.0/23", "192.158.28.0/22", "192.178.0.0/15", "193.186.4.0/24",
        "199.36.154.0/23", "199.36.156.0/24", "199.192.112.0/22", "199.223.232.0/21", "207.223.160.0/20",
        "208.65.152.0/22", "208.68.108.0/22", "208.81.188.0/22", "208.117.224.0/19", "209.85.128.0/17",
        "216.58.192.0/19", "216.73.80.0/20", "216.239.32.0/19", "216.252.220.0/22",
    )
)  # fmt: skip
"""Google's public ranges, on 2026-11-28, which no VPC may have: https://www.gstatic.com/ipranges/goog.json,
https://docs.cloud.google.com/vpc/docs/subnets#prohibited-ipv4
"""
