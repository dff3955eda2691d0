"""`mesh repair`: adopts, untaints and repeats what an interrupted terraform has lost.

It finds everything first, prints the plan, prompts, and does one step at a time. First, it restores local states that
are incomplete, and releases locks whose terraform has ended. Then each step is one command of terraform that
takes the state's lock and changes one entry of it; or it deletes one orphaned object. So it can be killed at
any point, and run again: it finds what is still to be done. It creates nothing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from cli.doctor.untracked_objects import missing_from
from cli.errors import MeshError
from cli.repair.objects import find_objects, find_orphaned, find_tainted
from cli.repair.resources import find_resources
from cli.repair.scripts import find_half_done
from cli.repair.step import RepairStep, restore_step, unlock_step
from cli.report.findings import Finding, Report, Section, failure, ok, warning
from cli.report.output import Output
from cli.sources.applied import ObjectKey, applied_in
from cli.sources.google import ApiError, GoogleClient
from cli.sources.kubernetes import ClusterClient, KubectlError, cluster_path, reachable_clusters
from cli.sources.orphaned_objects import own_objects
from cli.sources.remediation import DEPLOY, REPAIR, unreachable_fix
from cli.sources.state import StateResource, TerraformStates, parse_state
from cli.sources.synthesized import Synthesized, read_last
from cli.sources.terraform import LockHolder, StackFolder
from config import Environment, ResolvedRegion
from config.backend import LocalState, place, state_file
from config.loading.load import displayed
from config.local_state import aside_file, incomplete_states, is_incomplete, last_written
from config.naming import STACKS
from config.plural import counted


@dataclass(frozen=True)
class _Search:
    """Where is looked for what is lost.

    Attributes:
        environment: The environment.
        google: The client.
        synthesized: All stacks.
        states: Of the stacks whose state is readable and not locked.
        folders: Of the same stacks.
        put_aside: Whether the network's state was here, and was put aside.
        written: When a local state was last written; None if the states are remote.
        read_again: Returns all states as they are then.
    """

    environment: Environment
    google: GoogleClient
    synthesized: Synthesized
    states: TerraformStates
    folders: Mapping[str, StackFolder]
    put_aside: bool
    written: float | None
    read_again: Callable[[], TerraformStates]

    def knows(self, region: ResolvedRegion) -> bool:
        """Return whether all states are read, and contain a region's cluster: otherwise they may not be those of it."""
        clusters = [one for one in self.states.get("clusters") or () if one.type == "google_container_cluster"]
        return self.states.keys() == set(STACKS) and region.names.cluster in [
            one.attributes.get("name") for one in clusters
        ]


