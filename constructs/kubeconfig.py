"""The kubeconfig of a cluster for kubectl and istioctl, built from terraform's own data."""

from typing import Any

from constructs import Construct
from constructs.bindings import Fn, TerraformLocal


class Kubeconfig(Construct):
    """A kubeconfig, which appears once in the stack.

    Attributes:
        text: its content as JSON.
    """

    def __init__(
        self, scope: Construct, id_: str, *, cluster: str, host: str, ca_certificate: str | None, account: str | None
    ) -> None:
        """Add the local value; `kubeconfig` describes the other arguments."""
        super().__init__(scope, id_)
        content = kubeconfig(cluster=cluster, host=host, ca_certificate=ca_certificate, account=account)
        self.text: str = TerraformLocal(self, "Default", Fn.jsonencode(content)).as_string


def kubeconfig(*, cluster: str, host: str, ca_certificate: str | None, account: str | None) -> dict[str, Any]:
    """Return a kubeconfig like that of ``gcloud container clusters get-credentials``.

    With it a script need not describe the cluster first, which takes longer than the script's own
    work. It contains no secret: gke-gcloud-auth-plugin issues the tokens when they are needed.

    Args:
        cluster: name of the cluster, user and context in it.
        host: URL of the API server.
        ca_certificate: base64 of PEM; None if the machine's own authorities suffice, as at a DNS endpoint.
        account: service account to impersonate; None for gcloud's own account.
    """
    server: dict[str, Any] = {"server": host}
    if ca_certificate is not None:
        server["certificate-authority-data"] = ca_certificate
    plugin: dict[str, Any] = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "gke-gcloud-auth-plugin",
        "installHint": "gcloud components install gke-gcloud-auth-plugin",
        "interactiveMode": "Never",
        "provideClusterInfo": True,
    }
    if account is not None:
        plugin["args"] = [f"--impersonate_service_account={account}"]
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": cluster,
        "clusters": [{"name": cluster, "cluster": server}],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": cluster}}],
        "users": [{"name": cluster, "user": {"exec": plugin}}],
    }
