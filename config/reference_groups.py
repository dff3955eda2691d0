"""The groups of keys in docs/configuration.md, by what people do."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """A section of the reference.

    Attributes:
        title: its heading.
        introduction: one or two sentences.
        keys: its keys as in the reference, or the keys above them. A key belongs to the group with the longest match.
        example: YAML that becomes a whole configuration when it is added to `EXAMPLE_BASE`.
    """

    title: str
    introduction: str
    keys: tuple[str, ...]
    example: str


EXAMPLE_BASE = """\
project:
  id: acme-mesh-prod
regions:
  tokyo:
    region: asia-northeast1
    number: 0
  osaka:
    region: asia-northeast2
    number: 1
ingress:
  config_cluster: tokyo
  plain_http: true
"""
"""A complete configuration: each key without a default, and a choice about HTTPS."""

GROUPS = (
    Group(
        "Project and identity",
        "The project that contains all resources, and the account that creates them.",
        ("project",),
        """\
project:
  id: acme-mesh-prod
  name_prefix: acme
  impersonate_service_account: deployer@acme-mesh-prod.iam.gserviceaccount.com
""",
    ),
    Group(
        "Regions",
        "Each region has a subnet, Cloud NAT and a cluster. "
        "[Operations](operations.md) describes how to add and remove one.",
        ("regions",),
        """\
regions:
  tokyo:
    region: asia-northeast1
    number: 0
  osaka:
    region: asia-northeast2
    number: 1
  seoul:
    region: asia-northeast3
    number: 2
    zones: [asia-northeast3-a, asia-northeast3-b]
""",
    ),
    Group(
        "Ingress and domains",
        "The load balancer has one address for all regions, and sends each request to the nearest gateway.",
        ("ingress",),
        """\
ingress:
  config_cluster: tokyo
  domains: [shop.example.com]
  plain_http: false # replaces the true of the configuration above
  security_policy: shop-edge
  max_replicas: 10
""",
    ),
    Group(
        "Services",
        "Your services. Each has one name in every cluster, and the nearest region serves its requests. "
        "[Another pipeline](workloads.md) can deploy the pods.",
        ("services",),
        """\
services:
  orders:
    image: asia-northeast1-docker.pkg.dev/acme-mesh-prod/shop/orders:2.0
    port: 9090
  checkout:
    image: asia-northeast1-docker.pkg.dev/acme-mesh-prod/shop/checkout:4.2
    port: 8080
    replicas: 3
    env:
      LOG_LEVEL: info
      DB_PASSWORD: {secret: database, key: password}
      POD_NAME: {field: metadata.name}
    volumes:
      /etc/checkout: {config_map: settings}
      /etc/nginx/nginx.conf: {config_map: settings, key: nginx.conf} # one file
      /cache: {size: 1Gi}
      /etc/keys: {secret_manager: {signing.pem: projects/acme-mesh-prod/secrets/signing/versions/latest}}
    topology_spread: {zone: preferred}
    resources:
      requests: {cpu: 500m, memory: 256Mi}
      limits: {memory: 512Mi}
    probes:
      readiness: {http: /ready}
      startup: {http: /ready, failure_threshold: 30}
    routes:
      - path: /checkout
        match: prefix
    allow_from: [orders]
    service_account: checkout@acme-mesh-prod.iam.gserviceaccount.com
    regions:
      tokyo: {}
      osaka:
        replicas: 6
        env: {DB_HOST: osaka.database.internal}
cluster:
  secret_manager: true # for the volume /etc/keys
""",
    ),
    Group(
        "Requests to services",
        "Timeouts, retries and failover of requests to a service. The same policy applies to callers in the mesh and "
        "to the gateways. [Concepts](concepts.md#timeouts-and-retries) explains the defaults.",
        (
            "services.*.timeout_seconds",
            "services.*.retries",
            "services.*.outlier_detection",
            "services.*.connections",
            "services.*.failover",
            "services.*.failover_threshold",
        ),
        """\
services:
  catalog:
    image: asia-northeast1-docker.pkg.dev/acme-mesh-prod/shop/catalog:3.1
    port: 8080
    timeout_seconds: 3
    retries: {attempts: 2, retry_on: [connect-failure, refused-stream, gateway-error]} # its requests only read
    outlier_detection: {consecutive_5xx: 0, consecutive_gateway_errors: 3}
    connections: {max_pending_requests: 1000}
""",
    ),
    Group(
        "Versions, mirroring and weights",
        "Shares of the requests to a service, by version and by region. "
        "[Versions, mirroring and weights](versions.md) explains a canary release from start to end.",
        ("services.*.versions", "services.*.mirror", "services.*.region_weights"),
        """\
