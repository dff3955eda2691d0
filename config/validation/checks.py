"""What no single field can know: how the parts of an environment fit together.

Each check yields the problems it finds and looks at nothing that another check
has already refused, so that one slip makes one message.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, collapse_addresses
from itertools import combinations

from config.cluster import MESH_VCPUS_A_NODE, MESH_VCPUS_A_POOL, vcpus
from config.environment import DEMO_SERVICE, Environment
from config.maintenance import WINDOWS_A_WEEK
from config.naming import Limit, RegionNames
from config.problems import MISSING, Problem, nearest
from config.region import Region
from config.remote_runner import runner
from config.service import RegionalDeployment, Route

RANGE_KINDS = ("nodes", "pods", "services", "control_plane")

ZONES_OF_A_REGION = 3
"""Zones that GKE spreads a regional cluster over when none are named."""

SURGE_NODES = 1
"""Nodes beyond the pool's size that an upgrade adds for a while (GKE's default, max_surge 1)."""

HALF_OF_ALL = 1 << 31
"""Half of all IPv4 addresses: who admits as many, in however many ranges, admits everybody."""

LEAST_REPLICAS = 2
"""Gateway pods in a cluster, so that one may go."""

PROHIBITED = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "199.36.153.4/30",
        "199.36.153.8/30",
        "224.0.0.0/4",
        "255.255.255.255/32",
    )
)
"""Ranges that a VPC can't have. https://cloud.google.com/vpc/docs/subnets#prohibited-ipv4"""


@dataclass(frozen=True)
class _PlacedRange:
    region: str
    kind: str
    network: IPv4Network

    @property
    def path(self) -> str:
        return f"regions.{self.region}.{self.kind}"


def check(environment: Environment) -> list[Problem]:
    """Return everything that is wrong with an environment whose fields are each right."""
    found = [problem for one_check in CHECKS for problem in one_check(environment)]
    return found or list(_control_plane(environment))


def _names(environment: Environment) -> Iterator[Problem]:
    yield from _too_long("project.name_prefix", environment.names.limits())
    for key in environment.regions:
        yield from _too_long(f"regions.{key}", RegionNames(environment.project.name_prefix, key).limits())


def _too_long(path: str, limits: Iterator[Limit]) -> Iterator[Problem]:
    for limit in limits:
        if len(limit.name) > limit.longest:
            rule = (
                f"the {limit.kind} would be called {limit.name!r}, {len(limit.name)} characters of {limit.longest} "
                "at most; shorten project.name_prefix or the region's key"
            )
            yield Problem(path, rule)
            return
        if len(limit.name) < limit.shortest:
            yield Problem(path, f"the {limit.kind} would be called {limit.name!r}, shorter than {limit.shortest}")
            return


def _regions(environment: Environment) -> Iterator[Problem]:
    locations: dict[str, str] = {}
    numbers: dict[int, str] = {}
    for key, region in environment.regions.items():
        path = f"regions.{key}"
        if region.region in locations:
            rule = f"is the region of {locations[region.region]} too; each has a region of its own"
            yield Problem(f"{path}.region", rule, region.region)
        locations.setdefault(region.region, key)
        if region.number is not None:
            if region.number in numbers:
                rule = f"is the number of {numbers[region.number]} too; a number decides a region's ranges"
                yield Problem(f"{path}.number", rule, region.number)
            numbers.setdefault(region.number, key)
        for index, zone in enumerate(region.zones):
            if not zone.startswith(f"{region.region}-"):
                yield Problem(f"{path}.zones[{index}]", f"is not in {region.region}", zone)
            if zone in region.zones[:index]:
                yield Problem(f"{path}.zones[{index}]", "stands there twice", zone)
    if all(region.retired for region in environment.regions.values()):
        yield Problem("regions", "all are retired; to take everything down, run cdktf destroy")


def _ranges(environment: Environment) -> Iterator[Problem]:
    plan = list(_address_plan(environment))
    if plan:
        yield from plan
        return  # every range that follows from it would be wrong too
    placed: list[_PlacedRange] = []
    for key in environment.regions:
        taken = _placed(environment, key)
        if isinstance(taken, Problem):
            yield taken
            continue
        for one in taken:
            unfit = list(_fit_for_its_kind(environment, one))
            yield from unfit
            if not unfit:
                placed.append(one)
    for first, second in combinations(placed, 2):
        if first.region != second.region and _same_number(environment, first.region, second.region):
            continue  # the number is the one problem, and is told
        if first.network.overlaps(second.network):
            rule = f"overlaps {first.path} ({first.network})"
            yield Problem(second.path, rule, str(second.network))


