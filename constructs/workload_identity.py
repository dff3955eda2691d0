"""The right of a service's pods to act as a Google service account."""

from config.grammar.service_account import project_of
from constructs import Construct
from constructs.bindings import ITerraformDependable, ServiceAccountIamMember, TerraformResourceLifecycle

ROLE = "roles/iam.workloadIdentityUser"

ANNOTATION = "iam.gke.io/gcp-service-account"
"""Of a Kubernetes service account: the Google service account whose tokens GKE gives to its pods."""


class WorkloadIdentity(Construct):
    """Lets one Kubernetes service account, of the same name in every cluster, act as a Google service account.

    The clusters share the project's workload identity pool, so one binding is for all of them. The pool
    exists once a cluster has been created with it, and a binding to a pool that does not is refused.

    Source: https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity

    Attributes:
        granted: the binding, as a dependency of the pods.
    """

    def __init__(
        self, scope: Construct, id_: str, *, project: str, namespace: str, account: str, google_account: str
    ) -> None:
        """Add the binding.

        Args:
            scope: the parent construct.
            id_: the construct id, which addresses follow from.
            project: the clusters' project.
            namespace: of the Kubernetes service account.
            account: name of the Kubernetes service account.
            google_account: address of the Google service account, which may be another project's.
        """
        super().__init__(scope, id_)
        self.granted: ITerraformDependable = ServiceAccountIamMember(
            self,
            "Default",
            service_account_id=f"projects/{project_of(google_account)}/serviceAccounts/{google_account}",
            role=ROLE,
            member=f"serviceAccount:{project}.svc.id.goog[{namespace}/{account}]",
            # The pods change to another account before the binding to the former one is deleted.
            lifecycle=TerraformResourceLifecycle(create_before_destroy=True),
        )
