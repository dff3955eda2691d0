"""What a script leaves in a cluster when it is complete: a checksum of its inputs.

Terraform's state may have an interrupted script as done, and the cluster does not.
"""

from cli.sources.cluster_objects import COMPLETION_MARKER, Object
from cli.sources.state import StateResource, TerraformStates

INPUTS_ANNOTATION = f"{COMPLETION_MARKER}/inputs"
"""Annotation that scripts/create-remote-secret.sh writes: a checksum of its inputs."""


def installed_inputs(marker: Object | None) -> str:
    """Return the checksum of the inputs of a complete installation; empty without one.

    Args:
        marker: The ConfigMap `COMPLETION_MARKER`, if it exists.
    """
    return str((marker or {}).get("data", {}).get("installed", ""))


def installation_in(states: TerraformStates, cluster: str) -> StateResource | None:
    """Return the resource that has installed the mesh in a cluster, by the cluster's name; None if it is not known."""
    installations = (one for one in states.get("mesh") or () if "asmcli_url" in one.inputs)
    return next((one for one in installations if one.inputs.get("cluster") == cluster), None)


def remote_secret_in(states: TerraformStates, pair: str) -> StateResource | None:
    """Return the resource that has created a remote secret; None if it is not known.

    Args:
        states: Of terraform.
        pair: ``HOST/REMOTE``, the keys of two regions.
    """
    created = (one for one in states.get("mesh") or () if "_grant_" in one.address)
    return next((one for one in created if one.address.endswith(f'["{pair}"]')), None)
