"""Compute Engine: networks, subnets, routers, firewall rules, addresses, and what load balancers consist of."""

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network
from typing import Any

from werkzeug.routing import Rule

from tests.fake_cloud.cloud import Body, Cloud, Query, rule
from tests.fake_cloud.errors import CloudError, already_exists, in_use
from tests.fake_cloud.references import path_of, user_of
from tests.fake_cloud.store import Resource

PREFIX = "/compute/v1/"

_TERM = re.compile(r'\(?([a-zA-Z]+) eq "([^"]*)"\)?')

KINDS: Mapping[str, tuple[str, str]] = {
    "addresses": ("compute#address", "address"),
    "backendServices": ("compute#backendService", "address"),
    "firewalls": ("compute#firewall", "firewall"),
    "forwardingRules": ("compute#forwardingRule", "address"),
    "healthChecks": ("compute#healthCheck", "address"),
    "networkEndpointGroups": ("compute#networkEndpointGroup", "address"),
    "networks": ("compute#network", "network"),
    "routers": ("compute#router", "router"),
    "sslCertificates": ("compute#sslCertificate", "address"),
    "sslPolicies": ("compute#sslPolicy", "address"),
    "subnetworks": ("compute#subnetwork", "subnetwork"),
    "targetHttpProxies": ("compute#targetHttpProxy", "address"),
    "targetHttpsProxies": ("compute#targetHttpsProxy", "address"),
    "urlMaps": ("compute#urlMap", "address"),
}
"""By collection: what a resource says that it is, and which latency it has."""

GLOBAL_ADDRESSES = IPv4Network("198.51.100.0/24")
"""Where reserved addresses come from: for documentation (RFC 5737), so that nobody has them."""

DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "firewalls": {"disabled": False, "priority": 1000, "direction": "INGRESS", "logConfig": {"enable": False}},
    "networks": {
        "networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL",
        "routingConfig": {"routingMode": "REGIONAL"},
        "mtu": 1460,
    },
    "subnetworks": {"purpose": "PRIVATE", "stackType": "IPV4_ONLY", "logConfig": {"enable": False}},
    "routers": {"encryptedInterconnectRouter": False},
    "addresses": {"networkTier": "PREMIUM", "ipVersion": "IPV4", "addressType": "EXTERNAL", "labelFingerprint": "42"},
}
"""What a resource has when its request doesn't say."""


