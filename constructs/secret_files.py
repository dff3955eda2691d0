"""Secrets of Secret Manager as files of a pod, by GKE's Secret Manager add-on."""

import json
from collections.abc import Mapping
from typing import Any

from config.services.volume import Volume
from constructs.manifest_file import checksum, render

DRIVER = "secrets-store-gke.csi.k8s.io"
"""Of the add-on; the open source driver that it comes from is secrets-store.csi.k8s.io.

Source: https://cloud.google.com/secret-manager/docs/secret-manager-managed-csi-component
"""


def secret_classes(service: str, namespace: str, volumes: Mapping[str, Volume]) -> dict[str, dict[str, Any]]:
    """Return the SecretProviderClass of each volume with such secrets, by its mount path.

    Args:
        service: the service's name.
        namespace: of the service.
        volumes: by mount path.
    """
    return {
        path: render(
            "service/secret-provider-class.yaml",
            {
                "name": _class_name(service, path, volume.secret_manager),
                "namespace": namespace,
                # The provider reads YAML, which JSON is, too.
                "secrets": json.dumps(
                    [{"path": file, "resourceName": name} for file, name in sorted(volume.secret_manager.items())]
                ),
            },
        )
        for path, volume in volumes.items()
        if volume.secret_manager is not None
    }


def secret_source(service: str, path: str, secrets: Mapping[str, str]) -> dict[str, Any]:
    """Return the volume source of a pod.

    Args:
        service: the service's name.
        path: where the volume is mounted.
        secrets: versions by file name.
    """
    attributes = {"secretProviderClass": _class_name(service, path, secrets)}
    return {"csi": {"driver": DRIVER, "readOnly": True, "volumeAttributes": attributes}}


def _class_name(service: str, path: str, secrets: Mapping[str, str]) -> str:
    """Return a name that changes with the secrets: they are read when a pod starts."""
    return f"{service}-{checksum([path, dict(secrets)])}"
