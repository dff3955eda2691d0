"""Terraform's access to one cluster's API server."""

from constructs import Construct
from constructs.bindings import Fn, KubernetesProvider, KubernetesProviderExec, TerraformStack, Token
from constructs.kubernetes_objects import KubernetesObjects
from constructs.private_cluster import PrivateCluster


class ClusterAccess(Construct):
    """A kubernetes provider for one cluster, under the region's key as its alias.

    Its tokens are Google's, expire after an hour, and appear in no state and no plan.
    gke-gcloud-auth-plugin issues them, from the application default credentials that
    the google provider uses too. With a service account to impersonate, an ephemeral
    resource does (terraform 1.10 or later), which needs no tool. The data source
    google_client_config would write the token into the state.

    Attributes:
        provider: for resources in this cluster.
        provider_address: its address.
        objects: the objects of all clusters.
    """

    def __init__(
        self,
        scope: Construct,
        id_: str,
        *,
        alias: str,
        cluster: PrivateCluster,
        service_account: str | None,
        objects: KubernetesObjects,
    ) -> None:
        super().__init__(scope, id_)
        self.objects = objects
        self.provider_address = f"kubernetes.{alias}"
        self.provider = KubernetesProvider(
            self,
            "Default",
            alias=alias,
            host=cluster.host,
            cluster_ca_certificate=(
                None if cluster.ca_certificate is None else Token.as_string(Fn.base64decode(cluster.ca_certificate))
            ),
            token=None if service_account is None else f"${{{_TOKEN}.access_token}}",
            exec=_PLUGIN if service_account is None else None,
        )
        if service_account is not None:
            # cdktf has no class for ephemeral blocks.
            TerraformStack.of(self).add_override(
                _TOKEN,
                {
                    "provider": f"google.{CALLER}",
                    "target_service_account": service_account,
                    "scopes": ["https://www.googleapis.com/auth/cloud-platform"],
                    "lifetime": "3600s",
                },
            )


CALLER = "caller"
"""Alias of a google provider with the caller's own credentials, for the call that impersonates the account."""

_TOKEN = "ephemeral.google_service_account_access_token.kubernetes"

_PLUGIN = [
    KubernetesProviderExec(
        api_version="client.authentication.k8s.io/v1beta1",
        command="gke-gcloud-auth-plugin",
        args=["--use_application_default_credentials"],
    )
]
