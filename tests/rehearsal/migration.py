"""The migration from Multi Cluster Ingress to multi-cluster Gateway and back, with users of both load balancers.

Two load balancers serve the same gateways for a while, each at an address of its own, and users move by DNS. What is
real: terraform and its provider, the objects, the mesh and its proxies, and the requests. What is simulated: Google's
controllers, and the load balancers, which serve what the objects say (`tests.local_mesh.load_balancer`).
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from cli.traffic.outage import count_failed
from config.naming import GATEWAY_NAMESPACE, STACKS
from tests.lab.demo import PUBLIC_HOST, LabDemo
from tests.local_mesh.front_end import PORT
from tests.local_mesh.isolation import ignore_sigint
from tests.local_mesh.traffic import Client, DemoResponse, Stream
from tests.rehearsal import checks, mesh_cli_check
from tests.rehearsal.changes import changes_since, take_checkpoint
from tests.rehearsal.context import RehearsalContext, conclude
from tests.rehearsal.deployment import SYNTHESIZED
from tests.rehearsal.gateway_class_check import check_classes
from tests.rehearsal.snapshot import differences, take_snapshot
from tests.reporting.table import Table
from tools.next_command import ONE_STACK_ONLY

MCI, GATEWAY, BOTH = "multi-cluster-ingress", "gateway", "both"
NAMES = {MCI: "Multi Cluster Ingress", GATEWAY: "multi-cluster Gateway"}

INTERVAL_SECONDS = 0.1
REQUESTS = 50
"""From each region, of `mesh verify ingress`."""

SECONDS = 300
"""Timeout of a command."""

SECONDS_TO_SERVE = 120
"""Time in which a new load balancer has to serve; Google's takes about ten minutes."""

MOST_LINES = 12

OF_GATEWAY = (
    *("/gkemcg1-", "/gkemcs-", "/certificateMaps/", "/features/multiclusterservicediscovery", "gke-mcs-importer"),
    *(f" {kind} {GATEWAY_NAMESPACE}/" for kind in ("Gateway", "HTTPRoute", "ServiceExport")),
    *(f" {kind} {GATEWAY_NAMESPACE}/" for kind in ("GCPBackendPolicy", "GCPGatewayPolicy", "HealthCheckPolicy")),
)
"""Parts of lines of differences about resources and objects that only multi-cluster Gateway has."""


def run_migration(context: RehearsalContext) -> None:
    """Deploy, migrate to multi-cluster Gateway, move its config cluster, and migrate back."""
    ignore_sigint()
    report = context.report
    report.tried = (
        "an environment with Multi Cluster Ingress moves to multi-cluster Gateway, and back: real terraform, "
        "Kubernetes, istiod, Envoy and requests; emulated Google Cloud, simulated load balancers"
    )
    Migration(context).run()
    conclude(context)


