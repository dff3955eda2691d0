"""What there is in a project, of the kinds that the stacks, the mesh and Multi Cluster Ingress make.

Not by the names that are expected, as `cli.sources.expected_resources` looks, but all of it: what is left
over may have been made by controllers, under names of theirs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from cli.sources.google import ApiError, GoogleClient
from cli.sources.remediation import api_error_fix


@dataclass(frozen=True)
class Kind:
    """
    Attributes:
        title: what it is called, in the plural.
        api: one of `cli.sources.google.ENDPOINTS`.
        collection: the API's name of them, which is also their key in an answer.
        command: gcloud's words for them.
    """

    title: str
    api: str
    collection: str
    command: str

    @property
    def one(self) -> str:
        """What one of them is called."""
        if self.title.endswith("ies"):
            return f"{self.title[:-3]}y"
        return self.title[:-2] if self.title.endswith("sses") else self.title[:-1]


FORWARDING_RULES = Kind("forwarding rules", "compute", "forwardingRules", "compute forwarding-rules")
HTTP_PROXIES = Kind("target HTTP proxies", "compute", "targetHttpProxies", "compute target-http-proxies")
HTTPS_PROXIES = Kind("target HTTPS proxies", "compute", "targetHttpsProxies", "compute target-https-proxies")
URL_MAPS = Kind("URL maps", "compute", "urlMaps", "compute url-maps")
BACKEND_SERVICES = Kind("backend services", "compute", "backendServices", "compute backend-services")
HEALTH_CHECKS = Kind("health checks", "compute", "healthChecks", "compute health-checks")
ENDPOINT_GROUPS = Kind("endpoint groups", "compute", "networkEndpointGroups", "compute network-endpoint-groups")
CERTIFICATES = Kind("SSL certificates", "compute", "sslCertificates", "compute ssl-certificates")
SSL_POLICIES = Kind("SSL policies", "compute", "sslPolicies", "compute ssl-policies")
ADDRESSES = Kind("addresses", "compute", "addresses", "compute addresses")
FIREWALL_RULES = Kind("firewall rules", "compute", "firewalls", "compute firewall-rules")
ROUTERS = Kind("routers", "compute", "routers", "compute routers")
SUBNETS = Kind("subnets", "compute", "subnetworks", "compute networks subnets")
NETWORKS = Kind("networks", "compute", "networks", "compute networks")
CLUSTERS = Kind("clusters", "container", "clusters", "container clusters")
MEMBERSHIPS = Kind("memberships", "gkehub", "memberships", "container fleet memberships")
FEATURES = Kind("fleet features", "gkehub", "features", "container fleet")
ACCOUNTS = Kind("service accounts", "iam", "serviceAccounts", "iam service-accounts")

LOAD_BALANCER = (FORWARDING_RULES, HTTP_PROXIES, HTTPS_PROXIES, URL_MAPS, BACKEND_SERVICES, HEALTH_CHECKS)
"""Its parts in the order in which they can be deleted: each is named by the one before."""

KINDS = (
    *(*LOAD_BALANCER, ENDPOINT_GROUPS),
    *(FEATURES, CLUSTERS, MEMBERSHIPS),
    *(CERTIFICATES, SSL_POLICIES),
    *(ADDRESSES, FIREWALL_RULES, ROUTERS, SUBNETS, NETWORKS),
    ACCOUNTS,
)
GLOBAL = (FIREWALL_RULES, NETWORKS)
"""What Compute Engine has no aggregated list of, as none of it is in a place."""

FEATURE_COMMANDS = {"servicemesh": "mesh", "multiclusteringress": "ingress"}
NOTHING_HERE = "NO_RESULTS_ON_PAGE"
"""Warning of a place in an aggregated list that has none."""


@dataclass(frozen=True)
class Thing:
    """
    Attributes:
        path: from ``projects/`` on, which is also terraform's id of it.
        content: as the API has it.
    """

    kind: Kind
    path: str
    content: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def place(self) -> str:
        """``global``, a region or a zone; empty for what is in none."""
        parts = self.path.split("/")
        return "global" if parts[2] == "global" else parts[3] if len(parts) > 4 else ""

    @property
    def remove(self) -> str:
        """The command that deletes it; it asks before it does."""
        project = self.path.split("/")[1]
        return " ".join(part for part in ("gcloud", *self._words(), "--project", project) if part)

    def _words(self) -> Sequence[str]:
        command = self.kind.command
        if self.kind is FEATURES:
            return (command, FEATURE_COMMANDS[self.name], "disable")
        where = ""
        match self.kind.api:
            case "compute" if self.kind not in GLOBAL:
                zone = self.place.count("-") > 1
                where = "--global" if self.place == "global" else f"--{'zone' if zone else 'region'} {self.place}"
            case "container" | "gkehub":
                where = f"--location {self.place}"
        return (command, "delete", self.name, where)


@dataclass(frozen=True)
class Unknown:
    """A list that could not be had.

    Attributes:
        text: why
        fix: what to do about it.
    """

    text: str
    fix: str


Listing = Mapping[Kind, "tuple[Thing, ...] | Unknown"]


def list_all(google: GoogleClient) -> Listing:
    """List all kinds.

    Raises:
        MeshError: there are no credentials.
    """
    with ThreadPoolExecutor(8) as pool:
        return dict(zip(KINDS, pool.map(_listing(google), KINDS), strict=True))


def path_in(link: str, project: str) -> str:
    """Return a link from ``projects/`` on, as terraform has it.

    There a cluster's zone is a location, and a project is never a number.
    """
    rest = link[link.find("projects/") :].split("/", maxsplit=2)[2]
    return f"projects/{project}/{rest.replace('zones/', 'locations/', 1) if '/clusters/' in rest else rest}"


def _listing(google: GoogleClient) -> Callable[[Kind], tuple[Thing, ...] | Unknown]:
    def listed(kind: Kind) -> tuple[Thing, ...] | Unknown:
        try:
            return tuple(sorted(_things(google, kind), key=lambda thing: thing.path))
        except ApiError as error:
            return Unknown(str(error), api_error_fix(error, kind.api, google.project))
        except _IncompleteError as error:
            return Unknown(str(error), "try again in a while")

    return listed


class _IncompleteError(Exception):
    """A list without what is in some places. To take it for all would be to miss what is there."""


def _things(google: GoogleClient, kind: Kind) -> Iterator[Thing]:
    """Raises:
    ApiError; _IncompleteError.
    """
    home = f"projects/{google.project}"
    match kind.api:
        case "compute" if kind in GLOBAL:
            yield from _page_by_page(google, kind, f"{home}/global/{kind.collection}", "items")
        case "compute":
            yield from _aggregated(google, kind, f"{home}/aggregated/{kind.collection}")
        case "iam":
            yield from _page_by_page(google, kind, f"{home}/serviceAccounts", "accounts")
        case "container":
            yield from _page_by_page(google, kind, f"{home}/locations/-/clusters", "clusters")
        case _:
            place = "global" if kind is FEATURES else "-"
            yield from _page_by_page(google, kind, f"{home}/locations/{place}/{kind.collection}", "resources")


def _page_by_page(google: GoogleClient, kind: Kind, path: str, key: str) -> Iterator[Thing]:
    for answer in _pages(google, kind, path):
        for content in answer.get(key, []):
            link = content["name"] if kind.api in ("iam", "gkehub") else content["selfLink"]
            yield Thing(kind, path_in(link, google.project), content)


def _aggregated(google: GoogleClient, kind: Kind, path: str) -> Iterator[Thing]:
    """All places' in one list.

    Source: https://cloud.google.com/compute/docs/reference/rest/v1/networkEndpointGroups/aggregatedList
    """
    for answer in _pages(google, kind, path):
        for place, found in answer.get("items", {}).items():
            code = found.get("warning", {}).get("code", NOTHING_HERE)
            if code != NOTHING_HERE:
                raise _IncompleteError(f"{place}: {found['warning'].get('message', code)}")
            for content in found.get(kind.collection, []):
                yield Thing(kind, path_in(content["selfLink"], google.project), content)


def _pages(google: GoogleClient, kind: Kind, path: str) -> Iterator[Mapping[str, Any]]:
    token = ""
    while True:
        answer = google.get(kind.api, path, **({"pageToken": token} if token else {}))
        for key in ("unreachables", "unreachable", "missingZones"):
            if answer.get(key):
                raise _IncompleteError(f"{', '.join(answer[key])} did not answer")
        yield answer
        token = answer.get("nextPageToken", "")
        if not token:
            return
