"""The file by which kubectl and istioctl reach a cluster."""

from collections.abc import Sequence
from typing import Any

PLUGIN = "gke-gcloud-auth-plugin"


def kubeconfig(
    *, name: str, server: str, ca_certificate: str | None, account: str | None, arguments: Sequence[str] = ()
) -> dict[str, Any]:
    """Return a kubeconfig like that of ``gcloud container clusters get-credentials``.

    It holds no secret: the plugin makes the tokens when they are needed.

    Args:
        name: The name of cluster, user and context in it.
        server: URL of the API server.
        ca_certificate: Base64 of PEM; None where the machine's own authorities do, as at a DNS endpoint.
        account: Service account to act as; None for the caller's own identity.
        arguments: Arguments of the plugin where there is no account.
    """
    cluster = {"server": server}
    if ca_certificate is not None:
        cluster["certificate-authority-data"] = ca_certificate
    plugin: dict[str, Any] = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": PLUGIN,
        "installHint": f"gcloud components install {PLUGIN}",
        "interactiveMode": "Never",
        "provideClusterInfo": True,
    }
    given = arguments if account is None else [f"--impersonate_service_account={account}"]
    if given:
        plugin["args"] = list(given)
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": cluster}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "users": [{"name": name, "user": {"exec": plugin}}],
    }