def _same_number(environment: Environment, first: str, second: str) -> bool:
    number = environment.regions[first].number
    return number is not None and number == environment.regions[second].number


def _address_plan(environment: Environment) -> Iterator[Problem]:
    for kind in RANGE_KINDS:
        pool = getattr(environment.network.address_plan, kind)
        path = f"network.address_plan.{kind}"
        if pool.capacity == 0:
            yield Problem(f"{path}.block", f"is larger than the pool, {pool.pool}", pool.block)
        elif pool.size is not None and pool.size < pool.block:
            yield Problem(f"{path}.size", f"is larger than its block, /{pool.block}", pool.size)


def _placed(environment: Environment, key: str) -> list[_PlacedRange] | Problem:
    """Return a region's four ranges, or why it doesn't have them."""
    region = environment.regions[key]
    missing = [kind for kind in RANGE_KINDS if getattr(region, kind) is None]
    if missing and region.number is None:
        return Problem(f"regions.{key}", f"give it a number, or its own {', '.join(missing)}")
    try:
        return [_PlacedRange(key, kind, environment.range_of(key, kind)) for kind in RANGE_KINDS]
    except ValueError as error:
        return Problem(f"regions.{key}.number", f"gives no range: {error}", region.number)


def _fit_for_its_kind(environment: Environment, one: _PlacedRange) -> Iterator[Problem]:
    network, shown = one.network, str(one.network)
    for prohibited in PROHIBITED:
        if network.overlaps(prohibited):
            yield Problem(one.path, f"overlaps {prohibited}, which a VPC can't have", shown)
            return
    if one.kind == "control_plane" and network.prefixlen != 28:
        yield Problem(one.path, "must be a /28: GKE takes no other size", shown)
    if one.kind == "services" and not 16 <= network.prefixlen <= 27:
        yield Problem(one.path, "must be from /16 to /27: GKE takes no other size for services", shown)
    if one.kind == "pods" and not 9 <= network.prefixlen <= 24:
        yield Problem(one.path, "must be from /9 to /24: GKE takes no other size for pods", shown)
        return
    if one.kind not in ("nodes", "pods"):
        return
    region = environment.regions[one.region]
    shape = environment.cluster.node_pool(region.cluster)
    nodes = _zone_count(region) * shape.max_nodes + SURGE_NODES
    if one.kind == "nodes":
        room = network.num_addresses - 4  # a subnet reserves four
    else:
        room = network.num_addresses // addresses_of_a_node(environment.cluster.max_pods_per_node)
    if room < nodes:
        rule = f"has room for {max(room, 0)} nodes, and the pool can grow to {nodes} (an upgrade's extra one included)"
        yield Problem(one.path, rule, shown)


def _zone_count(region: Region) -> int:
    return len(region.zones) or ZONES_OF_A_REGION


def addresses_of_a_node(max_pods: int) -> int:
    """Return how many pod addresses GKE sets aside for a node: twice its pods, as a power of two.

    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/flexible-pod-cidr
    """
    return 1 << (2 * max_pods - 1).bit_length()


def _authorized_networks(environment: Environment) -> Iterator[Problem]:
    entries = [
        (f"cluster.authorized_networks[{index}].cidr", entry.cidr)
        for index, entry in enumerate(environment.cluster.authorized_networks)
    ]
    if environment.cluster.operator_address is not None:
        entries.append(("cluster.operator_address", environment.cluster.operator_address))
    narrow = []
    for path, cidr in entries:
        if cidr.prefixlen == 0:
            yield Problem(path, "is everybody; name the networks of the people and machines that deploy", str(cidr))
        else:
            narrow.append((path, cidr))
    if sum(network.num_addresses for network in collapse_addresses(cidr for _, cidr in narrow)) >= HALF_OF_ALL:
        widest = min(narrow, key=lambda entry: entry[1].prefixlen)
        rule = "with the other authorized networks is half of the internet or more; name the networks that you mean"
        yield Problem(widest[0], rule, str(widest[1]))
    if not entries and environment.cluster.endpoint == "public":
        rule = "is empty, so that nobody could deploy by the public endpoint; name your network, or another endpoint"
        yield Problem("cluster.authorized_networks", rule)
    seen: dict[IPv4Network, str] = {}
    for path, cidr in narrow:
        if cidr in seen:
            yield Problem(path, f"stands at {seen[cidr]} already", str(cidr))
        seen.setdefault(cidr, path)


