"""Synthesizes environments for the tests, and finds resources in the JSON."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from config import load
from config.environment import Environment
from config.loading.load import parse_environment
from config.naming import STACKS
from config.paths import ROOT
from config.synthesized import kubernetes_objects, read_stack

REFERENCE = ROOT / "mesh.yaml"
THREE_REGIONS = ROOT / "tests" / "synthesis" / "environments" / "three-regions.yaml"
EXAMPLES = ROOT / "examples"

ENVIRONMENTS = {
    "reference": REFERENCE,
    "three_regions": THREE_REGIONS,
    **{file.stem: file for file in sorted(EXAMPLES.glob("*.yaml"))},
    "workloads": EXAMPLES / "workloads" / "mesh.yaml",
}
"""The environments with snapshots, by name."""

Resource = dict[str, Any]


@dataclass(frozen=True)
class Synthesis:
    """The output of `cdktf synth`.

    Attributes:
        outdir: the output folder.
        stacks: the JSON of each stack, by name.
    """

    outdir: Path
    stacks: dict[str, dict[str, Any]]

    def all(self, stack: str, kind: str) -> dict[str, Resource]:
        """Return a stack's resources of a kind, such as ``google_compute_firewall``, by address."""
        return dict(self.stacks[stack].get("resource", {}).get(kind, {}))

    def one(self, stack: str, kind: str, part: str = "") -> Resource:
        """Return the only resource of a kind whose address contains ``part``."""
        found = [resource for name, resource in self.all(stack, kind).items() if part in name]
        assert len(found) == 1, f"{len(found)} resources of {kind} match {part!r} in {stack}"
        return found[0]

    def scripts(self, *stacks: str) -> dict[str, Resource]:
        """Return the resources of stacks that run a script, by address."""
        resources = [item for stack in stacks for item in self.all(stack, "null_resource").items()]
        return {name: one for name, one in resources if "provisioner" in one}

    def by_name(self, stack: str, kind: str) -> dict[str, Resource]:
        """Return a stack's resources of a kind by their cloud name."""
        return {resource["name"]: resource for resource in self.all(stack, kind).values()}

    def objects(self, cluster: str | None = None, kind: str | None = None) -> list[dict[str, Any]]:
        """Return the Kubernetes objects as the API server gets them, of one region's cluster and kind, or of all."""
        objects = kubernetes_objects(self.stacks["ingress"])
        return [one for _, region, one in objects if cluster in (None, region) and kind in (None, one["kind"])]

    def object(self, cluster: str, kind: str, name: str) -> dict[str, Any]:
        """Return one Kubernetes object of a cluster."""
        found = [one for one in self.objects(cluster, kind) if one["metadata"]["name"] == name]
        assert len(found) == 1, f"{len(found)} objects {kind}/{name} in {cluster}"
        return found[0]

    def pod(self, cluster: str, deployment: str) -> dict[str, Any]:
        """Return the spec of a Deployment's pods."""
        spec: dict[str, Any] = self.object(cluster, "Deployment", deployment)["spec"]["template"]["spec"]
        return spec

    def addresses(self) -> Iterator[str]:
        """Yield the address of every resource and data source, with its stack."""
        for stack, content in sorted(self.stacks.items()):
            for section, prefix in (("resource", ""), ("data", "data.")):
                for kind, resources in sorted(content.get(section, {}).items()):
                    for name in sorted(resources):
                        yield f"{stack} {prefix}{kind}.{name}"


def synthesize(environment: Environment, folder: Path, config: str = "mesh.yaml") -> Synthesis:
    """Synthesize an environment of file ``folder/config`` as main.py does, into ``folder/cdktf.out``."""
    # Not for every process that imports this module: these imports start Node.js.
    from constructs.bindings import Testing  # noqa: PLC0415
    from stacks.wiring import add_stacks, new_app  # noqa: PLC0415

    outdir = folder / "cdktf.out"
    app = new_app(outdir)
    Testing.stub_version(app)
    Testing.fake_cdktf_json_path(app)
    add_stacks(app, environment, folder / config)
    app.synth()
    return Synthesis(outdir, {stack: read_stack(outdir, stack) for stack in STACKS})


def environment_of(text: str) -> Environment:
    """Return the environment that a YAML text describes."""
    return parse_environment(text, "test.yaml", {})


def minimal_configuration(**regions: int) -> dict[str, Any]:
    """Return a configuration with nothing but regions and an ingress without TLS.

    Args:
        **regions: their keys and numbers; the first is the config cluster's.
    """
    return {
        "project": {"id": "test-project"},
        "regions": {key: {"region": f"asia-east{number}", "number": number} for key, number in regions.items()},
        "ingress": {"config_cluster": next(iter(regions)), "plain_http": True},
        "mesh": {"control_plane": "asmcli-managed"},
        "demo": {"enabled": False},
        "cluster": {"endpoint": "dns"},
    }


def minimal_environment(**regions: int) -> Environment:
    return environment_of(yaml.safe_dump(minimal_configuration(**regions)))


def sample_with(changes: Mapping[str, str], folder: Path) -> Synthesis:
    """Synthesize the sample environment, mesh.yaml, with changes of its text."""
    text = REFERENCE.read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new, 1)
    return synthesize(environment_of(text), folder)


def load_without_variables(path: Path) -> Environment:
    """Load a file without the environment variables of this machine."""
    return load(path, {})
