"""Compute Engine: networks, subnets, routers, firewall rules, addresses, and the parts of load balancers."""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network
from typing import Any, NamedTuple

from werkzeug.routing import Rule

from tests.fake_cloud.cloud import ApiRequest, Body, Cloud, rule
from tests.fake_cloud.errors import CloudError, already_exists, in_use, unknown
from tests.fake_cloud.references import path_of, user_of
from tests.fake_cloud.store import Resource

PREFIX = "/compute/v1/"

_TERM = re.compile(r'\(?([a-zA-Z]+) eq "([^"]*)"\)?')


class Kind(NamedTuple):
    """A kind of resource.

    Attributes:
        name: field ``kind``.
        latency: name of the duration of its operations.
        fingerprints: fields without whose current value a resource, or its labels, can't be changed.
    """

    name: str
    latency: str
    fingerprints: tuple[str, ...] = ()


KINDS: Mapping[str, Kind] = {
    "addresses": Kind("compute#address", "address", ("labelFingerprint",)),
    "backendServices": Kind("compute#backendService", "address", ("fingerprint",)),
    "firewalls": Kind("compute#firewall", "firewall"),
    "forwardingRules": Kind("compute#forwardingRule", "address", ("fingerprint", "labelFingerprint")),
    "healthChecks": Kind("compute#healthCheck", "address"),
    "networkEndpointGroups": Kind("compute#networkEndpointGroup", "address"),
    "networks": Kind("compute#network", "network"),
    "routers": Kind("compute#router", "router"),
    "securityPolicies": Kind("compute#securityPolicy", "address", ("fingerprint",)),
    "sslCertificates": Kind("compute#sslCertificate", "address"),
    "sslPolicies": Kind("compute#sslPolicy", "address", ("fingerprint",)),
    "subnetworks": Kind("compute#subnetwork", "subnetwork", ("fingerprint",)),
    "targetHttpProxies": Kind("compute#targetHttpProxy", "address", ("fingerprint",)),
    "targetHttpsProxies": Kind("compute#targetHttpsProxy", "address", ("fingerprint",)),
    "urlMaps": Kind("compute#urlMap", "address", ("fingerprint",)),
}
"""By collection."""

GLOBAL_ADDRESSES = IPv4Network("198.51.100.0/24")
"""Range of reserved addresses: for documentation (RFC 5737), which are never in use."""

PROXY_ONLY = ("GLOBAL_MANAGED_PROXY", "REGIONAL_MANAGED_PROXY")
"""Purposes of subnets for the proxies of load balancers."""

SMALLEST_OF_PROXIES = 26

DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "firewalls": {"disabled": False, "priority": 1000, "direction": "INGRESS", "logConfig": {"enable": False}},
    "networks": {
        "networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL",
        "routingConfig": {"routingMode": "REGIONAL"},
        "mtu": 1460,
    },
    "subnetworks": {"purpose": "PRIVATE", "stackType": "IPV4_ONLY", "logConfig": {"enable": False}},
    "routers": {"encryptedInterconnectRouter": False},
    "addresses": {"networkTier": "PREMIUM", "ipVersion": "IPV4", "addressType": "EXTERNAL"},
}
"""Default fields of resources."""


