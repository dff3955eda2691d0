"""The volumes of a container, as Kubernetes has them."""

from collections.abc import Mapping
from typing import Any

from config.grammar.quantity import canonical_bytes
from config.services.volume import Volume
from constructs.manifest_file import checksum
from constructs.secret_files import secret_source

TMP = "/tmp"
"""Every container can write there."""


def container_volumes(service: str, volumes: Mapping[str, Volume]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the volumes of a pod, and their mounts in its container.

    Args:
        service: the service's name.
        volumes: by mount path.
    """
    sources: list[dict[str, Any]] = []
    mounts: list[dict[str, Any]] = []
    if TMP not in volumes:
        sources.append({"name": "tmp", "emptyDir": {}})
        mounts.append({"name": "tmp", "mountPath": TMP})
    for path, volume in sorted(volumes.items()):
        name = f"volume-{checksum(path)}"
        sources.append({"name": name, **_source(service, path, volume)})
        file = {"subPath": volume.key} if volume.key else {}
        mounts.append({"name": name, "mountPath": path} | file | ({"readOnly": True} if volume.read_only else {}))
    return sources, mounts


def _source(service: str, path: str, volume: Volume) -> dict[str, Any]:
    match volume.chosen:
        case "secret":
            return {"secret": {"secretName": volume.secret}}
        case "config_map":
            return {"configMap": {"name": volume.config_map}}
        case "secret_manager":
            return secret_source(service, path, volume.secret_manager or {})
        case "size":
            return {"emptyDir": {"sizeLimit": canonical_bytes(str(volume.size))}}
        case "memory":
            return {"emptyDir": {"medium": "Memory", "sizeLimit": canonical_bytes(str(volume.memory))}}
    raise ValueError(f"{volume.chosen} is no source of a volume")
