"""`mesh drain` and `mesh undrain`: the file, the clusters and the traffic change together."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cli.drain.callers import check_callers
from cli.drain.capacity import check_capacity, check_pods
from cli.drain.configuration_file import ConfigurationFile
from cli.drain.difference import STACK, ChangedObject, changed_objects
from cli.drain.emptiness import RegionTraffic
from cli.drain.live import NO_CLUSTER, LiveRegions, live_clusters, read_regions
from cli.drain.options import DrainOptions
from cli.drain.proxy_traffic import read_traffic
from cli.drain.return_to_service import RegionReturn
from cli.drain.targeted_apply import TargetedApply
from cli.drain.terraform import CREATE, DELETE, UPDATE
from cli.drain.wait import wait_until_complete
from cli.errors import MeshError
from cli.report.consent import obtain_consent
from cli.report.findings import Report, failure, ok, warning
from cli.report.output import Output
from cli.signals import stop_on_signals
from cli.sources.kubernetes import ClusterClient
from cli.sources.remediation import DEPLOY
from cli.sources.state import read_states
from cli.sources.synthesis import synthesize
from cli.sources.synthesized import Synthesized, read_folder
from cli.sources.worker_pool import worker_pool
from config import Environment
from config.backend import LocalState
from config.loading.load import displayed
from config.output_folder import OutputFolder, OutputFolderError
from config.plural import counted

VERBS = {CREATE: "create", UPDATE: "update", DELETE: "delete"}

READERS = 16
"""Proxies that are read at a time."""

LOST = "proxies in other regions may keep its endpoints, and eject those that do not respond"
"""What becomes of the endpoints of a region whose API server nobody can reach: no control plane updates them."""


def run_drain(
    environment: Environment, config: Path, kubeconfig: Path | None, options: DrainOptions, output: Output
) -> Report:
    """Drain a region, or put it back into service.

    Args:
        environment: As the file describes it now.
        config: The configuration file.
        kubeconfig: As for `cli.sources.kubernetes.connected_clusters`.
        options: Of the command line.
        output: Where progress is shown.

    Returns:
        What was checked, applied and observed; also until an interruption.

    Raises:
        MeshError: Nothing was changed.
    """
    stop_on_signals()
    _check_region(environment, config, options)
    file = ConfigurationFile.of(config, options.region, options.drained)
    wanted = file.environment()
    report = Report(options.command.removeprefix("mesh "))
    report.data.update(region=options.region, drained=options.drained)
    with live_clusters(environment, kubeconfig) as clusters:
        with output.spinner(f"reading {counted(len(clusters), 'cluster')}"):
            live = read_regions(environment, clusters)
        _check_clusters(environment, options, live)
        checks = report.section("Other regions" if options.drained else f"Pods in {options.region}")
        if options.drained:
            checks.findings += check_capacity(environment, options.region, live)
            with output.spinner("reading the proxies"), worker_pool(READERS) as pool:
                reading = read_traffic(environment, _readable(live), pool)
            checks.findings += check_callers(environment, live[options.region], reading)
        else:
            checks.findings += check_pods(environment, options.region, live)
        with output.spinner(f"synthesizing {displayed(config)} with the change and without it"):
            changes = _differences(file)
        for finding in checks.findings:
            if finding.is_problem:
                output.log(f"warning: {finding.name}: {finding.text}")
        drain = Drain(wanted, file, live, options, report, output)
        drain.prepare(changes)
        if drain.apply():
            try:
                drain.observe()
            except KeyboardInterrupt as interrupt:
                report.interrupt(interrupt)
    return report


def _readable(live: LiveRegions) -> dict[str, ClusterClient]:
    """Return the clients of the clusters that can be read."""
    return {key: one.cluster for key, one in live.items() if one.cluster is not None}


def _check_region(environment: Environment, config: Path, options: DrainOptions) -> None:
    """Raise a MeshError if there is no such region in service, or the stack was never deployed."""
    key = options.region
    if key not in environment.regions:
        raise MeshError(f"there is no region {key}", f"use one of {', '.join(environment.regions)}")
    if environment.regions[key].retired:
        fix = f"to have it back, remove retired from regions.{key}, and run: {DEPLOY}"
        raise MeshError(f"{key} is retired: nothing runs there", fix)
    if isinstance(environment.backend, LocalState) and read_states(environment, config)[STACK] is None:
        raise MeshError(f"the stack {STACK} of {displayed(config)} was never deployed", DEPLOY)


def _check_clusters(environment: Environment, options: DrainOptions, live: LiveRegions) -> None:
    """Raise a MeshError if the MultiClusterService would name a cluster that does not exist.

    In one with a drained region, it names each cluster that gets requests.
    """
    if not environment.ingress.uses_mci:
        return
    for key, one in live.items():
        if key != options.region and one.region.serves and one.problem == NO_CLUSTER:
            text = f"nothing was changed, as the cluster of {key} does not exist, and the load balancer would get it"
            raise MeshError(text, f"deploy {key} first, or take it out of service: mesh drain {key}")


@contextmanager
def _only_change(config: Path, output: Output) -> Iterator[None]:
    """Have no other command change the file, or take a change of it back, until this one is applied.

    Raises:
        MeshError: The output folder can't be written.
    """
    try:
        with OutputFolder.of(config).locked_for_change(output.log):
            yield
    except OutputFolderError as error:
        raise MeshError(str(error), "check your permissions there") from None


def _differences(file: ConfigurationFile) -> list[ChangedObject]:
    """Return the objects that the change means, by two syntheses into temporary folders."""

    def synthesized(text: str) -> Synthesized:
        with tempfile.TemporaryDirectory() as folder, file.copy(text) as copy:
            synthesize(copy, Path(folder))
            return read_folder(Path(folder))

    with ThreadPoolExecutor(2) as pool:
        before, after = pool.map(synthesized, (file.opposite, file.wanted))
    return changed_objects(before, after)


@dataclass
class Drain:
    """The change of one region.

    Attributes:
        environment: As the file describes it with the change.
        file: The configuration file.
        live: What runs in each region.
        options: Of the command line.
        report: Gets the findings.
        output: Where progress is shown.
        present: The objects that are changed.
        lost: The objects of clusters that can't be read.
    """

    environment: Environment
    file: ConfigurationFile
    live: LiveRegions
    options: DrainOptions
    report: Report
    output: Output
    present: Sequence[ChangedObject] = ()
    lost: Sequence[ChangedObject] = ()

    def prepare(self, changes: Sequence[ChangedObject]) -> None:
        """Show what is about to happen, and obtain the consent.

        Raises:
            MeshError: Nothing of it is possible, or it is not wanted.
        """
        self.lost = [one for one in changes if self.live[one.region].problem]
        self.present = [one for one in changes if not self.live[one.region].problem]
        if self.lost and not self.present:
            text = "none of the clusters whose objects change can be read"
            if not self.environment.ingress.uses_mci:  # whose objects are in the config cluster
                text += "; requests still go to the region's gateways as long as they pass their health checks"
            raise MeshError(text, f"mesh status --region {self.lost[0].region}")
        obtain_consent(self._what_happens(), given=self.options.yes)

    def _what_happens(self) -> str:
        """Return what is about to happen, in sentences."""
        region, file = self.options.region, displayed(self.file.path)
        if self.options.drained:
            lines = [f"{region} will be drained: other regions serve its requests, and its pods stay ready."]
        else:
            lines = [f"{region} will serve again."]
        lines.append(f"{file} {'is changed' if self.file.is_changed else 'has the change already'}.")
        yet = "" if self.file.is_changed else ", where it has not yet"
        for actions, verb in VERBS.items():
            if objects := [one for one in self.present if one.actions == actions]:
                lines.append(f"terraform {verb}s, in the stack {STACK}{yet}: {_listed(objects)}.")
        if not self.present:
            lines.append("terraform changes nothing.")
        if self.lost:
            lines.append(f"Not changed, as the cluster can't be read: {_listed(self.lost)}.")
        return "\n".join(lines)

    def apply(self) -> bool:
        """Write the file and apply what it means, and return whether that worked.

        Raises:
            MeshError: Nothing was changed.
        """
        config, section = self.file.path, self.report.section("Changes")
        with tempfile.TemporaryDirectory() as folder, _only_change(config, self.output):
            terraform = TargetedApply.of(config, Path(folder))
            self._plan(terraform)
            fix = f"{self.options.command}, or: {terraform.command(self.present)}"
            try:
                with self.output.spinner(f"terraform apply: {counted(len(self.present), 'object')}"):
                    problem = terraform.apply()
            except KeyboardInterrupt as interrupt:
                self.report.interrupt(interrupt)
                problem = "interrupted, so that some of the objects are changed, and others are not"
                fix = f"to go on: {self.options.command}; to go back: {self.options.opposite}"
        state = f"regions.{self.options.region}.drained is {str(self.options.drained).lower()}"
        section.findings.append(ok("configuration", state if self.file.is_changed else f"{state} already"))
        if problem:
            section.findings.append(failure("terraform apply", problem, fix))
            return False
        for one in self.present:
            already = "" if one.address in terraform.changed else "already "
            section.findings.append(ok(f"{one.region}: {one.key}", f"{already}{VERBS[one.actions]}d"))
        self.report.data["applied"] = [one.address for one in self.present if one.address in terraform.changed]
        for one in self.lost:
            text = f"not {VERBS[one.actions]}d, as the cluster can't be read: {self.live[one.region].problem}"
            fix = f"when it can be read again: {self.options.command}, or: {terraform.command([one])}"
            section.findings.append(failure(f"{one.region}: {one.key}", text, fix))
        return True

    def _plan(self, terraform: TargetedApply) -> None:
        """Write the file, and plan the objects; the file is as it was if that is refused.

        Raises:
            MeshError: It is refused.
        """
        config = self.file.path
        self.file.write()
        try:
            with self.output.spinner(f"synthesizing {displayed(config)}"):
                synthesize(config)
            with self.output.spinner(f"terraform plan: {counted(len(self.present), 'object')}"):
                terraform.plan(self.present)
        except BaseException as error:
            if not self.file.restore():
                region, file = self.options.region, displayed(config)
                self.output.log(f"warning: {file} has changed meanwhile: check its key regions.{region}.drained")
            if isinstance(error, MeshError):
                with suppress(MeshError):
                    synthesize(config)
            raise

    def observe(self) -> None:
        """Wait until the region is empty, or serves again."""
        live = self.live[self.options.region]
        if live.problem:
            text = f"not observed, as the cluster can't be read; {LOST}"
            self.report.section(f"Requests to {live.key}").findings.append(warning("requests", text))
            return
        observed: RegionTraffic | RegionReturn
        if self.options.drained:
            section = self.report.section(f"Requests to {live.key}")
            observed = RegionTraffic.of(self.environment, live.region)
        else:
            section = self.report.section(f"Endpoints in {live.key}")
            services = self.environment.all_services().items()
            ready = [name for name, service in services if live.ready_pods(service.namespace, name)]
            observed = RegionReturn.of(self.environment, live.region, ready)
        clusters = _readable(self.live)
        start = time.monotonic()
        with worker_pool(READERS) as pool:
            wait_until_complete(
                observed,
                lambda: read_traffic(self.environment, clusters, pool),
                self.options.timeout,
                self.output.log,
            )
        seconds = time.monotonic() - start
        section.findings += observed.findings(seconds)
        self.report.data["seconds"] = round(seconds, 1)


def _listed(objects: Sequence[ChangedObject]) -> str:
    return "; ".join(f"{one.key} in {one.region}" for one in objects)