def run_repair(
    environment: Environment, config: Path, kubeconfig: Path | None, output: Output, *, dry_run: bool, yes: bool
) -> Report:
    """Find what terraform has lost, and repair it.

    Args:
        environment: The environment.
        config: The configuration file.
        kubeconfig: As for `cli.sources.kubernetes.connected_clusters`.
        output: Where the plan and the progress are shown.
        dry_run: Whether the plan is all.
        yes: Whether it is done without a prompt.

    Raises:
        MeshError: The stacks are not synthesized, a tool is missing, there are no credentials, or there is no terminal
            for the prompt.
    """
    report = Report("repair", data={"steps": []})
    changed = False
    # Before all else: without a whole state, there is no synthesis, and terraform doesn't even take its lock.
    if isinstance(environment.backend, LocalState) and (incomplete := incomplete_states(config)):
        steps = [restore_step(stack, file) for stack, file in incomplete.items()]
        changed = _repair(steps, report, report.section("State files"), output, dry_run=dry_run, yes=yes)
    try:
        synthesized = read_last(config)
    except MeshError as error:
        if not report.sections:
            raise
        report.section("Repair").findings.append(failure("stacks", str(error), f"{error.fix}, and mesh repair again"))
        return report
    section = report.section("Terraform's states")
    with output.spinner("reading terraform's states"):
        states, folders, first = _read_states(environment, config, section)
    if first and _repair(first, report, report.section("Locks"), output, dry_run=dry_run, yes=yes):
        changed = True
        with output.spinner("reading terraform's states"):
            states, folders, _ = _read_states(environment, config, section)
    local = isinstance(environment.backend, LocalState)
    search = _Search(
        environment,
        GoogleClient.of(environment),
        synthesized,
        states,
        folders,
        put_aside=local and aside_file(state_file(config.resolve(), STACKS[0])).exists(),
        written=last_written(config) if local else None,
        read_again=cache(partial(_read_all, environment, config)),
    )
    with ExitStack() as opened:  # the steps use the clusters, too
        with output.spinner("comparing the project and the clusters with the states"):
            found = [*_find_all(search, opened, kubeconfig)]
        steps = sorted((one for one in found if isinstance(one, RepairStep)), key=lambda one: STACKS.index(one.stack))
        doubts = [one for one in found if isinstance(one, Finding)]
        if doubts:
            report.section("Not repaired").findings = doubts
        section = report.section("Repair")
        if steps:
            changed |= _repair(steps, report, section, output, dry_run=dry_run, yes=yes)
        else:
            partly = doubts or states.keys() != set(STACKS)
            section.findings.append(ok("terraform", "nothing is lost" + (" that can be repaired" if partly else "")))
        if changed:
            section.findings.append(warning("terraform", "the states are changed: deploy, or destroy, again", DEPLOY))
    return report


def _repair(
    steps: Sequence[RepairStep], report: Report, section: Section, output: Output, *, dry_run: bool, yes: bool
) -> bool:
    """Show steps, obtain the consent, and do one after the other; return whether anything was done."""
    report.data["steps"] += [{"name": one.name, "cause": one.cause, "command": one.command} for one in steps]
    if dry_run:
        section.findings = [failure(one.name, f"{one.cause}: to {one.effect}, run", one.command) for one in steps]
        return False
    for one in steps:
        output.console.print(f"{one.name}: {one.cause}\n  {one.effect}: {one.command}", markup=False, soft_wrap=True)
    if not yes and not output.confirm(f"Do {counted(len(steps), 'step')}?"):
        section.findings = [failure(one.name, f"not done: {one.cause}", one.command) for one in steps]
        return False
    done = False
    for one in steps:
        output.log(one.command)
        try:
            error = one.do()
        except MeshError as refused:
            section.findings.append(failure(one.name, f"not done: {refused}", refused.fix))
            continue
        done |= not error
        section.findings.append(
            failure(one.name, f"{one.cause}, and this failed: {error}", one.command)
            if error
            else ok(one.name, f"done: {one.effect}")
        )
    return done


def _read_states(
    environment: Environment, config: Path, section: Section
) -> tuple[TerraformStates, Mapping[str, StackFolder], Sequence[RepairStep]]:
    """Return the states that can be read, the folders of their stacks, and the steps that make the others readable."""
    states: dict[str, tuple[StateResource, ...]] = {}
    holders: list[tuple[StackFolder, LockHolder]] = []
    first: list[RepairStep] = []
    section.findings.clear()
    local = isinstance(environment.backend, LocalState)
    folders = [StackFolder.of(config, stack) for stack in STACKS]
    with ThreadPoolExecutor(len(STACKS)) as pool:
        read = pool.map(
            lambda one: _read_state(one, state_file(config.resolve(), one.stack) if local else None), folders
        )
        for folder, found in zip(folders, read, strict=True):
            match found:
                case LockHolder():
                    holders.append((folder, found))
                case Finding():
                    section.findings.append(found)
                case _:
                    states[folder.stack] = found
                    text = f"{counted(len(found), 'resource')}, in {place(environment.backend)}; not locked"
                    section.findings.append(ok(folder.stack, text))
    for folder, holder in holders:  # now that no terraform of this command runs
        if holder.has_ended():
            first.append(unlock_step(folder, holder))
            continue
        unlock = folder.command("force-unlock", holder.id)
        fix = f"pgrep -a -x terraform; if it does not run there any more: {unlock}"
        section.findings.append(failure(folder.stack, f"locked by {holder}: wait until that has ended", fix))
    return states, {one.stack: one for one in folders if one.stack in states}, first


