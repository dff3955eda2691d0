"""The faults that a drill injects into a service of one region, and which of them work there."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from string import Template
from typing import Any

import yaml

from cli.errors import MeshError
from cli.sources.kubernetes import ClusterClient, KubectlError
from cli.sources.temporary import DRILL, DRILL_ANNOTATION, DRILL_SIDECAR, TEMPORARY_LABEL
from cli.traffic.options import FaultKind
from cli.traffic.replicas_owner import find_owners
from cli.traffic.rollback import RollbackStep
from config import Environment
from config.plural import counted
from config.services.port import Protocol
from config.services.service import Service

FAILING = Path(__file__).parent / "failing.yaml"
SIDECARS = "sidecars.networking.istio.io"

CLOSED = "127.0.0.1:1"
"""Where nothing listens in a pod."""

PROTOCOLS: dict[Protocol, str] = {"http": "HTTP", "http2": "HTTP2", "grpc": "GRPC", "tcp": "TCP"}
"""As a Sidecar spells them."""

Object = Mapping[str, Any]


@dataclass(frozen=True)
class ServiceFault:
    """A fault of a service in one region.

    Attributes:
        kind: Which.
        effect: What it does, in words.
        inject: Injects it; raises a KubectlError.
        rollback: What restores the service.
        announced: Whether the mesh is told before requests can fail, so that none has to.
        prepare: Notes what the rollback restores; raises a KubectlError.
    """

    kind: FaultKind
    effect: str
    inject: Callable[[], object]
    rollback: Sequence[RollbackStep]
    announced: bool
    prepare: Callable[[], object] = lambda: None


@dataclass(frozen=True)
class FaultySubject:
    """A service in the region in which it is to fail.

    Attributes:
        environment: The environment.
        name: Of the service.
        cluster: The region's.
    """

    environment: Environment
    name: str
    cluster: ClusterClient

    @property
    def service(self) -> Service:
        return self.environment.all_services()[self.name]

    @property
    def namespace(self) -> str:
        return str(self.service.namespace)

    @property
    def deployments(self) -> list[str]:
        """Names of its Deployments that are to have pods, if no other pipeline deploys these."""
        runs = self.environment.deployments(self.service)[self.cluster.region]
        return [f"{self.name}-{one.version}" for one in runs if self.service.scaling_in(one)]

    def faults(self, wanted: FaultKind | None) -> list[ServiceFault]:
        """Return the faults to inject.

        Args:
            wanted: Of the command line; None for all that work.

        Raises:
            MeshError: One does not work here, or none does, or an earlier drill was interrupted.
        """
        region = self.cluster.region
        try:
            deployments = self._find_deployments()
            sidecars = self.cluster.get(SIDECARS, "--namespace", self.namespace)["items"]
            refused = {
                FaultKind.REMOVED: next(self._why_not_removed(deployments), ""),
                FaultKind.FAILING: next(self._why_not_failing(sidecars), ""),
            }
        except KubectlError as error:
            raise MeshError(f"can't read {self.name} in {region}: {error}", "mesh status") from None
        self._check_interrupted(deployments, sidecars)
        kinds = [wanted] if wanted in refused else list(refused)
        works = [kind for kind in kinds if not refused[kind]]
        if not works or (wanted is not None and len(works) < len(kinds)):
            reasons = [f"{kind.label}: {refused[kind]}" for kind in kinds if refused[kind]]
            others = [kind for kind in refused if not refused[kind]]
            raise MeshError(
                f"{self.name} in {region} can't fail in this way: {'; '.join(reasons)}",
                f"mesh drill {region} --service {self.name} --fault {others[0]}" if others else self._without_faults(),
            )
        return [self._removed(deployments) if kind is FaultKind.REMOVED else self._failing() for kind in works]

    def _find_deployments(self) -> dict[str, Object]:
        """Return the Deployments that exist, by name."""
        if self._has_another_pipeline:
            return {}
        where = ("--namespace", self.namespace, "--show-managed-fields")
        found = {name: self.cluster.find(f"deployment/{name}", *where) for name in self.deployments}
        return {name: one for name, one in found.items() if one is not None}

    @property
    def _has_another_pipeline(self) -> bool:
        return self.service.image is None

    def _check_interrupted(self, deployments: Mapping[str, Object], sidecars: Sequence[Object]) -> None:
        """Raise a MeshError if the service fails already."""
        region, where = self.cluster.region, f"--namespace {self.namespace}"
        if any(one["metadata"]["name"] == DRILL_SIDECAR for one in sidecars):
            fix = f"{self.cluster.command} {where} delete {SIDECARS} {DRILL_SIDECAR}"
            raise MeshError(f"an earlier drill was interrupted, or still runs: its Sidecar is in {region}", fix)
        for name, deployment in deployments.items():
            replicas = deployment["metadata"].get("annotations", {}).get(DRILL_ANNOTATION)
            if replicas is None and deployment["spec"].get("replicas", 1) > 0:
                continue
            scale = f"{self.cluster.command} {where} scale deployment/{name} --replicas={replicas or 1}"
            if replicas is None:
                raise MeshError(f"{name} in {region} already has 0 replicas", scale)
            annotate = f"{self.cluster.command} {where} annotate deployment/{name} {DRILL_ANNOTATION}-"
            text = f"an earlier drill was interrupted, or still runs: {name} in {region} has its annotation"
            raise MeshError(text, f"{scale} && {annotate}")

    def _why_not_removed(self, deployments: Mapping[str, Object]) -> Iterator[str]:
        if self._has_another_pipeline:
            yield "another pipeline deploys its pods, and sets their number"
            return
        for name in self.deployments:
            if name not in deployments:
                yield f"the Deployment {name} does not exist"
            elif owners := find_owners(self.cluster, deployments[name]):
                yield f"its replicas have another owner: {', '.join(owners)}"

    def _why_not_failing(self, sidecars: Sequence[Object]) -> Iterator[str]:
        if not self.environment.control_plane.takes_sidecar_ingress:
            yield (
                f"the mesh control plane of mesh.control_plane: {self.environment.mesh.control_plane} does not support "
                "the Sidecar that injects it"
            )
        for one in sidecars:
            selected = one.get("spec", {}).get("workloadSelector", {}).get("labels", {})
            if selected.get("app") == self.name:
                yield f"the Sidecar {one['metadata']['name']} selects its pods, and only one Sidecar is in effect"

    def _without_faults(self) -> str:
        if self.environment.demo_name not in (None, self.name):
            return f"drill the demo service: mesh drill {self.cluster.region}"
        return "make lab measures the failover of a service without a cloud"

    def _removed(self, deployments: Mapping[str, Object]) -> ServiceFault:
        where = ("--namespace", self.namespace)
        replicas = {name: int(one["spec"].get("replicas", 1)) for name, one in deployments.items()}
        effects = [f"{name} is scaled from {number} to 0 replicas" for name, number in replicas.items()]

        def prepare() -> None:
            for name, number in replicas.items():
                annotation = f"{DRILL_ANNOTATION}={number}"
                self.cluster.run("annotate", f"deployment/{name}", *where, annotation, "--overwrite")

        scaled = [(f"deployment/{name}", number) for name, number in replicas.items()]
        return ServiceFault(
            FaultKind.REMOVED,
            f"{' and '.join(effects)}: {counted(sum(replicas.values()), 'pod stops', 'pods stop')}",
            partial(self.cluster.run, "scale", *(name for name, _ in scaled), *where, "--replicas=0"),
            [
                *(RollbackStep(("scale", name, *where, f"--replicas={number}")) for name, number in scaled),
                *(RollbackStep(("annotate", name, *where, f"{DRILL_ANNOTATION}-")) for name, _ in scaled),
                *(RollbackStep(("rollout", "status", name, *where, "--timeout=25s")) for name, _ in scaled),
            ],
            announced=True,
            prepare=prepare,
        )

    def _failing(self) -> ServiceFault:
        names = {"name": DRILL_SIDECAR, "namespace": self.namespace, "app": self.name}
        labels = {"label": TEMPORARY_LABEL, "command": DRILL}
        sidecar = yaml.safe_load(Template(FAILING.read_text(encoding="utf-8")).substitute(names, **labels))
        sidecar["spec"]["ingress"] = [
            {"port": {"number": one.port, "name": name, "protocol": PROTOCOLS[one.protocol]}, "defaultEndpoint": CLOSED}
            for name, one in self.service.all_ports.items()
        ]
        object_, where = f"{SIDECARS}/{DRILL_SIDECAR}", ("--namespace", self.namespace)
        return ServiceFault(
            FaultKind.FAILING,
            f"every pod of {self.name} returns 503, on all of its ports",
            partial(self.cluster.run, "apply", "--filename", "-", text=json.dumps(sidecar)),
            [RollbackStep(("delete", object_, *where, "--ignore-not-found"), gone=(object_, *where))],
            announced=False,
        )
