"""The values that an API server gives to what a manifest leaves open."""

import json
from typing import Any

from cli.sources.cluster_objects import Object
from cli.sources.kubernetes import ClusterClient, KubectlError


def with_defaults(cluster: ClusterClient, manifest: Object) -> Object | None:
    """Return a new object as the API server would store it, in a dry run; None if it refuses that.

    Args:
        cluster: The cluster.
        manifest: Of an object that may exist: the new one gets another name.
    """
    metadata = {key: value for key, value in manifest["metadata"].items() if key != "name"}
    one = {**manifest, "metadata": {**metadata, "generateName": "mesh-status-"}}
    try:
        text = cluster.run("create", "--dry-run=server", "--filename", "-", "--output", "json", text=json.dumps(one))
        found: dict[str, Any] = json.loads(text)
    except (KubectlError, ValueError):
        return None
    return found
