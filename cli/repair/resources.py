"""Cloud resources that exist and are missing from the state, or are tainted there although they are complete."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cli.doctor.conflicts import other_environments
from cli.repair.adoption import ADOPTED, Adoption
from cli.repair.step import RepairStep, import_step, untaint_step
from cli.report.findings import Finding, failure, warning
from cli.sources.google import ApiError, GoogleClient, LookupResult
from cli.sources.remediation import api_error_fix, as_deployer
from cli.sources.resources import (
    CLUSTERS,
    FEATURES,
    NATS,
    NODE_POOLS,
    ROUTERS,
    SUBNETS,
    CloudResource,
    look_up,
)
from cli.sources.state import TerraformStates
from cli.sources.synthesized import Synthesized
from cli.sources.terraform import StackFolder
from config import Environment

_ARGUMENT = re.compile(r"{(\w+)}")
_COMPLETE = {CLUSTERS: "RUNNING", NODE_POOLS: "RUNNING"}
"""By kind: the status of a complete resource; others have none."""

_BROKEN, _BEING_DELETED = "ERROR", "STOPPING"
"""Statuses of clusters and node pools. Deleting a broken one is left to the user: its nodes may run."""


@dataclass(frozen=True)
class Candidate:
    """A resource that a stack has, and that may exist.

    Attributes:
        folder: The folder of its stack.
        address: Terraform's address of it.
        arguments: Of the synthesized resource.
        adoption: How it is adopted.
        resource: What it is in the cloud.
    """

    folder: StackFolder
    address: str
    arguments: Mapping[str, Any]
    adoption: Adoption
    resource: CloudResource

    @property
    def name(self) -> str:
        one = self.resource
        where = f" in {one.location}" if one.location not in ("", "global") else ""
        return f"{one.kind.singular} {one.name}{where}"


def find_resources(
    environment: Environment,
    google: GoogleClient,
    synthesized: Synthesized,
    states: TerraformStates,
    folders: Mapping[str, StackFolder],
    *,
    here: bool = False,
) -> Iterator[RepairStep | Finding]:
    """Yield a step for each resource that is proved ours, and a finding for each that is not, in order of creation.

    Args:
        environment: The environment.
        google: The client.
        synthesized: The stacks.
        states: Of the stacks to look at.
        folders: Of the same stacks.
        here: Whether the network's state is known to have been here.
    """
    tracked = {(stack, one.address): one.tainted for stack, state in states.items() for one in state or ()}
    # Such as under the address that another version of the stacks gives it: imported twice, it would be deleted once.
    known = {one.attributes.get("id") for state in states.values() for one in state or () if not one.tainted}
    lost = [
        one
        for one in candidates(environment, synthesized, folders)
        if tracked.get((one.folder.stack, one.address), True)
        and not known & {one.resource.path, one.adoption.import_id(one.resource)}
    ]
    parents = [
        CloudResource(ROUTERS if one.resource.kind is NATS else CLUSTERS, one.resource.parent)
        for one in lost
        if one.resource.kind.embedded
    ]
    apis = {one.adoption.kind.api for one in lost}
    found = look_up(google, [*parents, *(one.resource for one in lost)], apis) if lost else {}
    network = f"projects/{environment.project.id}/global/networks/{environment.names.vpc}"
    elsewhere = "" if here else _is_elsewhere(lost, found, network)
    for one in sorted(lost, key=lambda one: list(folders).index(one.folder.stack)):
        live = found[one.resource]
        if isinstance(live, ApiError):
            if not live.api_is_off:
                yield failure(one.name, f"unknown: {live}", api_error_fix(live, one.resource.kind.api, google.project))
            continue
        if live is None or live.get("status") == _BEING_DELETED:
            continue
        tainted = (one.folder.stack, one.address) in tracked
        doubt = elsewhere or _doubt(environment, google, one, live, found=found, network=network)
        if tainted:
            wanted = _COMPLETE.get(one.resource.kind)
            if not doubt and live.get("status") in (None, wanted, "READY", "RESERVED", "IN_USE"):
                cause = "tainted, so the next deploy would replace it, but it is complete"
                yield untaint_step(one.name, cause, one.folder, one.address)
            else:
                text = f"tainted, so the next deploy replaces it; {doubt or 'its status is ' + str(live.get('status'))}"
                yield warning(one.name, text, one.folder.command("untaint", one.address))
        elif doubt:
            text = f"exists but is missing from the state; {doubt}, so it may not be of this environment"
            adopt = one.folder.command("import", one.address, one.adoption.import_id(one.resource))
            delete = as_deployer(one.resource.delete_command, environment)
            yield failure(one.name, text, f"if it is: {adopt}; if it is not in use: {delete}")
        elif live.get("status") == _BROKEN:
            text = "exists but is missing from the state, and its creation failed: a deploy can't complete it"
            yield failure(one.name, text, as_deployer(one.resource.delete_command, environment))
        else:
            cause = f"exists but is missing from the state; ours by {_proof(one)}"
            identifier = one.adoption.import_id(one.resource)
            yield import_step(one.name, cause, one.folder, one.address, identifier)


def candidates(
    environment: Environment, synthesized: Synthesized, folders: Mapping[str, StackFolder]
) -> Iterator[Candidate]:
    for stack, folder in folders.items():
        for type_, adoption in ADOPTED.items():
            for address, arguments in synthesized.resources(stack, type_).items():
                values = {
                    name: resolved_argument(synthesized, stack, arguments, name)
                    for name in set(_ARGUMENT.findall(adoption.path)) - {"project"}
                }
                path = adoption.path.format(project=environment.project.id, **values)
                yield Candidate(folder, address, arguments, adoption, CloudResource(adoption.kind, path))


def resolved_argument(synthesized: Synthesized, stack: str, arguments: Mapping[str, Any], name: str) -> str:
    """Return an argument's text, also where it refers to an argument of another resource."""
    text = str(arguments[name])
    address, attribute = synthesized.resolve(stack, text)
    if not address:
        return text
    type_ = address.partition(".")[0]
    for other in synthesized.stacks:
        if referred := synthesized.resources(other, type_).get(address):
            return resolved_argument(synthesized, other, referred, attribute)
    raise synthesized.inconsistent(f"the stack {stack} refers to {address}, which no stack has")


