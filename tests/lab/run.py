"""The lab itself, inside its namespaces."""

import time
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

from config.environment import Environment
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE
from tests.lab import faults
from tests.lab import responses as answers
from tests.lab.analysis import analyze
from tests.lab.authorization import refusals, with_strangers
from tests.lab.demo import LabDemo
from tests.lab.environments import steps_of
from tests.lab.memory import programs_and_memory
from tests.lab.mesh_cli import MeshCli
from tests.lab.shell import run_shell
from tests.local_mesh.environment import LocalMesh
from tests.local_mesh.isolation import ignore_sigint
from tests.local_mesh.rendered import objects_by_region
from tests.local_mesh.toolchain import get_toolchain
from tests.reporting.table import Table

GIB = 1 << 30
ENTRY = IPv4Address("198.51.100.1")
"""Where the load balancer's stand-in answers: for documentation (RFC 5737), so that nobody has it."""


def run(environment: Environment, *, state: Path, logs: Path, shell: bool, say: Callable[[str], None]) -> int:
    """Start the environment, look at it, and print what was seen.

    Returns:
        0 if everything is as it has to be, else 1; with ``shell`` the shell's status.

    Raises:
        LocalMeshError: something did not start.
    """
    ignore_sigint()
    began = time.monotonic()
    tools = get_toolchain(say)
    steps = steps_of(environment)
    say("rendering the manifests of " + ", ".join(r.key for r in environment.resolved_regions() if not r.retired))
    rendered = {
        name: objects_by_region(step, state / "rendered" / name)
        for name, step in (("a", steps.a), ("b", steps.b), ("c", steps.c))
    }
    lab = LocalMesh(steps.c, tools=tools, state=state, logs=logs, say=say)
    lab.start()
    mesh_cli = MeshCli(lab, tools, state / "mesh_cli")

    def apply(step: str) -> None:
        say(f"step {step.upper()}: applying the manifests")
        lab.apply(with_strangers(rendered[step]))
        lab.wait_for_rollout()
        mesh_cli.configure(getattr(steps, step))

    def command(*arguments: str) -> None:
        say(f"mesh {' '.join(arguments)}")
        tables.append(mesh_cli.run(*arguments))

    if shell:
        apply("c")
        lab.balance(ENTRY, GATEWAY_NAMESPACE, GATEWAY_NAME)
        return run_shell(lab, mesh_cli, entry=ENTRY, state=state, logs=logs)

    demo = LabDemo(lab, steps.c)
    tables: list[Table] = []
    apply("a")
    started = time.monotonic() - began
    tables.append(answers.step_a(demo))
    command("verify", "split")
    apply("b")
    tables.append(answers.step_b(demo))
    command("verify", "locality")
    apply("c")
    tables.append(answers.step_c(demo))
    tables.append(refusals(demo))
    lab.balance(ENTRY, GATEWAY_NAMESPACE, GATEWAY_NAME)
    command("verify", "ingress", "--url", f"http://{ENTRY}{demo.path}")
    tables.append(analyze(lab, tools, steps.c.revision, rendered["c"]))
    tables.append(faults.failover(demo, say))
    tables.extend(faults.regions_lost(demo, say))
    command("drill", list(demo.versions)[-1])
    programs, memory = programs_and_memory()
    lab.check()

    print()
    for table in tables:
        print(table, end="\n\n")
    wrong = [table.title for table in tables if not table.ok]
    delay = "8 ms between regions there and back" if lab.network.delayed else "no delay: this kernel has no netem"
    print(
        f"{len(lab.regions)} regions, {programs} programs, {memory / GIB:.1f} GiB; up after {started:.0f} s, "
        f"all seen after {time.monotonic() - began:.0f} s; {delay}"
    )
    if wrong:
        print(f"{len(wrong)} of {len(tables)} tables have something wrong; logs: {logs}")
        return 1
    print("all as it has to be")
    return 0
