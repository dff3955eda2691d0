"""The scripts of the synthesized stacks, with the inputs that terraform would give them."""

import hashlib
import json
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

from cli.sources.synthesized import Resource, Synthesized
from config.terraform_text import unescape
from tests.local_mesh.errors import LocalMeshError

SECONDS = 300
"""After which a script is killed."""

_EXPRESSION = re.compile(r"(?<!\$)\$\{([^{}]*)\}")
_FUNCTION = re.compile(r"(sha256|jsonencode)\((.*)\)")
_VARIABLE = re.compile(r"(each\.value|self\.triggers|local)\.([\w-]+)")
_OBJECT = re.compile(r"\$\{jsonencode\((\{.*\})\)\}")
_REFERENCE = re.compile(r"\bdata\.terraform_remote_state\.[\w.-]+")
_OTHER_TRIGGERS = re.compile(r'(null_resource\.[\w-]+)\["([^"]+)"\]\.triggers')

ClusterReader = Callable[[str, str], Mapping[str, Any]]
"""Returns a cluster, as the GKE API describes it, by its location and name."""


@dataclass(frozen=True)
class Job:
    """A script with its inputs.

    Attributes:
        script: file name of the script.
        interpreter: the program that runs it, with its arguments.
        command: the last argument.
        folder: where terraform runs it.
        inputs: variables of its environment.
    """

    script: str
    interpreter: Sequence[str]
    command: str
    folder: Path
    inputs: Mapping[str, str]


@dataclass(frozen=True)
class ScriptResult:
    """How a script ended."""

    status: int
    output: str


def run_job(job: Job, variables: Mapping[str, str], log: Path) -> ScriptResult:
    """Run a script as terraform does.

    Args:
        job: the script.
        variables: environment of terraform.
        log: file to which the output is appended.
    """
    result = subprocess.run(
        [*job.interpreter, job.command],
        cwd=job.folder,
        env={**variables, **job.inputs},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    with log.open("a", encoding="utf-8") as file:
        file.write(f"$ {job.script}\n{result.stdout}status {result.returncode}\n\n")
    return ScriptResult(result.returncode, result.stdout)


class ScriptInputs:
    """Evaluates the expressions of synthesized scripts, whose values come from the clusters as they are."""

    def __init__(self, synthesized: Synthesized, read_cluster: ClusterReader) -> None:
        """Read nothing yet.

        Args:
            synthesized: all stacks.
            read_cluster: called once for each cluster that an input refers to.
        """
        self._synthesized = synthesized
        self._read_cluster = cache(read_cluster)

    def jobs(self, stack: str, *, destroy: bool = False) -> list[list[Job]]:
        """Return the scripts of each resource of a stack, in the order in which terraform runs them.

        Args:
            stack: name of the stack.
            destroy: return the scripts of a destroy, not those of a deploy.

        Raises:
            LocalMeshError: an input has an expression that can't be evaluated here.
        """
        resources = self._synthesized.resources(stack, "null_resource")
        graph = {address: one.get("depends_on", []) for address, one in resources.items()}
        order = [address for address in TopologicalSorter(graph).static_order() if address in resources]
        found = []
        for address in reversed(order) if destroy else order:
            for provisioner in resources[address].get("provisioner", []):
                program = provisioner["local-exec"]
                if (program.get("when") == "destroy") is destroy:
                    instances = resources[address]["for_each"]
                    found.append([self._job(stack, resources[address], program, key) for key in instances])
        return found

    def _job(self, stack: str, resource: Resource, program: Mapping[str, Any], key: str) -> Job:
        evaluate = partial(self._evaluate, stack, resource, key)
        inputs = {name: evaluate(value) for name, value in program["environment"].items()}
        command = program["command"]
        return Job(
            Path(command).name, program["interpreter"], command, self._synthesized.folder / "stacks" / stack, inputs
        )

    def _evaluate(self, stack: str, resource: Resource, key: str, text: str) -> str:
        """Return the value of a template of an instance of a resource."""

        def value(expression: str) -> str:
            if function := _FUNCTION.fullmatch(expression):
                name, argument = function.groups()
                if name == "sha256":
                    return hashlib.sha256(value(argument).encode()).hexdigest()
                if argument == "self.triggers":
                    return self._triggers(stack, resource, key)
                if other := _OTHER_TRIGGERS.fullmatch(argument):
                    resources = self._synthesized.resources(stack, "null_resource")
                    return self._triggers(stack, resources[other[1]], other[2])
            if variable := _VARIABLE.fullmatch(expression):
                origin, name = variable.groups()
                values = {
                    "each.value": resource["for_each"][key],
                    "self.triggers": resource.get("triggers", {}),
                    "local": self._synthesized.stacks[stack].get("locals", {}),
                }
                return evaluate(values[origin][name])
            if _REFERENCE.fullmatch(expression):
                return self._cluster_attribute(stack, expression)
            raise LocalMeshError(f"an input of a script of {stack} can't be evaluated without terraform: {expression}")

        evaluate = partial(self._evaluate, stack, resource, key)
        text = _EXPRESSION.sub(lambda found: value(found[1]), text)
        if content := _OBJECT.fullmatch(text):
            literal = _REFERENCE.sub(lambda found: json.dumps(value(found[0])), content[1])
            return _encode(json.loads(literal.replace('" = ', '": ')))
        return str(unescape(text))

    def _triggers(self, stack: str, resource: Resource, key: str) -> str:
        triggers = resource["triggers"].items()
        return _encode({name: self._evaluate(stack, resource, key, value) for name, value in triggers})

    def _cluster_attribute(self, stack: str, reference: str) -> str:
        """Follow a reference to another stack's output, and return that attribute of the cluster itself."""
        address, attribute = self._synthesized.resolve(stack, f"${{{reference}}}")
        cluster = self._synthesized.resources("clusters", "google_container_cluster")[address]
        found: Any = self._read_cluster(cluster["location"], cluster["name"])
        for part in attribute.replace("[0]", "").split("."):
            found = found[re.sub(r"_(\w)", lambda letter: letter[1].upper(), part)]
        return str(found)


def _encode(value: Any) -> str:
    """Return what terraform's jsonencode returns."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