def _pod_protocols(environment: Environment) -> Iterator[Problem]:
    protocols = environment.network.pod_protocols
    if "tcp" not in protocols:
        yield Problem("network.pod_protocols", "has no tcp, which is all that the mesh sends", ", ".join(protocols))
    yield from _no_twins("network.pod_protocols", protocols)


def _logs(environment: Environment) -> Iterator[Problem]:
    yield from _no_twins("cluster.logs", environment.cluster.logs)


def _no_twins(path: str, values: Sequence[str]) -> Iterator[Problem]:
    for index, value in enumerate(values):
        if value in values[:index]:
            yield Problem(f"{path}[{index}]", "stands there twice", value)


def _secrets_keys(environment: Environment) -> Iterator[Problem]:
    keys = {key: region.secrets_key for key, region in environment.regions.items() if region.secrets_key is not None}
    elsewhere = [key for key, name in keys.items() if name.split("/")[3] != environment.regions[key].region]
    for key in elsewhere:
        place, home = keys[key].split("/")[3], environment.regions[key].region
        rule = f"is in {place}, and the cluster in {home}: a region needs a key there"
        yield Problem(f"regions.{key}.secrets_key", rule, keys[key])
    if not keys or elsewhere:
        return
    for key, region in environment.regions.items():
        if key not in keys and not region.retired:
            rule = f"is missing, and {next(iter(keys))} has one: remote secrets of every cluster are in every other one"
            yield Problem(f"regions.{key}.secrets_key", rule)


def _maintenance(environment: Environment) -> Iterator[Problem]:
    if not environment.cluster.maintenance_windows:
        return
    windows = environment.maintenance_windows()
    given = [key for key, region in environment.regions.items() if region.maintenance_start is not None]
    for first, second in combinations(given, 2):
        if windows[first].overlaps(windows[second]):
            rule = f"is at the same time as {first}'s ({windows[first]}); two regions could be in maintenance at once"
            yield Problem(f"regions.{second}.maintenance_start", rule, environment.regions[second].maintenance_start)
    left = [key for key in environment.regions if key not in windows]
    if left:
        rule = (
            f"leave no 12 hours of the week for {', '.join(left)}, as a week has {WINDOWS_A_WEEK}; move those with a "
            "maintenance_start, or set cluster.maintenance_windows: false, and GKE upgrades whenever it likes"
        )
        yield Problem("regions", rule)


def _node_pools(environment: Environment) -> Iterator[Problem]:
    reported: set[tuple[str, str]] = set()
    for key, region in environment.regions.items():
        shape = environment.cluster.node_pool(region.cluster)

        def at(name: str, region_key: str = key) -> str:
            own = getattr(environment.regions[region_key].cluster, name) is not None
            return f"regions.{region_key}.cluster.{name}" if own else f"cluster.{name}"

        found: list[Problem] = []
        if shape.min_nodes > shape.max_nodes:
            found.append(Problem(at("min_nodes"), f"is more than max_nodes, {shape.max_nodes}", shape.min_nodes))
        count = vcpus(shape.machine_type)
        if count is not None and count < MESH_VCPUS_A_NODE:
            rule = f"has {count} vCPUs; the mesh requires {MESH_VCPUS_A_NODE} a node"
            found.append(Problem(at("machine_type"), rule, shape.machine_type))
        elif count is not None and (pool := count * shape.max_nodes * _zone_count(region)) < MESH_VCPUS_A_POOL:
            rule = f"makes a pool of {pool} vCPUs; the mesh requires {MESH_VCPUS_A_POOL}"
            found.append(Problem(at("max_nodes"), rule, shape.max_nodes))
        for problem in found:
            if (problem.path, problem.rule) not in reported:
                reported.add((problem.path, problem.rule))
                yield problem


def _ingress(environment: Environment) -> Iterator[Problem]:
    ingress = environment.ingress
    yield from _known_region(environment, "ingress.config_cluster", ingress.config_cluster)
    home = environment.regions.get(ingress.config_cluster)
    if home is not None and home.retired:
        rule = "is retired; choose another region first, and deploy"
        yield Problem("ingress.config_cluster", rule, ingress.config_cluster)
    if ingress.enabled and not ingress.domains and not ingress.plain_http:
        rule = (
            "has no domain, and so no HTTPS: name yours in ingress.domains, or say ingress.plain_http: true, with "
            "which everybody on the way can read and change what users send and get"
        )
        yield Problem("ingress", rule)
    for index, domain in enumerate(ingress.domains):
        if domain in ingress.domains[:index]:
            yield Problem(f"ingress.domains[{index}]", "stands there twice", domain)
    if ingress.min_replicas < LEAST_REPLICAS and not ingress.single_replica:
        rule = (
            f"leaves a region without an entry while its one pod moves; give {LEAST_REPLICAS} or more, or say "
            "ingress.single_replica: true"
        )
        yield Problem("ingress.min_replicas", rule, ingress.min_replicas)
    if ingress.min_replicas > ingress.max_replicas:
        rule = f"is more than max_replicas, {ingress.max_replicas}"
        yield Problem("ingress.min_replicas", rule, ingress.min_replicas)