class Migration:
    """The deploys of the migration, in the order of docs/gateway.md."""

    def __init__(self, context: RehearsalContext) -> None:
        self._context = context
        self._deployment = context.deployment
        self._report = context.report
        self._ingress = self._deployment.content["ingress"]
        self._ingress["plain_http"] = True  # the simulated load balancers have no certificates
        self._ingress.pop("domains", None)
        self._requests = self._failed = 0
        columns = ["Step", "Load balancer", "Requests", "Failed requests"]
        self._table = Table("Requests of users during the migration", columns)

    def run(self) -> None:
        """Go through the steps until one fails."""
        steps = (self._deploy, self._add_gateway, self._remove_mci, self._move_config_cluster, self._go_back)
        with self._report.filling(self._table):
            for step in steps:
                step()
                if not self._report.ok:
                    break

    def _deploy(self) -> None:
        if not self._configure("First deploy", MCI):
            return
        self._check("First deploy", MCI)
        self._before = take_snapshot(self._context.cloud)

    def _add_gateway(self) -> None:
        """Add the second load balancer, while users of the first one send requests; then both have users."""
        with self._users("Multi-cluster Gateway is added", MCI):
            added = self._configure("Multi-cluster Gateway is added", BOTH)
        if not added:
            return
        self._check("Multi-cluster Gateway is added", MCI, GATEWAY)
        self._report.progress("users move from one address to the other")
        with self._users("Users move", MCI, GATEWAY):
            time.sleep(5)

    def _remove_mci(self) -> None:
        with self._users("Multi Cluster Ingress is removed", GATEWAY):
            removed = self._configure("Multi Cluster Ingress is removed", GATEWAY)
        if removed:
            self._check("Multi Cluster Ingress is removed", GATEWAY)

    def _move_config_cluster(self) -> None:
        """Move the config cluster: the objects first, then the feature. The address stays, and requests may fail."""
        title = "Config cluster moved"
        address, home = self._address(GATEWAY), self._ingress["config_cluster"]
        other = next(key for key in self._context.cloud.clusters() if key != home)
        self._report.progress(f"moving the config cluster from {home} to {other}")
        self._ingress["config_cluster"] = other
        self._deployment.write()
        start = time.monotonic()
        objects = self._deployment.deploy(("ingress",), ONE_STACK_ONLY)
        self._report.add(checks.deployed(f"{title}: its objects", objects, ("ingress",)))
        if not objects.ok:
            return
        feature = self._deployment.deploy(STACKS, SYNTHESIZED)
        self._report.add(checks.deployed(f"{title}: the fleet's feature", feature))
        if not feature.ok:
            return
        self._check(title, GATEWAY)
        table = Table(f"{title}: the address", ["Before", "After"])
        table.add(address, self._address(GATEWAY), ok=address == self._address(GATEWAY))
        self._report.add(table)
        self._report.figure(
            "Config cluster", f"moved to {other} in {time.monotonic() - start:.0f} s; the address stays {address}"
        )

    def _go_back(self) -> None:
        title = "Multi Cluster Ingress is added again"
        # Its CRDs are in the present config cluster alone.
        with self._users(title, GATEWAY):
            added = self._configure(title, BOTH)
        if not added:
            return
        self._check(title, MCI, GATEWAY)
        with self._users("Users move back", MCI, GATEWAY):
            time.sleep(5)
        title = "Multi-cluster Gateway is removed"
        with self._users(title, MCI):
            removed = self._configure(title, MCI, objects_first=True)
        if not removed:
            return
        self._check(title, MCI)
        found = left_of_gateway(differences(self._before, take_snapshot(self._context.cloud)))
        table = Table(f"{title}: what is left of it", ["Resource"])
        for line in found:
            table.add(line, ok=False)
        if not found:
            table.add("none", ok=True)
        self._report.add(table)

    def _configure(self, title: str, api: str, *, objects_first: bool = False) -> bool:
        """Deploy with an API, and return whether it worked; at the end of a way, once more without changes.

        Args:
            title: of the tables.
            api: the API.
            objects_first: delete the exports first, without which the fleet's feature for them can be disabled.
        """
        self._report.progress(f"{title}: api: {api}")
        self._ingress["api"] = api
        self._deployment.write()
        flags = []
        if objects_first:
            flags = [SYNTHESIZED]
            objects = self._deployment.deploy(("ingress",), ONE_STACK_ONLY)
            self._report.add(checks.deployed(f"{title}: its objects", objects, ("ingress",)))
            if not objects.ok:
                return False
        run = self._deployment.deploy(STACKS, *flags)
        self._report.add(checks.deployed(title, run))
        if not run.ok or api == BOTH:
            return run.ok
        start = take_checkpoint(self._context.cloud)
        again = self._deployment.deploy(STACKS, SYNTHESIZED)
        changes = changes_since(self._context.cloud, start)
        table = checks.nothing_changed(f"{title}: the second deploy changes nothing", again, changes)
        self._report.add(table)
        return again.ok

    def _check(self, title: str, *apis: str) -> None:
        """Wait until load balancers serve, and check them with the `mesh` CLI."""
        table = Table(f"{title}: mesh verify ingress", ["Load balancer", "Address", "Exit status", "Ready after (s)"])
        start = time.monotonic()
        for api in apis:
            address = self._address(api)
            served = self._wait_until_served(address)
            url = f"http://{address}{self._demo.path}"
            result = self._deployment.run_mesh_cli(
                *("verify", "ingress", "--url", url, "--requests", str(REQUESTS), "--json"), seconds=SECONDS
            )
            seconds = f"{time.monotonic() - start:.0f}"
            table.add(NAMES[api], address, result.returncode, seconds, ok=served and result.returncode == 0)
            if result.returncode:
                table.notes += _problems(result.stdout) or result.stderr.splitlines()[:MOST_LINES]
        self._report.add(table)
        self._report.add(mesh_cli_check.check_commands(f"{title}: mesh status", self._context, ("status",)))
        if GATEWAY in apis:
            config_cluster = self._context.cloud.clusters()[self._ingress["config_cluster"]]
            self._report.add(check_classes(f"{title}: istiod leaves Google's Gateways alone", config_cluster))

    @property
    def _demo(self) -> LabDemo:
        assert self._context.lab is not None, "requests need pods"
        return LabDemo(self._context.lab, self._context.environment)

    def _address(self, api: str) -> str:
        """Return the reserved address of a load balancer."""
        names = self._context.environment.names
        name = names.ingress_address if api == MCI else names.gateway_address
        path = f"projects/{self._context.cloud.fake.project}/global/addresses/{name}"
        return str(self._context.cloud.fake.store.get(path)["address"])

    def _wait_until_served(self, address: str) -> bool:
        """Return whether every region's users get responses in time."""
        deadline = time.monotonic() + SECONDS_TO_SERVE
        for client in self._clients(address).values():
            while not all(response.ok for response in client.send(self._demo.path, 5)):
                if time.monotonic() > deadline:
                    return False
                time.sleep(1)
        return True

    def _clients(self, address: str) -> Mapping[str, Client]:
        """Return a user near each region."""
        lab = self._demo.lab
        return {key: Client(address, PORT, PUBLIC_HOST, where=lab.network.region(key)) for key in lab.regions}

    @contextmanager
    def _users(self, step: str, *apis: str) -> Iterator[None]:
        """Send requests to load balancers during a step, and count those that fail."""
        streams: list[tuple[str, Stream]] = []
        with ExitStack() as stack:
            for api in apis:
                for client in self._clients(self._address(api)).values():
                    stream = stack.enter_context(client.stream(self._demo.path, INTERVAL_SECONDS))
                    streams.append((api, stream))
            yield
        for api in apis:
            responses = [response for one, stream in streams if one == api for response in stream.responses]
            failed = count_failed(responses)
            self._requests += len(responses)
            self._failed += failed
            self._table.add(step, NAMES[api], len(responses), failed, ok=bool(responses) and not failed)
            self._table.notes += [f"{step}, {NAMES[api]}: {line}" for line in failures(responses)]
        self._report.figure("Failed requests", f"{self._failed} of {self._requests} during the migration")


def left_of_gateway(differences_since: Sequence[str]) -> list[str]:
    """Return the differences that are resources or objects of multi-cluster Gateway, or of multi-cluster services.

    The clusters go on serving the Gateway API, as docs/gateway.md has it, so CRDs are none of these.

    Args:
        differences_since: since a time without it.
    """
    added = [line for line in differences_since if line.startswith("+ ") and " CustomResourceDefinition " not in line]
    return [line for line in added if any(one in line for one in OF_GATEWAY)]


def failures(responses: Sequence[DemoResponse]) -> list[str]:
    """Return how many requests failed in each way, and how long the slowest of them took."""
    ways: dict[str, list[float]] = {}
    for one in responses:
        if not one.ok:
            ways.setdefault(one.version, []).append(one.seconds)
    return [f"{len(seconds)} with {way}, after {max(seconds):.1f} s at most" for way, seconds in sorted(ways.items())]


def _problems(report: str) -> list[str]:
    try:
        sections = json.loads(report)["sections"]
    except ValueError:
        return []
    findings = [one for section in sections for one in section["findings"] if one["state"] != "ok"]
    return [f"{one['name']}: {one['text']}" for one in findings][:MOST_LINES]