services:
  cart:
    image: asia-northeast1-docker.pkg.dev/acme-mesh-prod/shop/cart:1.4
    port: 8080
    versions:
      v1: 95
      v2: {weight: 5, image: "asia-northeast1-docker.pkg.dev/acme-mesh-prod/shop/cart:1.5", replicas: 1}
    mirror: {service: cart-next, percent: 10}
    # Not with mesh.control_plane: fleet: region_weights: {tokyo: {tokyo: 90, osaka: 10}}
  cart-next:
    image: asia-northeast1-docker.pkg.dev/acme-mesh-prod/shop/cart:2.0
    port: 8080
""",
    ),
    Group(
        "Workloads of other pipelines",
        "A service without `image`, and namespaces, for pods that Argo CD, Flux, Config Sync or Helm deploys. "
        "[Workloads of other pipelines](workloads.md) describes what their pods need.",
        ("mesh.namespaces",),
        """\
mesh:
  namespaces:
    shop:
      labels: {team: shop}
      allow_from: [monitoring/prometheus]
services:
  catalog:
    namespace: shop
    port: 8080
    routes: [{path: /catalog, match: prefix}]
    regions: {tokyo: {}, osaka: {}}
""",
    ),
    Group(
        "Cluster shape",
        "The nodes of all clusters, and what differs in one region.",
        (
            "cluster.machine_type",
            "cluster.disk_size_gb",
            "cluster.min_nodes",
            "cluster.max_nodes",
            "cluster.max_pods_per_node",
            "cluster.node_pool_rollout",
            "regions.*.cluster",
        ),
        """\
cluster:
  machine_type: e2-standard-8
  min_nodes: 2
  max_nodes: 6
regions:
  osaka:
    cluster:
      max_nodes: 10
""",
    ),
    Group(
        "Versions and maintenance",
        "When GKE upgrades the clusters, and to which versions.",
        (
            "cluster.release_channel",
            "cluster.maintenance_windows",
            "cluster.maintenance_start",
            "regions.*.maintenance_start",
        ),
        """\
cluster:
  release_channel: regular
  maintenance_start: tuesday 15:00
regions:
  osaka:
    maintenance_start: saturday 15:00
""",
    ),
    Group(
        "Access to the GKE control planes",
        "How terraform, the scripts and you reach the Kubernetes API of each cluster.",
        ("cluster.endpoint", "cluster.authorized_networks", "cluster.operator_address"),
        """\
cluster:
  endpoint: public
  authorized_networks:
    - name: office
      cidr: 203.0.113.0/24
""",
    ),
    Group(
        "Network and addresses",
        "The ranges of each region. By default, they follow from the region's number.",
        (
            "network.address_plan",
            "network.pod_protocols",
            "regions.*.nodes",
            "regions.*.pods",
            "regions.*.services",
            "regions.*.control_plane",
        ),
        """\
network:
  address_plan:
    pods: {pool: 10.128.0.0/10, block: 14}
regions:
  osaka:
    nodes: 172.30.0.0/16
""",
    ),
    Group(
        "Control plane mode",
        "How the mesh control planes are installed. [Control plane modes](control-plane-modes.md) compares the modes.",
        ("mesh.control_plane", "mesh.asmcli", "mesh.kubectl_image"),
        """\
mesh:
  control_plane: asmcli-managed
  asmcli:
    version: 1.31.3-asm.9+config1
    sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
""",
    ),
    Group(
        "Security",
        "The defaults are the secure values, except `secrets_key`, which needs a key of yours. [Security](security.md) "
        "states the trade-off of every override.",
        (
            "mesh.mtls",
            "mesh.default_deny",
            "cluster.dataplane",
            "cluster.intranode_visibility",
            "cluster.binary_authorization",
            "cluster.secure_boot",
            "cluster.secret_manager",
            "cluster.deletion_protection",
            "regions.*.secrets_key",
        ),
        """\
regions:
  tokyo:
    secrets_key: projects/acme-keys/locations/asia-northeast1/keyRings/mesh/cryptoKeys/secrets
  osaka:
    secrets_key: projects/acme-keys/locations/asia-northeast2/keyRings/mesh/cryptoKeys/secrets
""",
    ),
    Group(
        "Logs and metrics",
        "What Cloud Logging and Cloud Monitoring record about the network and the clusters.",
        (
            "network.flow_logs",
            "network.firewall_logs",
            "network.nat_log_filter",
            "cluster.logs",
            "cluster.managed_prometheus",
        ),
        """\
network:
  nat_log_filter: ERRORS_ONLY
cluster:
  logs: [workloads, api_server, scheduler]
""",
    ),
    Group(
        "Demo",
        "helloworld and its client, which show [locality](concepts.md#locality). Turn them off once "
        "`mesh verify` and `mesh drill` have shown what they are for, or use a service of yours.",
        ("demo",),
        """\
demo:
  failover: true
  versions:
    tokyo: v1
    osaka: v2
""",
    ),
    Group(
        "State",
        "Where terraform stores its state, and where it runs. [Backends](backends.md) describes the setup of each.",
        ("backend",),
        """\
backend:
  type: gcs
  bucket: acme-states
  prefix: mesh
""",
    ),
)
