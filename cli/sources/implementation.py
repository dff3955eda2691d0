"""Which implementation a managed control plane has."""

from cli.report.findings import Finding, ok, warning
from cli.sources.cluster_objects import Object
from config import Environment

TRAFFIC_DIRECTOR = "TRAFFIC_DIRECTOR"
"""The implementation of a managed control plane that new fleets get; the other one is ISTIOD.

Source: https://cloud.google.com/service-mesh/docs/check-control-plane-implementation
"""


def check_implementation(environment: Environment, reported: Object, name: str = "implementation") -> Finding:
    """Return which implementation a managed control plane has, and what does not work with it.

    Args:
        environment: The environment.
        reported: The cluster's state in the fleet's mesh feature.
        name: Of the finding.
    """
    kind = reported.get("controlPlaneManagement", {}).get("implementation", "")
    if kind != TRAFFIC_DIRECTOR or not environment.control_plane.uses_remote_secrets:
        return ok(name, kind or "not reported")
    text = (
        f"{kind}, which ignores remote secrets, although each holds a token; the clusters discover endpoints by "
        "multicluster_mode: connected, which every deploy sets"
    )
    return warning(name, text, "create a new environment with mesh.control_plane: fleet: docs/control-plane-modes.md")
