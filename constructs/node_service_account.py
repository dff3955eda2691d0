"""The service account of a cluster's nodes."""

from constructs import Construct
from constructs.bindings import ITerraformDependable, ProjectIamMember, ServiceAccount

NODE_ROLES = ("roles/artifactregistry.reader", "roles/container.defaultNodeServiceAccount")
"""Least roles: write logs and metrics, and pull images of this project.

Source: https://cloud.google.com/kubernetes-engine/docs/how-to/hardening-your-cluster#use_least_privilege_sa
"""


class NodeServiceAccount(Construct):
    """A service account with the roles that a node needs, instead of the Compute default account (an editor).

    Attributes:
        email: the account's email.
        grants: the role bindings, as dependencies of node pools.
    """

    def __init__(self, scope: Construct, id_: str, *, project: str, account_id: str, cluster: str) -> None:
        super().__init__(scope, id_)
        account = ServiceAccount(
            self, "Default", project=project, account_id=account_id, display_name=f"Nodes of {cluster}"
        )
        self.email: str = account.email
        self.grants: list[ITerraformDependable] = [
            ProjectIamMember(
                self, role.rsplit(".", 1)[-1], project=project, role=role, member=f"serviceAccount:{account.email}"
            )
            for role in NODE_ROLES
        ]
