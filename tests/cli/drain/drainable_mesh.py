"""A deployed mesh in which a region can be drained: its stacks are synthesized and applied by fakes."""

import copy
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml

from cli.drain import emptiness, wait
from cli.drain.terraform import CREATE, DELETE, UPDATE, PlannedChange, TerraformError
from config.naming import DRAINED_SELECTOR, GATEWAY_NAME, GATEWAY_NAMESPACE, STACKS
from config.output_folder import OutputFolder
from config.synthesized import stack_file
from tests.cli.deployed_mesh import POD_RANGES, VERSIONS, DeployedMesh, JsonReport, condition, endpoints_in

Object = dict[str, Any]

GATEWAYS = f"kubernetes_manifest.tokyo_{GATEWAY_NAME}"
SERVICES = {region: f"kubernetes_manifest.{region}_service" for region in VERSIONS}
DRAINED = {region: f"kubernetes_manifest.{region}_drained-service" for region in VERSIONS}
"""The Services that select the pods while a region is drained."""

EXPORTED = {region: f"kubernetes_manifest.{region}_exported-gateway" for region in VERSIONS}
"""The Services that multi-cluster Gateway has for backends."""


@dataclass
class DrainableMesh:
    """A deployed mesh, and what terraform does with it.

    Attributes:
        mesh: The mesh. Its configuration is written before each command.
        applied: Manifests by address, in terraform's state.
        pending: Changes of other resources that each plan has.
        errors: By the command of terraform that fails, what it prints.
        calls: The commands of terraform, each with its addresses.
    """

    mesh: DeployedMesh
    applied: dict[str, Object] = field(default_factory=dict)
    pending: list[PlannedChange] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    calls: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.mesh.folder / "mesh.yaml"

    @property
    def osaka(self) -> Object:
        """The region's part of the file, as it is now."""
        region: Object = yaml.safe_load(self.file.read_text(encoding="utf-8"))["regions"]["osaka"]
        return region

    def run(self, command: str, *arguments: str) -> JsonReport:
        """Run `mesh drain osaka` or `mesh undrain osaka`."""
        return self.mesh.run_json(command, "osaka", "--yes", "--timeout", "60", *arguments)

    def run_to_timeout(self, command: str) -> JsonReport:
        """Run a command that waits for what does not come."""
        return self.run(command, "--timeout", "0.3")

    def set_drained(self) -> None:
        """Have everything as after `mesh drain osaka`."""
        self.mesh.content["regions"]["osaka"]["drained"] = True
        self.applied = manifests(self.mesh.content)
        self.take_effect()

    def take_effect(self) -> None:
        """Have the proxies and EndpointSlices as the applied Services have it."""
        for region in VERSIONS:
            selects = "multi-region-mesh/drained" not in self.applied[SERVICES[region]]["spec"]["selector"]
            for one in self.mesh.objects(region, "EndpointSlice", "helloworld"):
                one["endpoints"] = [{"addresses": ["10.0.0.7"]}] if selects else []
            for other in VERSIONS:
                found = endpoints_in(self.mesh.clusters[other]["proxy"]["clusters"])
                found[:] = [one for one in found if not _is_in(one, region)]
                if selects:
                    found.append(endpoint(region))

    def serve(self, region: str, pod: str, cluster: str, **counters: int) -> None:
        """Have the proxy of a pod count requests to an endpoint of its region.

        Args:
            region: Of the pod.
            pod: Its name.
            cluster: Of Envoy.
            **counters: Envoy's, such as `rq_active`.
        """
        own = self.mesh.clusters[region]
        clusters = copy.deepcopy(own["proxy"]["clusters"])
        clusters["cluster_statuses"].append({"name": cluster, "host_statuses": [endpoint(region, **counters)]})
        own["proxies"][pod] = {"clusters": clusters}


def endpoint(region: str, **counters: int) -> Object:
    """Return an endpoint of a region's pod, as Envoy has it."""
    address = str(ip_network(POD_RANGES[region])[514])
    return {
        "address": {"socket_address": {"address": address, "port_value": 5000}},
        "stats": [{"name": name, "value": str(value)} for name, value in counters.items()],
        "health_status": {"eds_health_status": "HEALTHY"},
    }


def _is_in(host: Object, region: str) -> bool:
    return ip_address(host["address"]["socket_address"]["address"]) in ip_network(POD_RANGES[region])