def _read_all(environment: Environment, config: Path) -> TerraformStates:
    """Return all states as they are now.

    Raises:
        MeshError: One is locked, or can't be read.
    """
    states, _, _ = _read_states(environment, config, Section(""))
    if states.keys() != set(STACKS):
        raise MeshError("a state is locked, or can't be read, by now", REPAIR)
    return states


def _read_state(folder: StackFolder, file: Path | None) -> tuple[StateResource, ...] | LockHolder | Finding:
    """Return a state, the holder of its lock, or a finding if it can't be read.

    Args:
        folder: The folder of its stack.
        file: The file with the state; None if it is remote.
    """
    name = folder.stack
    if file is not None and is_incomplete(file):
        return failure(name, "not looked at: its file is incomplete", REPAIR)
    if not folder.initialized:
        return warning(name, "not looked at: terraform is not initialized in its folder", folder.command("init"))
    try:
        if (holder := folder.lock_holder()) is not None:
            return holder
        text = folder.pull()
        return parse_state(text, displayed(folder.path)) if text else ()
    except MeshError as error:
        return failure(name, str(error), error.fix)
    except (OSError, ValueError) as error:
        return failure(name, f"can't read the state: {error}", folder.command("state", "pull"))


def _find_all(search: _Search, opened: ExitStack, kubeconfig: Path | None) -> Iterator[RepairStep | Finding]:
    yield from find_resources(
        search.environment, search.google, search.synthesized, search.states, search.folders, here=search.put_aside
    )
    for stack, state in search.states.items():
        yield from find_tainted(state or (), search.folders[stack])
    described = {}
    for region in search.environment.resolved_regions():
        one = search.google.try_find("container", cluster_path(search.environment, region))
        if isinstance(one, ApiError) and not one.api_is_off:
            yield warning(f"cluster of {region.key}", f"not looked at: {one}", "mesh doctor")
        elif isinstance(one, dict) and one.get("status") == "RUNNING":
            described[region.key] = one
    if not described:
        return
    clusters = opened.enter_context(reachable_clusters(search.environment, described, kubeconfig))
    for key, cluster in clusters.items():
        yield from _find_in_cluster(search, key, cluster)


def _find_in_cluster(search: _Search, key: str, cluster: ClusterClient | MeshError) -> list[RepairStep | Finding]:
    name = f"cluster of {key}"
    if isinstance(cluster, MeshError):
        return [warning(name, f"not looked at: {cluster}", cluster.fix)]
    region = next(one for one in search.environment.resolved_regions() if one.key == key)
    # Under another address, too, as of another version of the stacks: imported twice, it would be deleted once.
    known = {one.key for state in search.states.values() for where, one in applied_in(state or ()) if where == key}
    missing = missing_from(search.states, search.synthesized).get(key, [])
    untracked = [one for one in missing if ObjectKey.of(one.reference) not in known]
    try:
        found: list[RepairStep | Finding] = [*find_objects(cluster, untracked, search.folders)]
        if mesh := search.folders.get("mesh"):
            found += find_half_done(search.environment, region, cluster, search.states, mesh)
    except KubectlError as error:
        return [warning(name, f"not looked at: {error}", unreachable_fix(str(error), cluster))]
    if not search.knows(region):
        return found
    try:
        found += find_orphaned(
            cluster,
            own_objects(search.states, search.synthesized, key),
            lambda: own_objects(search.read_again(), search.synthesized, key),
            search.written,
        )
    except KubectlError as error:  # such as where one of the many kinds may not be listed
        text = f"orphaned objects are not looked for: {error}"
        found.append(warning(name, text, unreachable_fix(str(error), cluster)))
    return found
