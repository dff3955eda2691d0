"""What of that which the stacks make under names of our own is there already."""

from collections.abc import Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from cli.sources.described import FEATURES, LookupResult
from cli.sources.google import ApiError, GoogleClient
from cli.sources.kubernetes import cluster_path
from config import Environment, ResolvedRegion

CERTIFICATE, SSL_POLICY = "SSL certificate", "SSL policy"
NETWORK, SUBNET, ROUTER, FIREWALL, ADDRESS = "network", "subnet", "router", "firewall rule", "address"
ACCOUNT, CLUSTER, FEATURE = "node account", "cluster", "fleet feature"
NAT, NODE_POOL = "NAT", "node pool"

PARTS = {NAT: (ROUTER, "nats"), NODE_POOL: (CLUSTER, "nodePools")}
"""What each is a part of, and the list in which that has it."""


@dataclass(frozen=True)
class Thing:
    """One thing that the stacks make.

    Attributes:
        kind: what it is, one of the words above.
        api: one of `cli.sources.google.ENDPOINTS`.
        path: where the API has it, which is also terraform's id of it. (Of a NAT, the API has none.)
        region: key of its region; empty for what there is one of.
        delete: the command that takes it away.
        parent: path of what it is a part of, and goes with; empty for all that stands for itself.
    """

    kind: str
    api: str
    path: str
    region: str
    delete: str
    parent: str = ""

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]


Inventory = Mapping[Thing, LookupResult]


def things_of(environment: Environment) -> list[Thing]:
    """Return all that has a name of our own, in the order in which the stacks make it."""
    project, names = environment.project.id, environment.names
    base = f"projects/{project}/global"
    gcloud = "gcloud compute"
    to = f"--project {project}"
    things = [
        Thing(NETWORK, "compute", f"{base}/networks/{names.vpc}", "", f"{gcloud} networks delete {names.vpc} {to}"),
        Thing(
            FIREWALL,
            "compute",
            f"{base}/firewalls/{names.pods_firewall}",
            "",
            f"{gcloud} firewall-rules delete {names.pods_firewall} {to}",
        ),
    ]
    for region in environment.resolved_regions():
        things += _things_of_region(environment, region)
    for feature in FEATURES:
        path = f"projects/{project}/locations/global/features/{feature}"
        things.append(Thing(FEATURE, "gkehub", path, "", f"gcloud container fleet features disable {feature} {to}"))
    if environment.ingress.enabled:
        address = names.ingress_address
        delete = f"{gcloud} addresses delete {address} --global {to}"
        things.append(Thing(ADDRESS, "compute", f"{base}/addresses/{address}", "", delete))
        if environment.ingress.domains:
            delete = f"{gcloud} ssl-policies delete {names.ssl_policy} --global {to}"
            things.append(Thing(SSL_POLICY, "compute", f"{base}/sslPolicies/{names.ssl_policy}", "", delete))
        for certificate in map(names.certificate, environment.ingress.domains):
            delete = f"{gcloud} ssl-certificates delete {certificate} --global {to}"
            things.append(Thing(CERTIFICATE, "compute", f"{base}/sslCertificates/{certificate}", "", delete))
    return things


def _things_of_region(environment: Environment, region: ResolvedRegion) -> list[Thing]:
    project, key, names = environment.project.id, region.key, region.names
    base = f"projects/{project}/regions/{region.location}"
    gcloud, to = "gcloud compute", f"--project {project}"
    at = f"--region {region.location} {to}"
    subnet = environment.names.subnet
    email = f"{names.node_service_account}@{project}.iam.gserviceaccount.com"
    firewall = names.webhook_firewall
    router, cluster = f"{base}/routers/{names.router}", cluster_path(environment, region)
    things = [
        Thing(
            SUBNET, "compute", f"{base}/subnetworks/{subnet}", key, f"{gcloud} networks subnets delete {subnet} {at}"
        ),
        Thing(ROUTER, "compute", router, key, f"{gcloud} routers delete {names.router} {at}"),
        Thing(
            NAT,
            "compute",
            f"{project}/{region.location}/{names.router}/{names.nat}",
            key,
            f"{gcloud} routers nats delete {names.nat} --router {names.router} {at}",
            router,
        ),
        Thing(
            FIREWALL,
            "compute",
            f"projects/{project}/global/firewalls/{firewall}",
            key,
            f"{gcloud} firewall-rules delete {firewall} {to}",
        ),
        Thing(
            ACCOUNT,
            "iam",
            f"projects/{project}/serviceAccounts/{email}",
            key,
            f"gcloud iam service-accounts delete {email} {to}",
        ),
        Thing(
            CLUSTER,
            "container",
            cluster,
            key,
            f"gcloud container clusters delete {names.cluster} --location {region.location} {to}",
        ),
        Thing(
            NODE_POOL,
            "container",
            f"{cluster}/nodePools/{names.node_pool}",
            key,
            f"gcloud container node-pools delete {names.node_pool} --cluster {names.cluster} "
            f"--location {region.location} {to}",
            cluster,
        ),
    ]
    webhooks = bool(environment.control_plane.webhook_ports)  # else nothing is let in to them
    return [one for one in things if webhooks or one.kind != FIREWALL]


def take(google: GoogleClient, things: Sequence[Thing], on: Set[str]) -> Inventory:
    """Look whether each is there; where an API is off, nothing of it is.

    Args:
        on: the APIs that are on, such as ``compute``.

    Raises:
        MeshError: there are no credentials.
    """
    wholes = [thing for thing in things if not thing.parent]
    with ThreadPoolExecutor(8) as pool:
        answers = dict(zip((one.path for one in wholes), pool.map(partial(_look, google, on), wholes), strict=True))
    return {thing: _part(thing, answers[thing.parent]) if thing.parent else answers[thing.path] for thing in things}


def _look(google: GoogleClient, on: Set[str], thing: Thing) -> LookupResult:
    if thing.api not in on:
        return None
    try:
        return google.find(thing.api, thing.path)
    except ApiError as error:
        return error


def _part(thing: Thing, whole: LookupResult) -> LookupResult:
    """Find a part in what it belongs to; of that which is not there, or not told, it has the same answer."""
    if not isinstance(whole, dict):
        return whole
    _, parts = PARTS[thing.kind]
    return next((one for one in whole.get(parts, []) if one["name"] == thing.name), None)


def clusters(inventory: Inventory) -> dict[str, LookupResult]:
    """Return the clusters by region."""
    return {thing.region: answer for thing, answer in inventory.items() if thing.kind == CLUSTER}