class Compute:
    """The API's methods on the collections of `KINDS`.

    Attributes:
        silent: places, such as ``zones/us-west1-a``, that are unreachable in aggregated lists.
        endpoint_health: returns the health of the endpoints of a group, by its path.
    """

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self.silent: set[str] = set()
        self.endpoint_health: Callable[[str], list[Body]] = lambda group: []

    def rules(self) -> list[Rule]:
        collection = f"<any({', '.join(KINDS)}):collection>"
        rules = [rule("GET", f"{PREFIX}projects/<project>/aggregated/{collection}", self.index_all)]
        for scope in ("global", "regions/<place>", "zones/<place>"):
            operation = f"{PREFIX}projects/<project>/{scope}/operations/<name>"
            folder = f"{PREFIX}projects/<project>/{scope}/{collection}"
            rules += [
                rule("GET", operation, self._cloud.show),
                rule("POST", operation, self._cloud.show, suffix="/wait"),
                rule("GET", folder, self.index),
                rule("POST", folder, self.insert),
                rule("GET", f"{folder}/<name>", self._cloud.show),
                rule("PATCH", f"{folder}/<name>", self.patch),
                rule("PUT", f"{folder}/<name>", self.patch),
                rule("DELETE", f"{folder}/<name>", self.delete),
                rule("POST", f"{folder}/<name>", self.set_labels, suffix="/setLabels"),
            ]
        services = f"{PREFIX}projects/<project>/global/backendServices/<name>"
        rules.append(rule("POST", services, self.get_health, suffix="/getHealth"))
        return rules

    def index(self, request: ApiRequest) -> Body:
        matches = _parse_filter(request.query.get("filter", ""))
        items = [one for _, one in self._cloud.store.under(request.path) if matches(one)]
        return {"kind": f"{KINDS[request.name].name}List", "items": items}

    def index_all(self, request: ApiRequest) -> Body:
        """List a collection of all places; one that is empty or unreachable has a warning."""
        items: dict[str, dict[str, Any]] = {"global": _build_warning("NO_RESULTS_ON_PAGE")}
        project = request.path.split("/")[1]
        for path, resource in self._cloud.store.all().items():
            parts = path.split("/")
            if parts[:2] == ["projects", project] and parts[-2] == request.name:
                found = items.setdefault("/".join(parts[2:-2]), {})
                found.pop("warning", None)
                found.setdefault(request.name, []).append(resource)
        items |= {place: _build_warning("UNREACHABLE") for place in self.silent}
        return {"kind": f"{KINDS[request.name].name}AggregatedList", "items": items}

    @property
    def link(self) -> str:
        """The beginning of the links of its resources, before their path."""
        return f"{self._cloud.base}{PREFIX}"

    def insert(self, request: ApiRequest) -> Body:
        path = f"{request.path}/{request.body['name']}"
        with self._cloud.store.lock:
            if self._cloud.store.find(path) is not None:
                raise already_exists(path)  # before its own ranges are found to be taken
            self._check(request.path, request.body)
            self._cloud.store.add(path, self.resource(path, request.body))
        return self._start("insert", path, failed=lambda: self._cloud.store.remove(path))

    def patch(self, request: ApiRequest) -> Body:
        """Replace the fields of the body; null removes one."""
        with self._cloud.store.lock:
            found = self._cloud.store.get(request.path)
            _check_fingerprints(found, request.body)
            change(request.path, found, request.body)
        return self._start("update", request.path)

    def set_labels(self, request: ApiRequest) -> Body:
        return self.patch(request)

    def get_health(self, request: ApiRequest) -> Body:
        """Return the health of the endpoints of one group of a backend service.

        Source: https://cloud.google.com/compute/docs/reference/rest/v1/backendServices/getHealth; that another group
        is refused is inferred.

        Raises:
            CloudError: 400 or 404.
        """
        group = path_of(request.body["group"])
        if group not in {path_of(one["group"]) for one in self._cloud.store.get(request.path).get("backends", ())}:
            raise CloudError(400, "invalid", f"The backend service does not use {group}.")
        health = self.endpoint_health(group)
        content = {"healthStatus": health} if health else {}
        return {"kind": "compute#backendServiceGroupHealth", **content}

    def delete(self, request: ApiRequest) -> Body:
        with self._cloud.store.lock:
            found = self._cloud.store.get(request.path)
            user = user_of(self._cloud.store, request.path)
            if found.get("purpose") in PROXY_ONLY:
                user = user or self._load_balancer_in(request.path, found["network"])
            if user:
                raise in_use(request.path, user)
        return self._start("delete", request.path, work=lambda: self._cloud.store.remove(request.path))

    def _start(self, kind: str, path: str, **functions: Any) -> Body:
        return self._cloud.operations.start("compute", kind, path, _kind(path).latency, **functions)

    def resource(self, path: str, body: Body) -> Resource:
        """Return a resource as the cloud creates it, with all fields that the cloud adds."""
        collection = path.split("/")[-2]
        link = f"{self.link}{path}"
        resource = {
            **DEFAULTS.get(collection, {}),
            **body,
            "kind": KINDS[collection].name,
            "id": str(int.from_bytes(path.encode()[-7:], "big")),
            "creationTimestamp": "2026-01-01T00:00:00.000-07:00",
            "selfLink": link,
        }
        scope = path.split("/")[2]
        if scope in ("regions", "zones"):
            resource[scope.rstrip("s")] = link.split(f"/{collection}/", maxsplit=1)[0]
        if collection == "subnetworks":
            resource["gatewayAddress"] = str(IPv4Network(body["ipCidrRange"])[1])
        if collection == "sslCertificates" and "managed" in body:
            # Until the domain resolves to a load balancer that has the certificate.
            states = {domain: "PROVISIONING" for domain in body["managed"]["domains"]}
            resource["managed"] = {**body["managed"], "status": "PROVISIONING", "domainStatus": states}
        if collection == "addresses":
            resource.update(address=self._free_address(), status="RESERVED")
        return resource | {field: _fingerprint(resource) for field in KINDS[collection].fingerprints}

    def _check(self, folder: str, body: Body) -> None:
        """Check that the network exists, and that a subnet's ranges overlap with no other of its network.

        Raises:
            CloudError: 400 or 404.
        """
        if "network" in body:
            self._cloud.store.get(path_of(body["network"]))
        if not folder.endswith("/subnetworks"):
            return
        for wanted in ranges_of(body):
            for used, owner in self.used_ranges(path_of(body["network"])):
                if wanted.overlaps(used):
                    message = f"Invalid IPCidrRange: {wanted} conflicts with existing range {used} of {owner}."
                    raise CloudError(400, "invalid", message)
            if sum(wanted.overlaps(other) for other in ranges_of(body)) > 1:
                raise CloudError(400, "invalid", f"Invalid IPCidrRange: {wanted} conflicts with another of its subnet.")
        if body.get("purpose") in PROXY_ONLY:
            self._check_proxy_only(folder, body)

    def _check_proxy_only(self, folder: str, body: Body) -> None:
        """Check what holds for a subnet of proxies: a role, a size, and that it is the only active one.

        Source: https://cloud.google.com/load-balancing/docs/proxy-only-subnets

        Raises:
            CloudError: 400.
        """
        if "role" not in body or body.get("secondaryIpRanges") or body.get("privateIpGoogleAccess"):
            raise CloudError(400, "invalid", "A proxy-only subnetwork has a role, and nothing that instances need.")
        if IPv4Network(body["ipCidrRange"]).prefixlen > SMALLEST_OF_PROXIES:
            raise CloudError(
                400, "invalid", f"Invalid IPCidrRange: a proxy-only subnetwork is at least a /{SMALLEST_OF_PROXIES}."
            )
        for path, other in self._cloud.store.under(folder):
            same = path_of(other["network"]) == path_of(body["network"]) and other["purpose"] == body["purpose"]
            if same and body["role"] == other.get("role") == "ACTIVE":
                raise CloudError(400, "invalid", f"The network has an active proxy-only subnetwork here: {path}")

    def _load_balancer_in(self, path: str, network: str) -> str | None:
        """Return the forwarding rule of a load balancer in the region and the network of a subnet of proxies, if any.

        Source: https://cloud.google.com/load-balancing/docs/proxy-only-subnets. It says so of
        regional load balancers; that it holds of those in several regions, too, is inferred.
        """
        region, _, _ = path.partition("/subnetworks/")
        for other, one in self._cloud.store.all().items():
            if "/forwardingRules/" in other and one.get("loadBalancingScheme") == "INTERNAL_MANAGED":
                here = path_of(one["subnetwork"]).startswith(f"{region}/")
                if here and path_of(one["network"]) == path_of(network):
                    return other
        return None

    def used_ranges(self, network: str) -> list[tuple[IPv4Network, str]]:
        """Return the ranges of a network's subnets and control planes, each with its owner's path."""
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


