"""The kubeconfig of a cluster for kubectl and istioctl, built from terraform's own data."""

from config.kubeconfig import kubeconfig
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
        """Add the local value; `config.kubeconfig.kubeconfig` describes the other arguments."""
        super().__init__(scope, id_)
        content = kubeconfig(name=cluster, server=host, ca_certificate=ca_certificate, account=account)
        self.text: str = TerraformLocal(self, "Default", Fn.jsonencode(content)).as_string
