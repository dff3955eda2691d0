"""The lab, inside its namespaces."""

import time
from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Address
from pathlib import Path

from config.environment import DEMO_SERVICE, Environment
from config.paths import ROOT
from tests.lab import faults, responses
from tests.lab.analysis import analyze
from tests.lab.authorization import check_authorization, with_unauthorized_clients
from tests.lab.budget import page
from tests.lab.budget.mesh import BudgetMesh, outlier_numbers, with_budget_services, with_drained
from tests.lab.budget.options import Options
from tests.lab.budget.results import Results
from tests.lab.budget.run import Budget
from tests.lab.callers import check_callers
from tests.lab.demo import PUBLIC_HOST, LabDemo
from tests.lab.drain import check_drain
from tests.lab.environments import demo_steps
from tests.lab.exercises import PAGE, do_exercises
from tests.lab.front_ends import check_front_ends
from tests.lab.memory import programs_and_memory
from tests.lab.mesh_cli import MeshCli
from tests.lab.policies import check_policies
from tests.lab.probing import check_probes
from tests.lab.protocols import check_protocol_failover, check_protocols
from tests.lab.routing import check_routes
from tests.lab.services import FILE, GRPC, HTTP, VERSIONS, WEIGHTS, LabServices, with_pipeline, with_services, with_tag
from tests.lab.shell import run_shell, shell_variables
from tests.lab.traffic_shares import check_traffic_shares
from tests.local_mesh.environment import LocalMesh
from tests.local_mesh.front_end import FrontEnd, FrontEndKey, ordered_front_ends
from tests.local_mesh.isolation import ignore_sigint
from tests.local_mesh.network import REGIONAL_FRONT_END
from tests.local_mesh.rendered import objects_by_region
from tests.local_mesh.toolchain import get_toolchain
from tests.reporting.report import Report

GIB = 1 << 30
REAL = "real Kubernetes control planes, istiod, Envoy and mutual TLS, on this machine"
SERVICES_SECONDS = 360
"""Limit of the start of all services, of which there are more than of the demo."""

INGRESS = IPv4Address("198.51.100.1")
"""Address of the first fake load balancer: for documentation (RFC 5737), which is never in use."""