def _control_plane(environment: Environment) -> Iterator[Problem]:
    for conflict in environment.control_plane.conflicts(environment):
        rule = f"with mesh.control_plane: {environment.mesh.control_plane}, {conflict.rule}"
        yield Problem(conflict.path, rule, conflict.value)


def _known_region(environment: Environment, path: str, key: str) -> Iterator[Problem]:
    if key not in environment.regions:
        known = list(environment.regions)
        value = MISSING if path.endswith(f".{key}") else key
        yield Problem(path, f"is not a key of regions ({', '.join(known)})", value, nearest(key, known))


def _services(environment: Environment) -> Iterator[Problem]:
    demo = environment.demo
    for key in demo.versions:
        yield from _known_region(environment, f"demo.versions.{key}", key)
    for name, service in environment.services.items():
        path = f"services.{name}"
        if name in (DEMO_SERVICE, "sleep") and demo.enabled:
            yield Problem(path, "is the name of a part of the demo; choose another, or set demo.enabled: false")
        for key in service.regions:
            yield from _known_region(environment, f"{path}.regions.{key}", key)
        if service.namespace in RESERVED_NAMESPACES or service.namespace.startswith(RESERVED_PREFIXES):
            rule = "belongs to the cluster or the mesh; choose another"
            yield Problem(f"{path}.namespace", rule, service.namespace)
        for index, caller in enumerate(service.allow_from):
            known = list(environment.all_services())
            if "/" not in caller and caller not in known:
                rule = f"is no service of this file ({', '.join(known)}); others are written NAMESPACE/ACCOUNT"
                yield Problem(f"{path}.allow_from[{index}]", rule, caller, nearest(caller, known))
        if service.root and service.user is not None:
            yield Problem(f"{path}.root", f"does not go with user: {service.user}; take one of them away", True)
        if service.version_env is not None and service.version_env in service.env:
            yield Problem(f"{path}.version_env", "stands in env too", service.version_env)
    yield from _deployments(environment)
    routes = [(name, one.route) for name, one in environment.all_services().items() if one.route is not None]
    for (first_name, first), (second_name, second) in combinations(routes, 2):
        if _covers(first, second) or _covers(second, first):
            rule = f"overlaps {first.match} {first.path} of {first_name}, and which one answers is not defined"
            yield Problem(f"services.{second_name}.route.path", rule, second.path)


def _deployments(environment: Environment) -> Iterator[Problem]:
    """A Deployment is called SERVICE-VERSION: a-b of c and a of b-c are one name."""
    owners: dict[tuple[str, str, str], str] = {}
    for name, service in environment.all_services().items():
        for key in service.regions or environment.regions:
            runs = service.regions.get(key, RegionalDeployment())
            owner = owners.setdefault((key, service.namespace, f"{name}-{runs.version}"), name)
            if owner != name:
                rule = (
                    f"its Deployment in {key} would be called {f'{name}-{runs.version}'!r}, and so is that of {owner}; "
                    "choose another name, version or namespace"
                )
                yield Problem(f"services.{name}", rule)
                break


def _covers(one: Route, other: Route) -> bool:
    return one.path == other.path or (one.match == "prefix" and other.path.startswith(one.path))


RESERVED_NAMESPACES = frozenset(
    {"istio-system", "istio-gateway", "asm-system", "kube-system", "kube-public", "kube-node-lease", "default"}
)
"""Namespaces that services may not be put into."""

RESERVED_PREFIXES = ("kube-", "gke-managed-")
"""And what those begin with that Kubernetes and GKE make."""

CHECKS: tuple[Callable[[Environment], Iterator[Problem]], ...] = (
    _names,
    _regions,
    _ranges,
    _pod_protocols,
    _authorized_networks,
    _logs,
    _secrets_keys,
    _maintenance,
    _node_pools,
    _ingress,
    _services,
    runner,
)