def _kind(path: str) -> Kind:
    """Return the kind of a resource."""
    return KINDS[path.split("/")[-2]]


def change(path: str, resource: Resource, body: Body) -> None:
    """Replace the fields of a body in a resource, and its fingerprints; null removes a field."""
    resource.update(body)
    for field in [name for name, value in body.items() if value is None]:
        del resource[field]
    resource.update({field: _fingerprint(resource) for field in _kind(path).fingerprints})


def _fingerprint(resource: Resource) -> str:
    """Return a hash of a resource's content, which changes with it."""
    content = {name: value for name, value in resource.items() if not name.endswith("ingerprint")}
    return base64.b64encode(hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()[:8]).decode()


def _check_fingerprints(resource: Resource, body: Body) -> None:
    """Check that a change was made with the current version in mind.

    Source: https://cloud.google.com/compute/docs/labeling-resources

    Raises:
        CloudError: 412.
    """
    for field in ("fingerprint", "labelFingerprint"):
        if field in body and body[field] != resource.get(field):
            raise CloudError(412, "conditionNotMet", f"Invalid {field}.")


def _build_warning(code: str) -> dict[str, Any]:
    return {"warning": {"code": code, "message": f"{code}, says the fake cloud."}}


def _parse_filter(text: str) -> Callable[[Resource], bool]:
    """Return the predicate of a filter such as ``(name eq "a.*") (network eq ".*/n")``, which gcloud sends.

    Raises:
        CloudError: it consists of more than equalities that must all hold.
    """
    terms = _TERM.findall(text)
    if _TERM.sub("", text).strip():
        raise unknown(f"the filter {text}")
    return lambda resource: all(re.fullmatch(pattern, str(resource.get(key, ""))) for key, pattern in terms)


def ranges_of(subnetwork: Resource) -> list[IPv4Network]:
    """Return a subnet's ranges, the secondary ones too."""
    ranges = [subnetwork["ipCidrRange"]]
    ranges += [secondary["ipCidrRange"] for secondary in subnetwork.get("secondaryIpRanges", [])]
    return [IPv4Network(one) for one in ranges]