class Compute:
    """The API's methods on collections that `KINDS` lists; all others are unknown.

    Attributes:
        silent: places, such as ``zones/us-west1-a``, that don't answer when all are listed.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.silent: set[str] = set()

    def rules(self) -> list[Rule]:
        rules = [rule("GET", f"{PREFIX}projects/<project>/aggregated/<any({_kinds()}):collection>", self.index_all)]
        for scope in ("global", "regions/<place>", "zones/<place>"):
            operation = f"{PREFIX}projects/<project>/{scope}/operations/<name>"
            folder = f"{PREFIX}projects/<project>/{scope}/<any({_kinds()}):collection>"
            rules += [
                rule("GET", operation, self.get_operation),
                rule("POST", f"{operation}/wait", self.get_operation),
                rule("GET", folder, self.index),
                rule("POST", folder, self.insert),
                rule("GET", f"{folder}/<name>", self.get),
                rule("PATCH", f"{folder}/<name>", self.patch),
                rule("PUT", f"{folder}/<name>", self.patch),
                rule("DELETE", f"{folder}/<name>", self.delete),
                rule("POST", f"{folder}/<name>/setLabels", self.set_labels),
            ]
        return rules

    def get_operation(self, body: Body, query: Query, *, project: str, name: str, place: str | None = None) -> Body:
        return self._cloud.store.get(f"{self._folder(project, 'operations', place)}/{name}")

    def index(self, body: Body, query: Query, *, project: str, collection: str, place: str | None = None) -> Body:
        folder = self._folder(project, collection, place)
        wanted = _filter_of(query.get("filter", ""))
        items = [one for _, one in self._cloud.store.under(folder) if wanted(one)]
        return {"kind": f"{KINDS[collection][0]}List", "items": items}

    def index_all(self, body: Body, query: Query, *, project: str, collection: str) -> Body:
        """A place that has none, or doesn't answer, is in the list with a warning."""
        items: dict[str, dict[str, Any]] = {"global": _warned("NO_RESULTS_ON_PAGE")}
        for path, resource in self._cloud.store.all().items():
            parts = path.split("/")
            if parts[0] == "projects" and parts[1] == project and parts[-2] == collection:
                found = items.setdefault("/".join(parts[2:-2]), {})
                found.pop("warning", None)
                found.setdefault(collection, []).append(resource)
        items |= {place: _warned("UNREACHABLE") for place in self.silent}
        return {"kind": f"{KINDS[collection][0]}AggregatedList", "items": items}

    def get(self, body: Body, query: Query, *, project: str, collection: str, name: str, place: str = "") -> Body:
        return self._cloud.store.get(f"{self._folder(project, collection, place)}/{name}")

    def insert(self, body: Body, query: Query, *, project: str, collection: str, place: str = "") -> Body:
        folder = self._folder(project, collection, place)
        path = f"{folder}/{body['name']}"
        with self._cloud.store.lock:
            if self._cloud.store.find(path) is not None:
                raise already_exists(path)  # before its ranges are found to be taken, by itself
            self._check(collection, body)
            self._cloud.store.add(path, self.resource(path, body))
        return self._operation("insert", path, collection, failed=lambda: self._cloud.store.remove(path))

    def patch(self, body: Body, query: Query, *, project: str, collection: str, name: str, place: str = "") -> Body:
        path = f"{self._folder(project, collection, place)}/{name}"
        with self._cloud.store.lock:
            self._cloud.store.get(path).update(body)
        return self._operation("update", path, collection)

    def set_labels(
        self, body: Body, query: Query, *, project: str, collection: str, name: str, place: str = ""
    ) -> Body:
        labels = {"labels": body.get("labels", {})}
        return self.patch(labels, query, project=project, collection=collection, name=name, place=place)

    def delete(self, body: Body, query: Query, *, project: str, collection: str, name: str, place: str = "") -> Body:
        path = f"{self._folder(project, collection, place)}/{name}"
        with self._cloud.store.lock:
            self._cloud.store.get(path)
            if user := user_of(self._cloud.store, path):
                raise in_use(path, user)
        return self._operation("delete", path, collection, lambda: self._cloud.store.remove(path))

    def resource(self, path: str, body: Body) -> Resource:
        """Return what a request makes, with all that the cloud adds."""
        collection = path.split("/")[-2]
        link = f"{self._cloud.base}{PREFIX}{path}"
        resource = {
            **DEFAULTS.get(collection, {}),
            **body,
            "kind": KINDS[collection][0],
            "id": str(int.from_bytes(path.encode()[-7:], "big")),
            "creationTimestamp": "2026-01-01T00:00:00.000-07:00",
            "selfLink": link,
            "fingerprint": "42",
        }
        scope = path.split("/")[2]
        if scope in ("regions", "zones"):
            resource[scope.rstrip("s")] = link.split(f"/{collection}/", maxsplit=1)[0]
        if collection == "subnetworks":
            resource["gatewayAddress"] = str(IPv4Network(body["ipCidrRange"])[1])
        if collection == "sslCertificates" and "managed" in body:
            # It stays so until its domain leads to a load balancer that has it.
            states = {domain: "PROVISIONING" for domain in body["managed"]["domains"]}
            resource["managed"] = {**body["managed"], "status": "PROVISIONING", "domainStatus": states}
        if collection == "addresses":
            resource.update(address=self._free_address(), status="RESERVED")
        return resource

    def _operation(
        self,
        kind: str,
        path: str,
        collection: str,
        work: Callable[[], Any] | None = None,
        failed: Callable[[], None] | None = None,
    ) -> Body:
        parts = path.split("/")
        folder = "/".join(parts[:3] if parts[2] == "global" else parts[:4])
        seconds = self._cloud.latencies.of(KINDS[collection][1])
        return self._cloud.operations.start(
            "compute", folder, kind=kind, target=path, seconds=seconds, work=work, failed=failed
        )

    def _folder(self, project: str, collection: str, place: str | None) -> str:
        if not place:
            return f"projects/{project}/global/{collection}"
        scope = "zones" if place.count("-") > 1 else "regions"
        return f"projects/{project}/{scope}/{place}/{collection}"

    def _check(self, collection: str, body: Body) -> None:
        """Refuse what names something that is not there, and a subnet whose ranges overlap with others of its network.

        Raises:
            CloudError: 400 or 404.
        """
        if "network" in body:
            self._cloud.store.get(path_of(body["network"]))
        if collection != "subnetworks":
            return
        for wanted in ranges_of(body):
            for used, owner in self.used_ranges(path_of(body["network"])):
                if wanted.overlaps(used):
                    message = f"Invalid IPCidrRange: {wanted} conflicts with existing range {used} of {owner}."
                    raise CloudError(400, "invalid", message)
            if sum(wanted.overlaps(other) for other in ranges_of(body)) > 1:
                raise CloudError(400, "invalid", f"Invalid IPCidrRange: {wanted} conflicts with another of its subnet.")

    def used_ranges(self, network: str) -> list[tuple[IPv4Network, str]]:
        """Return the ranges of a network's subnets and control planes, each with what has it."""
        found = []
        for path, resource in self._cloud.store.all().items():
            if "/subnetworks/" in path and path_of(resource["network"]) == network:
                found += [(used, path) for used in ranges_of(resource)]
            if "/clusters/" in path and resource.get("networkConfig", {}).get("network") == network:
                found.append((IPv4Network(resource["privateClusterConfig"]["masterIpv4CidrBlock"]), path))
        return found

    def _free_address(self) -> str:
        taken = {one.get("address") for one in self._cloud.store.all().values()}
        return next(str(address) for address in GLOBAL_ADDRESSES.hosts() if str(address) not in taken)


def _warned(code: str) -> dict[str, Any]:
    return {"warning": {"code": code, "message": f"{code}, says the fake cloud."}}


def _filter_of(text: str) -> Callable[[Resource], bool]:
    """Return what a filter lets through, such as ``(name eq "a.*") (network eq ".*/n")``; gcloud leaves it to us.

    Raises:
        CloudError: it is more than texts that have to match whole, all of them.
    """
    terms = _TERM.findall(text)
    if _TERM.sub("", text).strip():
        raise CloudError(501, "notImplemented", f"the fake cloud does not know the filter {text}")
    return lambda resource: all(re.fullmatch(pattern, str(resource.get(key, ""))) for key, pattern in terms)


def ranges_of(subnetwork: Resource) -> list[IPv4Network]:
    """Return a subnet's ranges, the secondary ones too."""
    ranges = [subnetwork["ipCidrRange"]]
    ranges += [secondary["ipCidrRange"] for secondary in subnetwork.get("secondaryIpRanges", [])]
    return [IPv4Network(one) for one in ranges]


def _kinds() -> str:
    return ", ".join(KINDS)