class Lab:
    """The mesh of an environment on this machine."""

    def __init__(self, environment: Environment, state: Path, logs: Path, show: Callable[[str], None]) -> None:
        """Start the clusters and the mesh.

        Args:
            environment: of the configuration.
            state: folder of everything that is deleted with the lab.
            logs: folder of the programs' logs.
            show: prints a line of progress.

        Raises:
            LocalMeshError: a program did not start.
        """
        ignore_sigint()
        self._began = time.monotonic()
        self._state, self._logs, self._show = state, logs, show
        self._tools = get_toolchain(show)
        self._steps = demo_steps(environment)
        show("rendering the manifests of " + ", ".join(r.key for r in environment.resolved_regions() if not r.retired))
        self._rendered = {
            name: objects_by_region(step, state / "rendered" / name) for name, step in vars(self._steps).items()
        }
        self._lab = LocalMesh(self._steps.c, tools=self._tools, state=state, logs=logs, report=show)
        self._lab.start()
        self._mesh_cli = MeshCli(self._lab, self._tools, state / "mesh_cli")

    @property
    def regions(self) -> list[str]:
        """Keys of the regions."""
        return list(self._lab.regions)

    def shell(self) -> int:
        """Open a shell in the lab, and return its exit status."""
        variables = self._prepare_shell()
        return run_shell(
            self._lab, variables, ingress=self._public_host or str(INGRESS), state=self._state, logs=self._logs
        )

    def check_exercises(self, report: Report) -> None:
        """Do the exercises of docs/exercises.md.

        Args:
            report: of the exercises.

        Raises:
            LocalMeshError: a program ended.
        """
        report.tried = f"the commands of {PAGE.relative_to(ROOT)} in {', '.join(self._lab.regions)}: {REAL}"
        variables = self._prepare_shell()
        started = time.monotonic() - self._began
        do_exercises(variables, report)
        self._report_size(started, report)

    def check(self, report: Report) -> None:
        """Run all checks.

        Args:
            report: of the checks.

        Raises:
            LocalMeshError: a program ended.
        """
        demo = LabDemo(self._lab, self._steps.c)
        report.tried = f"{DEMO_SERVICE} in {', '.join(self._lab.regions)}: {REAL}"
        command = partial(self._command, report)
        self._apply("a")
        started = time.monotonic() - self._began
        responses.step_a(demo, report)
        command("verify", "split")
        self._apply("b")
        responses.step_b(demo, report)
        command("verify", "locality")
        self._apply("c")
        responses.step_c(demo, report)
        check_authorization(demo, report)
        self._start_load_balancers()
        check_front_ends(demo, self._front_ends, report)
        command("verify", "ingress", "--url", self._url(demo))
        self._check_drain(demo, report)
        report.progress("istioctl analyze")
        report.add(analyze(self._lab, self._tools, self._steps.c.revision, self._rendered["c"]))
        faults.check_failover(demo, report)
        faults.check_lost_regions(demo, report)
        command("drill", list(demo.versions)[-1])
        self._report_size(started, report)
        self._lab.check()

    def check_services(self, report: Report) -> None:
        """Check what the keys of `services` do to requests, instead of the demo.

        Args:
            report: of the checks.

        Raises:
            LocalMeshError: a program ended.
        """
        report.tried = f"the services of {FILE.relative_to(ROOT)} in {', '.join(self._lab.regions)}: {REAL}"
        environment = with_services(self._steps.c)
        rendered = objects_by_region(environment, self._state / "rendered" / "services")
        # Another pipeline's objects, and those of unauthorized clients, are not the project's.
        applied = with_unauthorized_clients(with_pipeline(rendered, self._tools.path("kubectl")))
        report.progress("applying the services")
        self._lab.apply(applied)
        self._lab.wait_for_rollout(SERVICES_SECONDS)
        started = time.monotonic() - self._began
        services = LabServices(self._lab, environment)
        services.settle()
        check_routes(services, report)
        check_protocols(services, report)
        check_callers(services, report)
        check_policies(services, report)
        check_traffic_shares(services, report)
        self._mesh_cli.configure(environment)
        for service in (HTTP, GRPC, VERSIONS, WEIGHTS):
            self._command(report, "verify", "locality", "--service", service)
        check_probes(services, lambda region, tag: self._lab.apply(with_tag(applied, region, tag)), report)
        check_protocol_failover(services, report)
        report.progress("istioctl analyze")
        report.add(analyze(self._lab, self._tools, environment.revision, rendered))
        self._report_size(started, report)
        self._lab.check()

    def measure_budget(self, options: Options, report: Report) -> None:
        """Measure the failover budget.

        Args:
            options: what is measured.
            report: of the figures.

        Raises:
            LocalMeshError: a program failed.
        """
        report.tried = f"the failover budget in {', '.join(self._lab.regions)}: {REAL}"
        services = options.services
        environment = with_budget_services(self._steps.c, services)
        home = list(self._lab.regions)[-1]
        rendered = objects_by_region(environment, self._state / "rendered" / "budget")
        drained = objects_by_region(with_drained(environment, home), self._state / "rendered" / "drained")
        report.progress("applying the services")
        self._lab.apply(rendered)
        self._lab.wait_for_autoscalers(SERVICES_SECONDS)  # the load balancer gets the gateways that are there
        started = time.monotonic() - self._began
        front_end = next(iter(ordered_front_ends(rendered).values()))
        log = self._logs / "load-balancer.log"
        mesh = BudgetMesh(self._lab, self._tools, front_end, self._state / "budget", log)
        self._lab.network.add_front_end(REGIONAL_FRONT_END)
        mesh.load_balancer.start(front_end, mesh.gateways())

        def drain() -> None:
            mesh.load_balancer.set_endpoints(mesh.gateways(drained=home))
            self._lab.apply_changes(rendered, drained)

        def undrain() -> None:
            self._lab.apply_changes(drained, rendered)
            mesh.load_balancer.set_endpoints(mesh.gateways())

        results = Results(options.file)
        numbers = outlier_numbers(rendered[home], next(iter(services)))
        Budget(
            mesh,
            results,
            options,
            services=list(services),
            numbers=numbers,
            drain=drain,
            undrain=undrain,
            report=report,
        ).measure()
        if options.file:
            page.write(results)
        self._report_size(started, report)
        self._lab.check()

    def _check_drain(self, demo: LabDemo, report: Report) -> None:
        """Drain a region and undrain it; while it is drained, `mesh verify` finds responses of other regions only."""

        def verify() -> None:
            for arguments in (("locality",), ("ingress", "--url", self._url(demo))):
                self._command(report, "verify", *arguments)

        self._lab.wait_for_autoscalers()  # so that no gateway starts while requests are counted
        check_drain(
            demo,
            self._steps.drained_region,
            INGRESS,
            self._public_host or PUBLIC_HOST,
            report,
            drain=lambda: self._apply("d"),
            verify=verify,
            undrain=lambda: self._apply("c"),
        )

    def _command(self, report: Report, *arguments: str) -> None:
        report.progress(f"mesh {' '.join(arguments)}")
        report.add(self._mesh_cli.run(*arguments))

    def _report_size(self, started: float, report: Report) -> None:
        programs, memory = programs_and_memory()
        delay = "8 ms between regions" if self._lab.network.delayed else "no delay between regions (no netem)"
        report.figure("Size", f"{programs} programs, {memory / GIB:.1f} GiB; ready after {started:.0f} s; {delay}")

    def _apply(self, step: str) -> None:
        self._show(f"step {step.upper()}: applying the manifests")
        self._lab.apply(with_unauthorized_clients(self._rendered[step]))
        self._lab.wait_for_rollout()
        self._mesh_cli.configure(getattr(self._steps, step))

    def _prepare_shell(self) -> dict[str, str]:
        """Deploy all, and return the environment of commands in the lab."""
        self._apply("c")
        self._start_load_balancers()
        self._show("waiting for the second gateway of each region, which its autoscaler adds")
        self._lab.wait_for_autoscalers()
        return shell_variables(self._lab, self._mesh_cli, self._state / "rendered" / "c", self._state / "shell-tools")

    @property
    def _front_ends(self) -> dict[IPv4Address, tuple[FrontEndKey, FrontEnd]]:
        """The load balancers, by their addresses."""
        return {INGRESS + at: found for at, found in enumerate(ordered_front_ends(self._rendered["c"]).items())}

    @property
    def _public_host(self) -> str | None:
        """The first host of the first load balancer; None if it serves all hosts."""
        return next(iter(self._front_ends[INGRESS][1].hosts), None)

    def _url(self, demo: LabDemo) -> str:
        return f"http://{self._public_host or INGRESS}{demo.path}"

    def _start_load_balancers(self) -> None:
        for address, (key, _) in self._front_ends.items():
            self._lab.balance(address, key)
