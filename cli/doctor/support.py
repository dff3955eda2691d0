"""How long Google supports the control plane mode."""

from collections.abc import Iterator
from datetime import date

from cli.report.findings import Finding, failure, ok, warning
from cli.sources.described import membership_state
from cli.sources.implementation import check_implementation
from cli.sources.resources import FEATURES, ExpectedResources
from config import Environment

NAME = "support of the control plane mode"
FIX = (
    "create a new environment with mesh.control_plane: fleet, as a mesh can't be migrated: docs/control-plane-modes.md"
)


def check(environment: Environment, today: date) -> Finding:
    """Return a warning where Google has announced the end of the mode's support, and a failure after it.

    Args:
        environment: The environment.
        today: The date.
    """
    mode, end = environment.mesh.control_plane, environment.control_plane.end
    if end is None or today < end.deprecated:
        return ok(NAME, f"{mode} is supported, without an announced end")
    if today < end.ends:
        return warning(NAME, f"{mode}: {end.describe()}", FIX)
    return failure(NAME, f"{mode}: {end.describe()}; that date has passed", FIX)


def check_implementations(environment: Environment, resources: ExpectedResources) -> Iterator[Finding]:
    """Yield which implementation each existing control plane has that Google runs.

    Args:
        environment: The environment.
        resources: The expected resources, looked up.
    """
    features = (found for one, found in resources.items() if one.kind is FEATURES and one.name == "servicemesh")
    feature = next(features, None)
    for region in environment.resolved_regions():
        reported = membership_state(feature, region, None).get("servicemesh", {})
        if "controlPlaneManagement" in reported:
            yield check_implementation(environment, reported, f"{region.key}: implementation of the control plane")
