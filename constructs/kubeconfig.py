"""The file by which kubectl and istioctl reach a cluster, made of what terraform knows of it."""

from typing import Any

from constructs import Construct
from constructs.bindings import Fn, TerraformLocal


class Kubeconfig(Construct):
    """A kubeconfig, written once into the stack.

    Attributes:
        text: its content, JSON.
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

    A script that has it need not ask for the cluster first, which takes longer than what it then
    does there. No secret is in it: gke-gcloud-auth-plugin makes the tokens when they are needed.

    Args:
        cluster: what cluster, user and context are called in it.
        host: URL of the API server.
        ca_certificate: base64 of PEM; None where the machine's own authorities do, as at a DNS endpoint.
        account: service account to act as; None for gcloud's own.
    """
    reach: dict[str, Any] = {"server": host}
    if ca_certificate is not None:
        reach["certificate-authority-data"] = ca_certificate
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
        "clusters": [{"name": cluster, "cluster": reach}],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": cluster}}],
        "users": [{"name": cluster, "user": {"exec": plugin}}],
    }