def _is_elsewhere(candidates: Sequence[Candidate], found: Mapping[CloudResource, LookupResult], network: str) -> str:
    """Return why nothing may be adopted: the whole environment exists, and its state is elsewhere.

    A network that was just created has no subnet yet: terraform creates one when the network is in the state.
    """
    missing = [one.resource for one in candidates if isinstance(found[one.resource], dict)]
    if any(one.path == network for one in missing) and any(one.kind in (SUBNETS, ROUTERS, CLUSTERS) for one in missing):
        return "its network is missing from the state, too: the state of the environment seems to be elsewhere"
    return ""


def _doubt(
    environment: Environment,
    google: GoogleClient,
    one: Candidate,
    live: Mapping[str, Any],
    *,
    found: Mapping[CloudResource, LookupResult],
    network: str,
) -> str:
    """Return what speaks against a resource being ours; empty if all speaks for it."""
    adoption, resource = one.adoption, one.resource
    if adoption.on_network and not CloudResource(resource.kind, resource.path, content=live).is_on(network):
        return f"it is not on {environment.names.vpc}"
    if adoption.description is not None:
        argument, field = adoption.description
        if live.get(field, "") != one.arguments.get(argument, ""):
            return f"its {argument.replace('_', ' ')} is {live.get(field, '')!r}"
    if resource.kind.embedded:
        kind = ROUTERS if resource.kind is NATS else CLUSTERS
        parent = found[CloudResource(kind, resource.parent)]
        whole = CloudResource(kind, resource.parent, content=parent if isinstance(parent, dict) else {})
        return "" if whole.is_on(network) else f"its {resource.kind.parent} is not on {environment.names.vpc}"
    if resource.kind is FEATURES:
        return _doubt_of_feature(environment, google, live)
    return ""


def _doubt_of_feature(environment: Environment, google: GoogleClient, live: Mapping[str, Any]) -> str:
    cluster = live.get("spec", {}).get("multiclusteringress", {}).get("configMembership", "").rpartition("/")[2]
    if cluster and cluster not in [region.names.cluster for region in environment.resolved_regions()]:
        return f"its config cluster is {cluster}"
    try:
        others = other_environments(environment, google)
    except ApiError as error:
        return f"the clusters of the project can't be listed: {error}"
    return f"the project has clusters of another environment: {', '.join(others)}" if others else ""


def _proof(one: Candidate) -> str:
    """Return what proves that a resource is ours, for the plan."""
    proofs = ["its name"]
    if one.adoption.description is not None:
        proofs.append(f"its {one.adoption.description[0].replace('_', ' ')}")
    if one.adoption.on_network:
        proofs.append("its network")
    if one.resource.kind.embedded:
        proofs.append(f"its {one.resource.kind.parent}")
    if one.resource.kind is FEATURES:
        proofs = ["the project's clusters"]
    return " and ".join(proofs) if len(proofs) < 3 else f"{', '.join(proofs[:-1])} and {proofs[-1]}"
