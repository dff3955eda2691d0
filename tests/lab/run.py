"""The lab inside its namespaces."""

import time
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path

from config.environment import Environment
from config.naming import GATEWAY_NAME, GATEWAY_NAMESPACE
from tests.lab import faults, responses
from tests.lab.analysis import analyze
from tests.lab.authorization import check_authorization, with_unauthorized_clients
from tests.lab.demo import LabDemo
from tests.lab.environments import demo_steps
from tests.lab.memory import programs_and_memory
from tests.lab.mesh_cli import MeshCli
from tests.lab.shell import run_shell
from tests.local_mesh.environment import LocalMesh
from tests.local_mesh.isolation import ignore_sigint
from tests.local_mesh.rendered import objects_by_region
from tests.local_mesh.toolchain import get_toolchain
from tests.reporting.table import Table

GIB = 1 << 30
INGRESS = IPv4Address("198.51.100.1")
"""Address of the fake load balancer: for documentation (RFC 5737), which is never in use."""


def run(environment: Environment, *, state: Path, logs: Path, shell: bool, report: Callable[[str], None]) -> int:
    """Start the environment, check it, and print the results.

    Args:
        environment: of the configuration.
        state: folder of everything that is deleted with the lab.
        logs: folder of the programs' logs.
        shell: open a shell instead of the checks.
        report: prints a line.

    Returns:
        0 if all checks pass, else 1; with ``shell`` the shell's status.

    Raises:
        LocalMeshError: a program did not start.
    """
    ignore_sigint()
    began = time.monotonic()
    tools = get_toolchain(report)
    steps = demo_steps(environment)
    report("rendering the manifests of " + ", ".join(r.key for r in environment.resolved_regions() if not r.retired))
    rendered = {
        name: objects_by_region(step, state / "rendered" / name)
        for name, step in (("a", steps.a), ("b", steps.b), ("c", steps.c))
    }
    lab = LocalMesh(steps.c, tools=tools, state=state, logs=logs, report=report)
    lab.start()
    mesh_cli = MeshCli(lab, tools, state / "mesh_cli")

    def apply(step: str) -> None:
        report(f"step {step.upper()}: applying the manifests")
        lab.apply(with_unauthorized_clients(rendered[step]))
        lab.wait_for_rollout()
        mesh_cli.configure(getattr(steps, step))

    def command(*arguments: str) -> None:
        report(f"mesh {' '.join(arguments)}")
        tables.append(mesh_cli.run(*arguments))

    if shell:
        apply("c")
        lab.balance(INGRESS, GATEWAY_NAMESPACE, GATEWAY_NAME)
        return run_shell(lab, mesh_cli, ingress=INGRESS, state=state, logs=logs)

    demo = LabDemo(lab, steps.c)
    tables: list[Table] = []
    apply("a")
    started = time.monotonic() - began
    tables.append(responses.step_a(demo))
    command("verify", "split")
    apply("b")
    tables.append(responses.step_b(demo))
    command("verify", "locality")
    apply("c")
    tables.append(responses.step_c(demo))
    tables.append(check_authorization(demo))
    lab.balance(INGRESS, GATEWAY_NAMESPACE, GATEWAY_NAME)
    command("verify", "ingress", "--url", f"http://{INGRESS}{demo.path}")
    tables.append(analyze(lab, tools, steps.c.revision, rendered["c"]))
    tables.append(faults.failover(demo, report))
    tables.extend(faults.lose_regions(demo, report))
    command("drill", list(demo.versions)[-1])
    programs, memory = programs_and_memory()
    lab.check()

    print()
    for table in tables:
        print(table, end="\n\n")
    wrong = [table.title for table in tables if not table.ok]
    delay = "8 ms round trip between regions" if lab.network.delayed else "no delay: this kernel has no netem"
    print(
        f"{len(lab.regions)} regions, {programs} programs, {memory / GIB:.1f} GiB; up after {started:.0f} s, "
        f"all checked after {time.monotonic() - began:.0f} s; {delay}"
    )
    if wrong:
        print(f"{len(wrong)} of {len(tables)} tables are wrong; logs: {logs}")
        return 1
    print("all checks passed")
    return 0