def manifests(content: Object) -> dict[str, Object]:
    """Return what the stack `ingress` has for a configuration: by address, the manifests that may differ."""
    drained = [key for key, one in content["regions"].items() if one.get("drained")]
    api, found = content.get("ingress", {}).get("api", "multi-cluster-ingress"), {}
    services = [(SERVICES, "sample", "helloworld")]
    services += [(EXPORTED, GATEWAY_NAMESPACE, GATEWAY_NAME)] if api != "multi-cluster-ingress" else []
    for addresses, namespace, name in services:
        for region, address in addresses.items():
            selector = {"app": name, **(DRAINED_SELECTOR if region in drained else {})}
            found[address] = _manifest("v1", "Service", namespace, name, {"selector": selector})
    for region in drained:
        spec = {"selector": {"app": "helloworld"}}
        found[DRAINED[region]] = _manifest("v1", "Service", "sample", "helloworld-drained", spec)
    if api == "gateway":
        return found
    clusters = {"clusters": [{"link": key} for key in VERSIONS if key not in drained]} if drained else {}
    found[GATEWAYS] = _manifest(
        "networking.gke.io/v1", "MultiClusterService", GATEWAY_NAMESPACE, GATEWAY_NAME, {"template": {}, **clusters}
    )
    return found


def _manifest(version: str, kind: str, namespace: str, name: str, spec: Object) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"namespace": namespace, "name": name}, "spec": spec}


def _synthesize(config: Path, folder: Path | None = None) -> None:
    """Take the place of `cli.sources.synthesis.synthesize`."""
    content = yaml.safe_load(config.read_text(encoding="utf-8"))
    objects = {
        address.partition(".")[2]: {
            "manifest": one,
            "provider": f"kubernetes.{address.partition('.')[2].partition('_')[0]}",
        }
        for address, one in manifests(content).items()
    }
    for stack in STACKS:
        file = stack_file(folder or OutputFolder.of(config).path, stack)
        file.parent.mkdir(parents=True, exist_ok=True)
        resources = {"kubernetes_manifest": objects} if stack == "ingress" else {}
        file.write_text(json.dumps({"resource": resources}), encoding="utf-8")


def _fake_terraform(mesh: DrainableMesh) -> type:
    """Return what takes the place of `StackTerraform`: its state is `DrainableMesh.applied`."""

    class FakeTerraform:
        def __init__(self, folder: Path) -> None:
            self._folder = folder

        def _call(self, *call: str) -> None:
            mesh.calls.append(call)
            if call[0] in mesh.errors:
                raise TerraformError(mesh.errors[call[0]])

        def init(self) -> None:
            self._call("init")

        def plan(self, addresses: Sequence[str], file: Path) -> list[PlannedChange]:
            self._call("plan", *addresses)
            content = json.loads((self._folder / "cdk.tf.json").read_text(encoding="utf-8"))
            planned = {}
            for address in addresses:
                configured = content["resource"]["kubernetes_manifest"].get(address.partition(".")[2])
                if configured or address in mesh.applied:
                    planned[address] = configured and configured["manifest"]
            file.write_text(json.dumps(planned), encoding="utf-8")
            return [*map(self._change, planned, planned.values()), *mesh.pending]

        def _change(self, address: str, manifest: Object | None) -> PlannedChange:
            before = mesh.applied.get(address)
            if before is None:
                return PlannedChange(address, CREATE, {})
            if manifest is None:
                return PlannedChange(address, DELETE, {"manifest": before})
            return PlannedChange(address, ("no-op",) if before == manifest else UPDATE, {"manifest": before})

        def apply(self, file: Path) -> None:
            self._call("apply")
            mesh.applied |= json.loads(file.read_text(encoding="utf-8"))
            mesh.applied = {address: one for address, one in mesh.applied.items() if one is not None}
            mesh.take_effect()

        def command(self, addresses: Sequence[str]) -> str:
            return f"terraform apply {' '.join(addresses)}"

    return FakeTerraform


@contextmanager
def drainable(mesh: DeployedMesh, folder: Path) -> Iterator[DrainableMesh]:
    """Yield a deployed mesh in which all is well, and the regions tokyo and osaka serve.

    Args:
        mesh: The mesh.
        folder: For the synthesized stacks.
    """
    mesh.variables = {"CDKTF_OUTDIR": str(folder)}
    for region in VERSIONS:
        for one in mesh.objects(region, "Pod"):
            app = "helloworld" if "helloworld" in one["metadata"]["name"] else GATEWAY_NAME
            if app in one["metadata"]["name"]:
                one["metadata"]["labels"] = {"app": app}
            one["status"] |= condition("Ready")
        for one in mesh.objects(region, "HorizontalPodAutoscaler"):
            one["spec"]["scaleTargetRef"] = {"kind": "Deployment", "name": one["metadata"]["name"]}
            one["status"] = {"currentReplicas": 2}
    found = DrainableMesh(mesh, manifests(mesh.content))
    found.take_effect()
    with (
        patch("cli.drain.command.synthesize", _synthesize),
        patch("cli.drain.targeted_apply.StackTerraform", _fake_terraform(found)),
        patch.object(wait, "SECONDS_BETWEEN_READINGS", 0.05),
        patch.object(emptiness, "QUIET_SECONDS", 0.1),
    ):
        yield found
