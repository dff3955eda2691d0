"""`mesh.control_plane`: values that can't work with the chosen mode."""

from collections.abc import Iterator

from config.environment import Environment
from config.mesh import DEFAULT_VERSION, PREVIOUS_DEFAULT_VERSION
from config.problems import Problem
from config.validation.networks import MOST_AUTHORIZED_NETWORKS, is_reserved


def check_control_plane(environment: Environment) -> Iterator[Problem]:
    """Check what istiods that run as pods need.

    Their version is in the file, as it is the user who upgrades them: a default that changes would
    install another one. Each GKE control plane can authorize the istiods of the other clusters.

    Runs on an environment whose parts are each right.
    """
    if not environment.control_plane.runs_on_nodes:
        return
    mode = environment.mesh.control_plane
    if "version" not in environment.mesh.asmcli.model_fields_set:
        rule = (
            f"with mesh.control_plane: {mode}, give the version, which decides the revision: "
            f"`version: {DEFAULT_VERSION}` for a new mesh; for one that exists without this line, "
            f"`version: {PREVIOUS_DEFAULT_VERSION}`, the default until 2026-11-28"
        )
        yield Problem("mesh.asmcli.version", rule)
    regions = [one for one in environment.resolved_regions() if not one.retired]
    if len(regions) > 1:
        for one in regions:
            network = one.ranges.control_plane
            if not is_reserved(network):
                rule = (
                    f"with mesh.control_plane: {mode}, makes GKE send pods' requests from their nodes' addresses, "
                    "which this control plane does not admit; choose a private range, or mesh.control_plane: fleet"
                )
                yield Problem(f"regions.{one.key}.control_plane", rule, str(network))
            pods = one.ranges.pods
            if environment.cluster.endpoint != "public" and not is_reserved(pods):
                rule = (
                    f"with mesh.control_plane: {mode}, has to be among the authorized networks of the other clusters' "
                    "private addresses, of which GKE refuses a public one; choose a private range"
                )
                yield Problem(f"regions.{one.key}.pods", rule, str(pods))
    given = len(environment.cluster.authorized_networks) + (environment.cluster.operator_address is not None)
    others = len(regions) - 1
    if given + others > MOST_AUTHORIZED_NETWORKS:
        rule = (
            f"with mesh.control_plane: {mode}, with the pods of {others} other clusters, which {mode} has to admit, "
            f"there are {given + others}; GKE takes {MOST_AUTHORIZED_NETWORKS}. List fewer, wider networks"
        )
        yield Problem("cluster.authorized_networks", rule, f"{given} networks")
